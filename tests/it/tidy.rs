//! The house's rules that the compiler does not know: read from the sources, as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors from the ground up, and the rooms on each. A room may use what is on its own floor and below, in no circle.
const FLOORS: [&[&str]; 7] = [
    // Pure: no I/O, and but for the clock's sleep nothing asynchronous.
    &["alarm", "transfer", "routing", "clock", "retry", "gate", "organization::suggestion"],
    // Effects.
    &[
        "seal",
        "store",
        "transport",
        "reach",
        "notify",
        "lifecycle",
        "listener",
        "supervised",
        "telemetry",
        "organization::directory",
    ],
    // One system, one caller, one transfer as the rest sees them.
    &[
        "partner",
        "suspension",
        "organization::check",
        "organization::search",
        "access",
        "view",
        "listing",
        "retention",
        "rotation",
    ],
    // The two paths, and the door in.
    &["outbound", "inbound", "intake", "operator", "webhook"],
    // Faces without a process around them, and the configuration.
    &["api", "settings"],
    // The composition root.
    &["app"],
    &["cli"],
];

/// Words that have one home: the word, where it may stand, and why.
const HOMES: [(&[&str], &[&str], &str); 6] = [
    (
        &["league_fujian", "league_guangdong", "league_smart_league"],
        &["src/app.rs"],
        "the composition root alone names the adapters",
    ),
    (&["backoff::"], &["src/retry.rs"], "the schedule's arithmetic has one home"),
    (
        &["sqlx"],
        &["src/store/", "src/bin/bench/database.rs"],
        "a Tx is the only way to the database; a bench looks from outside",
    ),
    (
        &["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE", "PRAGMA "],
        &["src/store/", "src/bin/bench/"],
        "every query stands once, in the store; a bench fills and counts from outside",
    ),
    (
        &["reqwest"],
        &["src/transport.rs", "src/bin/bench/"],
        "one network seam; a bench posts as upstream and as the peers do",
    ),
    (&["crate::settings"], &["src/app.rs", "src/cli/"], "lower floors get small structs of their own"),
];

/// What would let a pure crate reach the world.
const WORLD: [&str; 7] = ["axum", "hyper", "libsqlite3-sys", "mio", "reqwest", "sqlx", "tokio"];
/// Randomness, which the cryptography crates carry along: a pure crate must not name it.
const CHANCE: [&str; 2] = ["getrandom", "rand"];

const MOST_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below some folders, by their path from the root, with their text.
fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.insert(name, fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    assert!(found.len() > 10, "the sources were found: {folders:?}");
    found
}

/// The text without comments.
fn code(text: &str) -> String {
    let uncommented = |line: &str| match line.find("//") {
        // `http://` is no comment.
        Some(at) if !line[..at].ends_with(':') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(uncommented).collect::<Vec<_>>().join("\n")
}

/// The module that a file is: `organization::check`.
fn module(file: &str) -> String {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.trim_end_matches("/mod").replace('/', "::")
}

/// The room that a module or an import belongs to, with its floor.
fn room(path: &str) -> Option<(usize, &'static str)> {
    let holds =
        |room: &str| path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with("::"));
    FLOORS
        .iter()
        .enumerate()
        .find_map(|(floor, rooms)| rooms.iter().find(|room| holds(room)).map(|room| (floor, *room)))
}

/// The paths that a text takes from the crate: `organization::check::Finding`.
fn imports(text: &str) -> BTreeSet<String> {
    let part_of_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let code = code(text);
    let paths = code.split("crate::").skip(1);
    paths.map(|rest| rest.chars().take_while(|c| part_of_path(*c)).collect()).collect()
}

/// What is wrong with the imports of some files, and who uses whom.
fn survey(files: &BTreeMap<String, String>) -> (Vec<String>, BTreeMap<&'static str, BTreeSet<&'static str>>) {
    let mut wrong = Vec::new();
    let mut uses: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (file, text) in files {
        let own = room(&module(file));
        for path in imports(text) {
            match (own, room(&path)) {
                (Some((_, from)), Some((_, to))) if from == to => {}
                (Some((from, name)), Some((to, used))) => {
                    if to > from {
                        wrong.push(format!("{file} uses crate::{path}, which is a floor above"));
                    }
                    uses.entry(name).or_default().insert(used);
                }
                (None, _) => wrong.push(format!("{file} is on no floor, but uses crate::{path}")),
                (_, None) => {
                    wrong.push(format!("{file} uses crate::{path}, which is on no floor: write paths out"))
                }
            }
        }
    }
    (wrong, uses)
}

/// The rooms that are in a circle, or above one.
fn circle(mut uses: BTreeMap<&'static str, BTreeSet<&'static str>>) -> Vec<&'static str> {
    loop {
        let busy: BTreeSet<_> = uses.keys().copied().collect();
        let before = uses.len();
        uses.retain(|_, used| !used.is_disjoint(&busy));
        if uses.len() == before {
            return uses.into_keys().collect();
        }
    }
}

#[test]
fn imports_point_down_and_in_no_circle() {
    let files = sources(&["src"]);
    let (wrong, uses) = survey(&files);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(circle(uses), [""; 0], "rooms in a circle");
    for module in files["src/lib.rs"].lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = module.trim_end_matches(';');
        let known = FLOORS.concat().iter().any(|room| room.split("::").next() == Some(module));
        assert!(known, "{module} is on no floor");
    }
}

#[test]
fn the_survey_can_find_something() {
    let files = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let up = files(&[(
        "src/store/tx.rs",
        "/// [`crate::cli`]\nuse crate::inbound::{Feed};\nuse crate::transfer::State;",
    )]);
    assert_eq!(survey(&up).0, ["src/store/tx.rs uses crate::inbound::, which is a floor above"]);
    let round = files(&[
        ("src/intake.rs", "crate::inbound::apply()"),
        ("src/inbound/mod.rs", "use crate::outbound::turn::Turn;"),
        ("src/outbound/send.rs", "use crate::intake::Intake;\nuse crate::store::Tx;"),
    ]);
    let (wrong, uses) = survey(&round);
    assert_eq!((wrong.len(), circle(uses)), (0, vec!["inbound", "intake", "outbound"]));
    let grouped =
        files(&[("src/intake.rs", "use crate::{store, seal};"), ("src/cellar.rs", "use crate::store::Tx;")]);
    assert_eq!(survey(&grouped).0.len(), 2);
}

#[test]
fn the_ground_floor_waits_for_nothing() {
    for (file, text) in sources(&["src"]) {
        let pure = room(&module(&file)).is_some_and(|(floor, room)| floor == 0 && room != "clock");
        assert!(!pure || !code(&text).contains("async "), "{file} is pure, and asynchronous");
    }
}

#[test]
fn what_has_one_home_stands_nowhere_else() {
    for (file, text) in sources(&["src"]) {
        let code = code(&text);
        for (words, homes, reason) in HOMES {
            if homes.iter().any(|home| file.starts_with(home)) {
                continue;
            }
            for word in words {
                assert!(!code.contains(word), "{file} names `{word}`: {reason}");
            }
        }
    }
}

/// The arguments of every call of a logging macro in a text.
fn log_calls(text: &str) -> Vec<String> {
    let code = code(text);
    let begins = code.match_indices("tracing::").map(|(at, word)| &code[at + word.len()..]);
    let calls = begins.filter_map(|rest| rest.split_once("!(").filter(|(level, _)| level.len() < 6));
    let until_closed = |(_, rest): (&str, &str)| -> String {
        let mut open = 1;
        let within = |c: &char| {
            open += i32::from(*c == '(') - i32::from(*c == ')');
            open > 0
        };
        rest.chars().take_while(within).collect()
    };
    calls.map(until_closed).collect()
}

/// Whoever looks for a transfer in the log finds every line about it under its trace.
#[test]
fn a_line_about_a_transfer_carries_its_trace() {
    let files = sources(&["src"]);
    let calls =
        files.iter().flat_map(|(file, text)| log_calls(text).into_iter().map(move |call| (file, call)));
    let about: Vec<_> = calls.filter(|(_, call)| call.contains("request_id")).collect();
    assert!(about.len() > 8, "{about:?}");
    for (file, call) in about {
        assert!(call.contains("trace_id"), "{file}: {call}");
    }
}

#[test]
fn no_file_is_too_long() {
    for (file, text) in sources(&["src", "adapters", "tests"]) {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{file} has {lines} lines");
    }
}

#[test]
fn every_exception_has_a_reason() {
    // Written in two pieces: this file is searched, too.
    let (expect, allow) = (concat!("[", "expect("), concat!("[", "allow("));
    for (file, text) in sources(&["src", "adapters", "tests"]) {
        assert!(
            !text.contains(allow),
            "{file}: an exception is an `expect`, which tells when it is needed no more"
        );
        for exception in text.split(expect).skip(1) {
            let exception = exception.split(")]").next().unwrap_or_default();
            assert!(exception.contains("reason = \""), "{file}: {exception}");
        }
    }
}

fn table(path: &Path) -> toml::Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What a crate of ours is built from, without what its tests need.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest = table(&root().join("adapters").join(folder).join("Cargo.toml"));
    let dependencies = manifest["dependencies"].as_table().expect("a table");
    dependencies.keys().cloned().collect()
}

/// Everything that a crate of Cargo.lock is built from, itself included.
fn closure(first: Vec<String>) -> BTreeSet<String> {
    let lock = table(&root().join("Cargo.lock"));
    let text = |value: &toml::Value| value.as_str().expect("a text").to_owned();
    // A name may stand in several versions: all count.
    let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in lock["package"].as_array().expect("a list") {
        let used = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        let names = used.map(|name| text(name).split(' ').next().unwrap_or_default().to_owned());
        of.entry(text(&package["name"])).or_default().extend(names);
    }
    let mut seen = BTreeSet::new();
    let mut open = first;
    while let Some(name) = open.pop() {
        if seen.insert(name.clone()) {
            // Our own crates' lists in Cargo.lock hold what their tests need: their manifests are read instead.
            let ours = name.strip_prefix("league-").map(dependencies);
            open.extend(ours.unwrap_or_else(|| of.get(&name).cloned().unwrap_or_default()));
        }
    }
    seen
}

#[test]
fn adapters_cannot_reach_the_world() {
    for folder in ["contract", "xml", "smart-league", "guangdong", "fujian", "replay"] {
        let all = closure(dependencies(folder));
        let direct = dependencies(folder).into_iter().filter(|name| CHANCE.contains(&name.as_str()));
        let reached: Vec<_> =
            all.into_iter().filter(|name| WORLD.contains(&name.as_str())).chain(direct).collect();
        assert!(reached.is_empty(), "{folder} reaches {reached:?}");
    }
    assert!(closure(vec!["reqwest".into()]).contains("tokio"), "the search finds something");
}

#[test]
fn the_sandbox_shares_nothing_with_the_adapters() {
    let manifest = table(&root().join("adapters/sandbox/Cargo.toml"));
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let named = manifest.get(section).and_then(toml::Value::as_table);
        for name in named.into_iter().flat_map(|table| table.keys()) {
            assert!(!name.starts_with("league-"), "the sandbox's [{section}] names {name}");
        }
    }
}

#[test]
fn an_adapter_knows_no_other() {
    for folder in ["smart-league", "guangdong", "fujian"] {
        let ours: Vec<_> =
            dependencies(folder).into_iter().filter(|name| name.starts_with("league-")).collect();
        assert!(
            ours.iter().all(|name| name == "league-contract" || name == "league-xml"),
            "{folder}: {ours:?}"
        );
    }
}

/// As `cargo deny` would say, where it is not installed.
#[test]
fn what_is_banned_is_not_built_in() {
    let banned = table(&root().join("deny.toml"));
    let banned = banned["bans"]["deny"].as_array().expect("a list");
    let banned: Vec<_> = banned.iter().map(|ban| ban["crate"].as_str().expect("a name")).collect();
    assert!(banned.contains(&"openssl-sys"), "{banned:?}");
    let lock = table(&root().join("Cargo.lock"));
    for package in lock["package"].as_array().expect("a list") {
        let name = package["name"].as_str().expect("a name");
        assert!(!banned.contains(&name), "{name} is banned");
        if let Some(source) = package.get("source").and_then(toml::Value::as_str) {
            assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{name}");
        }
    }
}
