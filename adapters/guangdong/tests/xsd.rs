//! What we send is valid after the profile's schema: every request, and every answer to a notification.

use league_contract::System;
use league_replay::{Kind, load_system};
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn all_that_we_send_is_valid_after_the_schema() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fixtures =
        load_system(&root.join("fixtures"), &System::named("guangdong")).expect("the fixtures load");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut files: Vec<PathBuf> = Vec::new();
    for case in &fixtures.cases {
        let sent = match &case.kind {
            Kind::Exchange(exchange) => exchange.request.as_ref().map(|request| &request.body),
            Kind::Callback(push) => push.response.as_ref().map(|response| &response.body),
        };
        let Some(sent) = sent else { continue };
        let file = folder.path().join(case.name.replace('/', "_")).with_extension("xml");
        std::fs::write(&file, sent).expect("a file in the temporary folder");
        files.push(file);
    }
    assert!(files.len() >= 28, "only {} messages of ours are in the fixtures", files.len());

    let schema = root.join("docs/profiles/guangdong/guangdong.xsd");
    let output = Command::new("xmllint").arg("--noout").arg("--schema").arg(schema).args(&files).output();
    let output = output.expect("this test needs xmllint (libxml2-utils)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
