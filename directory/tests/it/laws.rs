//! What holds for all lists and all texts.

use crate::support::{Place, import, named};
use league_directory::import::Mode;
use league_directory::name::{self, Difference};
use league_directory::{Found, Page};
use proptest::prelude::*;
use std::sync::LazyLock;

const PAGE: Page = Page { offset: 0, limit: 1000 };

/// Names that are often alike, and sometimes the same.
fn a_name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "共青团",
        "中国共产主义青年团",
        "北京市",
        "海淀区",
        "信息",
        "科技",
        "大学",
        "一",
        "1",
        "０",
        "(",
        "（",
        ")",
        "）",
        " ",
        "-",
        "－",
        "2024级",
        "24级",
        "班",
        "團",
        "团",
        "支部",
        "委员会",
        "A",
        "a",
        "𠮷",
    ]);
    let name = prop::collection::vec(part, 1..9).prop_map(|parts| parts.concat());
    // A single character is refused by imports, as no name at all is.
    name.prop_filter("too short", |text| name::is_blank(text) || name::key(text).encode_utf16().count() > 1)
}

fn ids(found: Found) -> Vec<String> {
    match found {
        Found::None => Vec::new(),
        Found::One(one) => vec![one.id],
        Found::Several(all) => all.into_iter().map(|one| one.id).collect(),
    }
}

fn lowered(text: &str) -> String {
    name::key(text).to_lowercase()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn check_finds_a_key_and_nothing_else(names in prop::collection::vec(a_name(), 1..40), asked in prop::collection::vec(a_name(), 20)) {
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name::key(name).is_empty()).collect();
        prop_assume!(!names.is_empty());
        let (_place, directory) = named(&names);
        for text in names.iter().copied().chain(asked.iter().map(String::as_str)) {
            let found = ids(directory.check("110000", text));
            let bearers: Vec<&str> = names.iter().copied().filter(|name| name::key(name) == name::key(text)).collect();
            prop_assert_eq!(found.is_empty(), bearers.is_empty());
            for id in found {
                let bearer = names[id.parse::<usize>().expect("a number") - 1];
                prop_assert_eq!(name::key(bearer), name::key(text));
            }
            prop_assert_eq!(directory.check("120000", text), Found::None);
        }
        let all: Vec<_> = directory.all().collect();
        prop_assert_eq!(all.len(), names.len());
        for one in &all {
            let given = names[one.id.parse::<usize>().expect("a number") - 1];
            prop_assert_eq!(one.full_name.as_str(), given.trim());
        }
    }

    #[test]
    fn search_counts_what_a_scan_counts(names in prop::collection::vec(a_name(), 1..60), words in prop::collection::vec(a_name(), 1..3)) {
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name::key(name).is_empty()).collect();
        prop_assume!(!names.is_empty());
        let (_place, directory) = named(&names);
        let short = names.iter().flat_map(|name| name.chars().map(String::from)).collect::<Vec<_>>();
        for words in words.into_iter().chain(short) {
            // Letters alone are initials, too.
            let terms: Vec<String> = words.split_whitespace().map(lowered).filter(|term| !term.is_empty()).collect();
            if terms.is_empty() || terms.iter().any(|term| term.chars().all(|c| c.is_ascii_alphabetic())) {
                continue;
            }
            let has = |name: &&&str| terms.iter().all(|term| lowered(name).contains(term.as_str()));
            let hits = directory.search(Some("110000"), &words, PAGE);
            prop_assert_eq!(hits.total, names.iter().filter(has).count() as u64, "{} in {:?}", words, &names);
            prop_assert_eq!(hits.items.len() as u64, hits.total);
            prop_assert_eq!(&directory.search(None, &words, PAGE), &hits);
            // Pages make the whole.
            let one = |offset| directory.search(None, &words, Page { offset, limit: 1 }).items;
            let pages: Vec<_> = (0..=hits.total).flat_map(one).collect();
            prop_assert_eq!(pages, hits.items);
        }
    }
}

static SOME: LazyLock<(Place, league_directory::Directory)> = LazyLock::new(|| {
    named(&[
        "共青团北京信息科技大学委员会",
        "共青团北京信息科技大学计算机学院2024级软件工程1班团支部",
        "共青团北京信息科技大学计算机学院2024级软件工程2班团支部",
        "北京市海淀区人民法院团总支",
        "😀团支部",
        "团",
    ])
});

#[test]
fn a_directory_may_be_shared() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&SOME.1);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,200}",
        "[共青团北京信息科技大学0-9级班()一二 ]{0,200}",
        a_name(),
        Just(String::new())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn any_text_may_be_asked(text in any_text(), limit in 0_usize..8) {
        let directory = &SOME.1;
        let found = directory.suggest("110000", &text, limit);
        prop_assert!(found.len() <= limit);
        drop(directory.suggest("440000", &text, limit));
        drop(directory.check("110000", &text));
        drop(directory.search(None, &text, Page { offset: 1, limit: 3 }));
        prop_assert!(name::place::province_named(&text).is_none_or(|code| code.len() == 6));
    }

    #[test]
    fn levelling_twice_is_levelling_once(text in any_text()) {
        let key = name::key(&text);
        prop_assert_eq!(&name::key(&key), &key);
        prop_assert_eq!(name::alike(&key), name::alike(&text));
        prop_assert_eq!(key.is_empty(), name::is_blank(&text));
    }

    #[test]
    fn spans_make_both_names(typed in any_text(), meant in any_text()) {
        let spans = name::differences(&typed, &meant);
        let (mut left, mut right) = (String::new(), String::new());
        for span in &spans {
            let (typed, meant) = match span {
                Difference::Same { typed, meant } | Difference::Replaced { typed, meant } => (typed.as_str(), meant.as_str()),
                Difference::Missing { meant } => ("", meant.as_str()),
                Difference::Extra { typed } => (typed.as_str(), ""),
            };
            prop_assert!(!typed.is_empty() || !meant.is_empty());
            left += typed;
            right += meant;
        }
        prop_assert_eq!(left, typed.trim());
        prop_assert_eq!(right, meant.trim());
        if name::key(&typed) == name::key(&meant) {
            prop_assert!(spans.iter().all(|span| matches!(span, Difference::Same { .. })), "{:?}", spans);
        }
    }

    #[test]
    fn any_bytes_may_be_imported(bytes in prop::collection::vec(any::<u8>(), 0..300), header in any::<bool>()) {
        let head: &[u8] = if header { b"province_code,org_id,full_name,kind\n110000,1,x,y\n" } else { b"" };
        let list = [head, &bytes].concat();
        let place = Place::new();
        if import(Mode::Full, &place.file, 0, &list).is_ok() {
            place.open();
        }
    }
}
