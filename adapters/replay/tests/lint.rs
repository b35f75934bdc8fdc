//! This repository's own fixtures are clean, and every rule finds what it is for.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

use jiff::Timestamp;
use league_contract::Registration;
use league_replay::{Finding, Rule, lint};
use std::fs;
use std::path::{Path, PathBuf};

const REGISTRATIONS: [Registration; 3] =
    [league_smart_league::REGISTRATION, league_guangdong::REGISTRATION, league_fujian::REGISTRATION];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn today() -> Timestamp {
    "2026-11-28T00:00:00Z".parse().expect("a time")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("an entry");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("copied");
        }
    }
}

#[test]
fn the_fixtures_of_this_repository_are_clean() {
    assert_eq!(lint(&fixtures(), &REGISTRATIONS, today()).expect("readable"), []);
}

/// A copy of the tree in which something is wrong, and what is found there.
fn found(change: impl FnOnce(&Path)) -> Vec<(Rule, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    copy(&fixtures(), root);
    change(root);
    let found = lint(root, &REGISTRATIONS, today()).expect("readable");
    assert!(!format!("{found:?}").contains("13666668888"), "nobody is shown: {found:?}");
    found.into_iter().map(|Finding { rule, place, .. }| (rule, place)).collect()
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("readable");
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).expect("written");
}

#[test]
fn every_rule_finds_what_it_is_for() {
    let one = |rule: Rule, place: &str| vec![(rule, place.to_owned())];
    assert_eq!(
        found(|root| copy(&root.join("fujian/submit-accepted"), &root.join("fujian/submit-again"))),
        one(Rule::Duplicate, "fujian/submit-again")
    );
    assert_eq!(
        found(|root| {
            fs::write(root.join("guangdong/query-received/notes.txt"), "").expect("written");
            fs::create_dir(root.join("hebei")).expect("made");
            fs::write(root.join("fujian/stray"), "").expect("written");
        })
        .into_iter()
        .filter(|(rule, _)| *rule == Rule::Unused)
        .map(|(_, place)| place)
        .collect::<Vec<_>>(),
        ["fujian/stray", "guangdong/query-received/notes.txt", "hebei"]
    );
    assert_eq!(
        found(|root| edit(
            &root.join("smart-league/query-approved-account/case.toml"),
            "nonce =",
            "expires = \"2026-11-27\"\nnonce ="
        )),
        one(Rule::Expired, "smart-league/query-approved-account")
    );
    assert_eq!(
        found(|root| {
            edit(
                &root.join("smart-league/query-approved-account/case.toml"),
                "nonce =",
                "profile = \"1.0\"\nnonce =",
            );
        }),
        one(Rule::Expired, "smart-league/query-approved-account")
    );
    assert_eq!(
        found(|root| edit(&root.join("fujian/submit-accepted/case.toml"), "title_zh", "titel_zh")),
        one(Rule::Invalid, "fujian/submit-accepted/case.toml")
    );
    assert_eq!(
        found(|root| edit(
            &root.join("fujian/submit-accepted/case.toml"),
            "codes = []",
            "codes = [\"NONE\"]"
        )),
        one(Rule::Invalid, "fujian/submit-accepted")
    );
    let leaking = found(|root| {
        let case = root.join("fujian/submit-accepted");
        edit(&case.join("case.toml"), "张三", "李雷雷");
        edit(&case.join("case.toml"), "\"13800138000\"", "\"13666668888\"");
    });
    let place = |file: &str| (Rule::Leaking, format!("fujian/submit-accepted/{file}"));
    assert_eq!(leaking.iter().filter(|one| **one == place("case.toml")).count(), 2, "{leaking:?}");
}

/// Whatever is committed is looked into, and so are the names of what is committed.
#[test]
fn somebody_real_is_found_in_every_file_and_in_every_name() {
    const ID_NUMBER: &str = "320102199508172342";
    let files = [
        "README.md",
        "config.toml",
        "people.toml",
        "make_fujian.py",
        "scenarios/check-in-deadline-missed.toml",
        "fujian/submit-accepted/case.toml",
        "hebei/deep/down/notes.txt",
    ];
    for written in [ID_NUMBER, "(136)6666 8888", "320102\t19950817\t2342"] {
        let found = found(|root| {
            for path in files.map(|file| root.join(file)) {
                fs::create_dir_all(path.parent().expect("a folder")).expect("made");
                let before = fs::read_to_string(&path).unwrap_or_default();
                fs::write(&path, format!("{before}\n# {written}\n")).expect("written");
            }
        });
        for file in files {
            assert!(found.contains(&(Rule::Leaking, file.to_owned())), "{file}: {written}: {found:?}");
        }
    }
    let found = found(|root| {
        let case = root.join("fujian/submit-accepted");
        fs::rename(&case, root.join(format!("fujian/submit-{ID_NUMBER}"))).expect("moved");
        fs::write(root.join("make_13666668888.py"), "").expect("written");
        fs::write(root.join("README-notes.txt"), "").expect("written");
    });
    let places = |wanted: Rule| found.iter().filter(move |(rule, _)| *rule == wanted).map(|(_, place)| place);
    assert_eq!(places(Rule::Leaking).collect::<Vec<_>>(), ["***", "fujian/***"]);
    assert_eq!(places(Rule::Unused).collect::<Vec<_>>(), ["***", "README-notes.txt"]);
}

#[test]
fn a_code_without_a_case_is_found() {
    let found = found(|root| {
        for dir in fs::read_dir(root.join("fujian")).expect("readable") {
            let file = dir.expect("an entry").path().join("case.toml");
            let text = fs::read_to_string(&file).expect("readable");
            fs::write(&file, text.replace("codes = [\"ORG_NOT_FOUND\"]", "codes = []")).expect("written");
        }
    });
    assert_eq!(found, [(Rule::Uncovered, "fujian".to_owned())]);
}
