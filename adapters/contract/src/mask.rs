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

/// What may part the digits of one number: `138-1000-0002`, `110105 19990101 0012`.
const PARTING: [char; 6] = [' ', '-', '.', '_', '\u{3000}', '－'];

/// Stars out what looks like an ID number or a phone number in text that somebody else wrote: every unbroken run of
/// digits (with a closing `X`) of eight or more, and every eleven or more that single separators part (space, hyphen,
/// dot, underscore), keeps its first three; the separators stay. Dates, times and IP addresses are left alone. Names
/// can't be known from the text alone: see [`crate::Transfer::redact`].
#[must_use]
pub fn digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let moment = moment(rest);
        let run = if moment > 0 { "" } else { run(rest) };
        let (plain, behind) = rest.split_at(match run.len() {
            0 => moment.max(first.len_utf8()),
            run => run,
        });
        if run.is_empty() {
            out.push_str(plain);
        } else {
            out.push_str(&starred(run));
        }
        rest = behind;
    }
    out
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || ('０'..='９').contains(&c)
}

/// The digits at the beginning of a text, with single separators between them and the `X` that closes them.
fn run(text: &str) -> &str {
    /// So many digits and an `X` are an ID number, also where the `X` stands apart.
    const BEFORE_X: usize = 14;
    let (mut end, mut digits) = (0, 0);
    for (at, c) in text.char_indices() {
        let behind_digit = at == end && digits > 0;
        if is_digit(c) {
            end = at + c.len_utf8();
            digits += 1;
        } else if matches!(c, 'X' | 'x' | 'Ｘ' | 'ｘ') && (behind_digit || digits >= BEFORE_X) {
            return &text[..at + c.len_utf8()];
        } else if !(behind_digit && PARTING.contains(&c)) {
            break;
        }
    }
    &text[..end]
}

fn starred(run: &str) -> String {
    let signs = |part: &str| part.chars().filter(|c| !PARTING.contains(c)).count();
    let address = run.split('.').filter_map(|part| part.parse::<u8>().ok()).map(|part| part.to_string());
    if run.split('.').count() == 4 && address.collect::<Vec<_>>().join(".") == run {
        return run.to_owned();
    }
    if signs(run) >= 11 {
        return head_of(run);
    }
    let parts = run.split_inclusive(PARTING);
    parts.map(|part| if signs(part) >= 8 { head_of(part) } else { part.to_owned() }).collect()
}

/// The first three digits, and stars for the others.
fn head_of(run: &str) -> String {
    let mut shown = 0;
    let star = |c: char| {
        shown += usize::from(!PARTING.contains(&c));
        if shown <= 3 || PARTING.contains(&c) { c } else { '*' }
    };
    run.chars().map(star).collect()
}

/// How much of a text's beginning is a date, a time or both. A date that other digits follow is somebody's birth date.
fn moment(text: &str) -> usize {
    const DATE: &str = "0000-00-00";
    let time = |text: &str| {
        let shapes = ["00:00:00.000", "00:00:00", "00:00"];
        shapes.into_iter().find(|shape| shaped(text, shape)).map_or(0, str::len)
    };
    if !shaped(text, DATE) || !text.starts_with(['1', '2']) {
        return time(text);
    }
    let behind = &text[DATE.len()..];
    let Some(next) = behind.strip_prefix('T').or_else(|| behind.strip_prefix(PARTING)) else {
        return DATE.len();
    };
    match time(next) {
        0 if next.starts_with(is_digit) && !shaped(next, DATE) => 0,
        0 => DATE.len(),
        time => text.len() - next.len() + time,
    }
}

/// Whether a text begins like this, `0` being any digit and `-` any sign in a date, and no digit follows.
fn shaped(text: &str, shape: &str) -> bool {
    let like = |(byte, shape): (u8, u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'-' => b"-./".contains(&byte),
        shape => byte == shape,
    };
    text.get(..shape.len()).is_some_and(|text| text.bytes().zip(shape.bytes()).all(like))
        && !text[shape.len()..].starts_with(is_digit)
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

    #[test]
    fn digits_that_separators_part_are_starred_too() {
        assert_eq!(
            digits("138 1000 0002 / 110105 19990101 0012 / 138-1000-0002"),
            "138 **** **** / 110*** ******** **** / 138-****-****"
        );
        for (text, shown) in [
            ("138.1000.0002", "138.****.****"),
            ("1-3-8_1-0-0-0_0-0-0-2", "1-3-8_*-*-*-*_*-*-*-*"),
            ("１３８\u{3000}１０００－０００２", "１３８\u{3000}****－****"),
            ("110105 19990101 001X号", "110*** ******** ****号"),
            ("110105 19990101 001 x.", "110*** ******** *** *."),
            ("110105 1999-01-01 0012", "110*** ****-**-** ****"),
            ("1999-01-01 0012", "199*-**-** ****"),
            ("2026-11-30 12:00:00 138 1000 0002", "2026-11-30 12:00:00 138 **** ****"),
            ("13-12345678", "13-123*****"),
        ] {
            assert_eq!(digits(text), shown);
        }
    }

    #[test]
    fn dates_times_and_addresses_are_nobodys() {
        for text in [
            "2026-11-30 12:00:00",
            "2024-07-01T09:30:00",
            "2024-07-01T09:30:00.000+08:00 2024-07-02T09:30:00.000+08:00",
            "2026-11-30 2026-12-01",
            "2026.11.30-2026.12.01",
            "20:15 2026/11/30 12:00",
            "connect to 192.168.100.101:8443",
            "code 40001, 12 34",
            "2026年11月30日12时",
            "",
        ] {
            assert_eq!(digits(text), text);
        }
    }
}
