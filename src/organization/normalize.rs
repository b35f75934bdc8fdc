//! When two spellings are one name. For matching only: what is sent is never a normalized form.

use league_contract::text::invisible;
use unicode_normalization::UnicodeNormalization as _;

/// The key that two spellings of one name share: width, brackets, spaces and invisible characters are levelled, and
/// the League's prefix in either form is dropped.
///
/// An empty key means that there is nothing to a name but blanks or the prefix.
#[must_use]
pub fn key(full_name: &str) -> String {
    let level: String =
        full_name.nfkc().filter(|c| !c.is_whitespace() && !invisible(*c)).map(bracket).collect();
    let level = level.to_lowercase();
    let rest = ["中国共产主义青年团", "共青团"].iter().find_map(|prefix| level.strip_prefix(prefix));
    rest.unwrap_or(&level).to_owned()
}

/// Whether there is nothing to a name but blanks and invisible characters.
#[must_use]
pub fn is_blank(full_name: &str) -> bool {
    full_name.nfkc().all(|c| c.is_whitespace() || invisible(c))
}

fn bracket(c: char) -> char {
    match c {
        '〔' | '【' | '［' | '[' | '〈' => '(',
        '〕' | '】' | '］' | ']' | '〉' => ')',
        '—' | '–' | '－' | '‐' | '―' | '﹣' => '-',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        let one = key("中国共产主义青年团北京信息科技大学出国(境)学习研究团员团支部");
        for other in [
            "共青团北京信息科技大学出国（境）学习研究团员团支部",
            "中国共产主义青年团北京信息科技大学 出国(境) 学习研究团员团支部",
            "共青团北京信息科技大学出国〔境〕学习研究\u{200B}团员团支部",
        ] {
            assert_eq!(key(other), one, "{other}");
        }
        assert_ne!(key("共青团南京大学委员会"), key("共青团南京大学支部委员会"));
    }

    #[test]
    fn blanks_are_no_name() {
        assert!(is_blank(" \u{3000}\u{200B}\u{FEFF} "));
        assert!(!is_blank("团"));
    }
}
