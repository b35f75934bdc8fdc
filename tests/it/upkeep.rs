//! The commands by which operators keep a gateway: backup and restore, erasure, keys; as processes of their own.

use crate::support::{Setup, TestApp, document, person, program};
use std::path::Path;
use std::process::Output;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the program on a test's database, or on another one.
async fn run(test: &TestApp, database: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = program();
    for file in test.config_files() {
        command.arg("--config").arg(file);
    }
    command.args(arguments);
    if let Some(url) = database {
        command.env("LEAGUE_GATEWAY__DATABASE__URL", url);
    }
    tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("it ends")
}

fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn refused(output: &Output, code: i32, word: &str) {
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(word), "{said}");
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Beside a daemon that runs, and into a database that is not there yet.
#[tokio::test]
async fn a_backup_is_made_beside_the_daemon_and_restored_into_an_empty_database() {
    let test = Setup::daemon().start().await;
    test.submit(&document("BJ-1", 1, "320000", "共青团南京大学委员会")).await;
    test.wait_for_state("BJ-1", "completed").await;
    let file = test.file().with_file_name("backup.db");
    let name = file.display().to_string();
    let said = done(&run(&test, None, &["db", "backup", &name]).await);
    assert!(said.contains("1  transfers") && said.contains("found sound"), "{said}");
    refused(&run(&test, None, &["db", "backup", &name]).await, 4, "not written over");
    refused(&run(&test, None, &["db", "restore", &name]).await, 4, "another daemon runs");
    let other = format!("sqlite://{}", test.file().with_file_name("other.db").display());
    refused(&run(&test, Some(&other), &["db", "backup", "x.db"]).await, 2, "db migrate");
    refused(&run(&test, Some(&other), &["db", "restore", "no-such-file"]).await, 3, "no-such-file");
    let said = done(&run(&test, Some(&other), &["--json", "db", "restore", &name]).await);
    let report: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((&report["doubtful"], &report["open"]), (&0.into(), &0.into()), "{report}");
    let said = done(&run(&test, Some(&other), &["outbox", "show", "BJ-1"]).await);
    assert!(said.contains("completed") && !said.contains(&person(1).name), "{said}");
    let said = done(&run(&test, Some(&other), &["audit", "list"]).await);
    assert!(said.contains("restore") && said.contains("database"), "{said}");
    done(&run(&test, Some(&other), &["audit", "verify"]).await);
    refused(&run(&test, Some(&other), &["db", "restore", &name]).await, 4, "not empty");
    assert!(!exists(Path::new("x.db")));
    test.finish().await;
}
