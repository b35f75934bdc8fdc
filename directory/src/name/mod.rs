//! Names: when two are one, what differs, and where they say they are. Pure.

mod difference;
pub(crate) mod fold;
pub(crate) mod level;
pub mod place;
pub(crate) mod sound;
pub(crate) mod university;

pub use difference::{Difference, differences};

/// The key that two spellings of one name share, and no two names do: full and half width, white space, what has no
/// width, dashes, brackets, traditional and simplified characters, and the League's prefix in its two lengths are
/// levelled. It decides whether an organization exists.
#[must_use]
pub fn key(full_name: &str) -> String {
    fold::text(&fold::fold(full_name))
}

/// What names share that are probably meant for the same organization: beyond [`key`], the prefix may lack, the suffix
/// may be written in another way of its class (团支部 and 支部委员会, but never 团委), and the numbers of classes, grades
/// and years may be (2024级 and 24级; 1班, 一班, 01班 and （1）班; 〇 and 零). It never decides: it ranks suggestions.
///
/// The text is for comparing only: numbers stand as characters of Unicode's private use area.
#[must_use]
pub fn alike(full_name: &str) -> String {
    fold::text(&level::Levelled::of(&fold::fold(full_name)).into_units())
}

/// Whether there is nothing to a name but blanks and what can't be seen.
#[must_use]
pub fn is_blank(full_name: &str) -> bool {
    full_name.chars().all(fold::invisible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_share_a_key() {
        let one = key("中国共产主义青年团北京信息科技大学出国(境)学习研究团员团支部");
        assert_eq!(one, "共青团北京信息科技大学出国(境)学习研究团员团支部");
        for other in [
            "共青团北京信息科技大学出国（境）学习研究团员团支部",
            "共青團北京信息科技大學出國（境）學習研究團員團支部",
            " 中国共产主义青年团 北京信息科技大学\u{3000}出国〔境〕学习\u{200B}研究团员团支部\u{FEFF}",
            "共青团北京信息科技大学出国【境】学习研究团员团支部",
        ] {
            assert_eq!(key(other), one, "{other}");
        }
        assert_eq!(key("软件２４－１班"), key("软件24–1班"));
        assert_eq!(key("ＡＢＣ"), "ABC");
    }

    #[test]
    fn other_names_have_other_keys() {
        assert_ne!(key("共青团甲团支部"), key("甲团支部"));
        assert_ne!(key("甲团支部"), key("甲支部委员会"));
        assert_ne!(key("甲1班"), key("甲一班"));
        assert_ne!(key("ABC"), key("abc"));
        assert_ne!(key("甲①"), key("甲1"));
    }

    #[test]
    fn provinces_are_named_where_it_is_sure() {
        let cases = [
            ("共青团广东省广州市天河区石牌街道工作委员会", Some("440000")),
            ("中国共产主义青年团广东广州市天河区委员会", Some("440000")),
            ("朝阳市第一中学团委", Some("210000")),
            ("吉林市第一中学团委", Some("220000")),
            ("吉林省长春市团委", Some("220000")),
            ("海南省三亚市团委", Some("460000")),
            ("海南藏族自治州团委", Some("630000")),
            ("海南区法院团支部", None),
            ("北京信息科技大学计算机学院团委", Some("110000")),
            ("吉林大学团委", Some("220000")),
            ("北京师范大学珠海校区团委", Some("440000")),
            ("北京大学附属中学团委", None),
            ("哈尔滨工业大学(深圳)团委", None),
            ("北京路小学团支部", None),
            ("北京甲乙科技有限公司团支部", None),
            ("广州市场监督协会团支部", None),
            ("河北区人民法院团支部", None),
            ("新疆生产建设兵团第一师团委", Some("990006")),
            ("新疆维吾尔自治区石河子市甲有限公司团委", None),
            ("新疆维吾尔自治区乌鲁木齐市团委", Some("650000")),
            ("", None),
        ];
        for (name, code) in cases {
            assert_eq!(place::province_named(name), code, "{name}");
        }
    }

    #[test]
    fn differences_are_spans_for_a_person() {
        let spans =
            differences("共青团甲大学24级软件班 团支部", "中国共产主义青年团甲大学2024级软件1班团支部");
        let same = |typed: &str, meant: &str| Difference::Same { typed: typed.into(), meant: meant.into() };
        let missing = |meant: &str| Difference::Missing { meant: meant.into() };
        let expected = [
            same("共青团甲大学", "中国共产主义青年团甲大学"),
            missing("20"),
            same("24级软件", "24级软件"),
            missing("1"),
            same("班 团支部", "班团支部"),
        ];
        assert_eq!(spans, expected);
    }
}
