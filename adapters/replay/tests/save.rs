//! What is saved reads back as the same case, whatever the fixtures of this repository hold.

use league_contract::System;
use league_replay::{Case, load_system, save};
use std::fs;
use std::path::Path;

#[test]
fn every_case_of_this_repository_survives_saving() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::copy(root.join("config.toml"), folder.path().join("config.toml")).expect("copied");
    let system = System::named("smart_league");
    let before = load_system(&root, &system).expect("readable").cases;
    assert!(!before.is_empty());
    for case in &before {
        save(&Case { dir: folder.path().join(&case.name), ..case.clone() }).expect("saved");
    }
    for case in &before {
        let table = |root: &Path| {
            let text = fs::read_to_string(root.join(&case.name).join("case.toml")).expect("readable");
            let mut table: toml::Table = text.parse().expect("TOML");
            let transfer = table.get_mut("call").and_then(|call| call.get_mut("transfer"));
            if let Some(transfer) = transfer.and_then(toml::Value::as_table_mut) {
                // Written with an offset, saved as UTC.
                transfer.remove("applied_at").expect("required");
            }
            table
        };
        assert_eq!(table(&root), table(folder.path()), "{}", case.name);
    }
    assert_eq!(load_system(folder.path(), &system).expect("readable").cases.len(), before.len());
    for case in &before {
        for file in ["request.http", "response.http"] {
            let read = |root: &Path| fs::read(root.join(&case.name).join(file)).ok();
            assert_eq!(read(&root), read(folder.path()), "{}/{file}", case.name);
        }
    }
}
