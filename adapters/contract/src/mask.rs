//! Masking: what may be seen of a person.
//!
//! The last eight characters of an ID number are a system's initial password, so no digit of them is ever shown;
//! neither is the birth date. What remains is the province digits and one more.

/// `110***************`: the first three characters of an ID number, always eighteen wide.
#[must_use]
pub fn id_number(clear: &str) -> String {
    let head: String = clear.chars().take(3).collect();
    format!("{head}{}", "*".repeat(18 - head.chars().count().min(3)))
}

/// `张*`: the first character, then one star whatever the length. A name of one character is a star.
#[must_use]
pub fn name(clear: &str) -> String {
    let mut chars = clear.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(_)) => format!("{first}*"),
        _ => "*".to_owned(),
    }
}

/// `138********`: the first three digits, always eleven wide.
#[must_use]
pub fn phone(clear: &str) -> String {
    let head: String = clear.chars().take(3).collect();
    format!("{head}{}", "*".repeat(11 - head.chars().count().min(3)))
}

/// Puts `masked` in the place of a known value wherever it stands in a text, whatever the case of its letters and
/// whichever of `separators` stand between its characters: `138-0013-8000`.
#[must_use]
pub fn known(text: &str, clear: &str, separators: &[char], masked: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match after(rest, clear, separators) {
            Some(behind) => {
                out.push_str(masked);
                rest = behind;
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

/// What follows a value at the beginning of a text, if it stands there.
fn after<'t>(text: &'t str, clear: &str, separators: &[char]) -> Option<&'t str> {
    let mut wanted = clear.chars().peekable();
    wanted.peek()?;
    let mut begun = false;
    for (at, c) in text.char_indices() {
        match wanted.peek() {
            None => return Some(&text[at..]),
            Some(next) if next.eq_ignore_ascii_case(&c) => {
                wanted.next();
                begun = true;
            }
            Some(_) if begun && separators.contains(&c) => {}
            Some(_) => return None,
        }
    }
    wanted.peek().is_none().then_some("")
}

/// Stars out what looks like an ID number or a phone number in text that somebody else wrote: every run of digits
/// (with a closing `X`) of eight or more keeps its first three. Names can't be known from the text alone: see
/// [`crate::Transfer::redact`].
#[must_use]
pub fn digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        if run.chars().count() >= 8 {
            out.extend(run.chars().take(3));
            out.extend(std::iter::repeat_n('*', run.chars().count() - 3));
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        let digit = c.is_ascii_digit() || ('０'..='９').contains(&c);
        let closing = matches!(c, 'X' | 'x' | 'Ｘ' | 'ｘ') && !run.is_empty();
        if digit || closing {
            run.push(c);
            if closing {
                flush(&mut run, &mut out);
            }
        } else {
            flush(&mut run, &mut out);
            out.push(c);
        }
    }
    flush(&mut run, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_as_the_design_shows() {
        assert_eq!(id_number("11010519491231002X"), "110***************");
        assert_eq!(name("张三"), "张*");
        assert_eq!(name("欧阳修"), "欧*");
        assert_eq!(name("张"), "*");
        assert_eq!(phone("13800138000"), "138********");
    }

    #[test]
    fn a_known_value_is_found_in_any_dress() {
        let phone = |text: &str| known(text, "13800138000", &[' ', '-'], "138********");
        assert_eq!(phone("拨打138-0013-8000或138 0013 8000"), "拨打138********或138********");
        assert_eq!(phone("1380013800 13800138001"), "1380013800 13800138001");
        assert_eq!(known("002x002X", "002X", &[], "****"), "********");
        assert_eq!(known("无", "", &[], "*"), "无");
    }

    #[test]
    fn digits_of_people_are_starred_in_foreign_text() {
        assert_eq!(
            digits("idNumber 11010519491231002X is invalid, call 13800138000 (code 40001)"),
            "idNumber 110*************** is invalid, call 138******** (code 40001)"
        );
        assert_eq!(digits("１１０１０５１９４９１２３１００２Ｘ"), "１１０***************");
    }
}
