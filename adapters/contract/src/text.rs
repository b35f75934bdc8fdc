//! Text from outside, made safe to carry: trimmed, bounded, without characters that XML and terminals refuse.

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextError {
    /// Fewer characters than the least.
    TooShort(usize),
    /// More characters than the most.
    TooLong(usize),
    /// A control character, or a code point that XML 1.0 can't carry.
    Unprintable,
}

/// Trims and checks a text of `least..=most` characters.
///
/// # Errors
/// A [`TextError`] that names the bound that was broken.
pub fn clean(text: &str, least: usize, most: usize) -> Result<String, TextError> {
    let text = text.trim();
    if text.chars().any(|c| !printable(c)) {
        return Err(TextError::Unprintable);
    }
    let length = text.chars().count();
    if length < least {
        Err(TextError::TooShort(least))
    } else if length > most {
        Err(TextError::TooLong(most))
    } else {
        Ok(text.to_owned())
    }
}

/// Full-width digits, letters and signs as their ASCII forms, the ideographic space as a space: `１１０Ｘ` → `110X`.
#[must_use]
pub fn half_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{3000}' => ' ',
            '！'..='～' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            other => other,
        })
        .collect()
}

/// Whether a character takes no room at all: joined into a name, it makes two people of one.
#[must_use]
pub const fn invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{FFFE}' | '\u{FFFF}' | '\u{2028}' | '\u{2029}')
        // Bidirectional overrides and isolates let a text be shown other than it is.
        && !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_count_characters_not_bytes() {
        assert_eq!(clean("  共青团 ", 2, 3), Ok("共青团".to_owned()));
        assert_eq!(clean("共", 2, 3), Err(TextError::TooShort(2)));
        assert_eq!(clean("共青团委", 2, 3), Err(TextError::TooLong(3)));
        assert_eq!(clean("a\u{0}b", 1, 9), Err(TextError::Unprintable));
        assert_eq!(clean("a\u{202E}b", 1, 9), Err(TextError::Unprintable));
    }

    #[test]
    fn full_width_becomes_half() {
        assert_eq!(half_width("１１０Ｘ（中国）\u{3000}"), "110X(中国) ");
    }

    #[test]
    fn what_takes_no_room_is_invisible() {
        assert!("\u{AD}\u{200B}\u{2060}\u{206A}\u{FE0F}\u{FEFF}\u{E0041}\u{E0100}".chars().all(invisible));
        assert!(!"张 a·\u{3000}𠮷".chars().any(invisible));
    }
}
