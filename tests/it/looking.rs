//! The outbox as the command line shows it.

use crate::support::document;
use crate::whole_process::{code, configured, run, text};

/// What is in the outbox, on the command line.
#[test]
fn the_outbox_is_looked_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configured(&folder);
    let people: Vec<String> = (1..=3)
        .map(|n| document(&format!("LOOK-{n}"), n, "440000", "共青团中山大学委员会").to_string())
        .collect();
    let (file, number) = (folder.path().join("people.jsonl"), folder.path().join("number"));
    std::fs::write(&file, people.join("\n")).expect("written");
    std::fs::write(&number, crate::support::person(2).id_number).expect("written");
    assert_eq!(code(&run(&config, &["db", "migrate"])), 0);
    assert_eq!(code(&run(&config, &["enqueue", &file.display().to_string()])), 0);
    let out = |words: &[&str]| {
        let output = run(&config, words);
        assert_eq!(code(&output), 0, "{words:?}: {}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };

    let (page, beside) = out(&["--json", "outbox", "list", "--limit", "2", "--sort", "oldest"]);
    assert_eq!(page.lines().count(), 2, "a transfer a line: {page}");
    let next: serde_json::Value = serde_json::from_str(&beside).expect("JSON beside the lines");
    let cursor = next["next"].as_str().expect("a cursor");
    let (page, _) = out(&["outbox", "list", "--cursor", cursor]);
    assert!(page.contains("LOOK-3") && !page.contains("LOOK-2") && !page.contains("--cursor"), "{page}");
    let (page, _) = out(&["outbox", "list", "--person-file", &number.display().to_string()]);
    assert!(page.contains("LOOK-2") && !page.contains("LOOK-1"), "{page}");
    let (page, _) =
        out(&["outbox", "list", "--due", "--held=false", "--newer-than", "1h", "--state", "queued,failed"]);
    assert!(page.contains("LOOK-1") && page.contains("LOOK-3"), "{page}");
    for wrong in
        [["--cursor", "AAAA"], ["--state", "sent"], ["--older-than", "long"], ["--system", "beijing"]]
    {
        let output = run(&config, &[["outbox", "list"].as_slice(), &wrong].concat());
        assert_eq!(code(&output), 2, "{wrong:?}");
        assert!(!text(&output.stderr).is_empty(), "{wrong:?}");
    }

    let (stats, _) = out(&["--json", "outbox", "stats"]);
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("JSON");
    assert_eq!(stats["systems"]["guangdong"]["queued"], 3, "{stats}");
    assert_eq!(stats["pace"]["guangdong"]["last_hour"]["taken"], 3, "{stats}");
    assert!(out(&["outbox", "stats"]).0.contains("guangdong"));
    assert!(out(&["--json", "outbox", "failures"]).0.contains("\"groups\":[]"));
    out(&["outbox", "failures"]);

    let csv = folder.path().join("all.csv");
    let (nothing, told) =
        out(&["outbox", "export", "--format", "csv", "--output", &csv.display().to_string()]);
    assert_eq!((nothing.as_str(), told.contains('3')), ("", true), "{told}");
    let csv = std::fs::read_to_string(csv).expect("it is there");
    assert_eq!(csv.lines().count(), 4, "{csv}");
    assert_eq!(code(&run(&config, &["outbox", "export", "--limit", "1"])), 2, "it has no pages");
    let (lines, _) = out(&["outbox", "export", "--request-id", "LOOK-1"]);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    for shown in [csv, lines] {
        assert!(!shown.contains(&crate::support::person(1).id_number[10..]), "{shown}");
    }
    assert!(out(&["db", "recount"]).0.contains("right"));
}
