//! Holds the fixtures to the schema in the profile's WSDL, with a validator that is not ours.

#![expect(clippy::expect_used, reason = "a test ends where its ground is missing")]

use league_contract::System;
use league_replay::{Exchange, Expected, Kind};
use league_xml::{Element, Encoding};
use std::path::Path;
use std::process::Command;
use std::{fs, io};

const WSDL: &str = include_str!("../../../docs/profiles/fujian/fujian.wsdl");
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const LEAGUE: &str = "urn:fj-league:transfer:v1";

#[test]
fn every_request_is_valid() {
    validate(|_, exchange| exchange.request.as_ref().map(|request| request.body.as_slice()));
}

/// What we read beyond the schema is tagged as such; the rest must be what the partner would send.
#[test]
fn every_answer_that_is_read_strictly_is_valid() {
    validate(|tags, exchange| {
        let strict =
            matches!(exchange.expected, Expected::Reply(_)) && tags.iter().all(|tag| tag != "lenient");
        exchange.response.as_ref().filter(|_| strict).map(|response| response.body.as_slice())
    });
}

fn validate(pick: impl for<'a> Fn(&[String], &'a Exchange) -> Option<&'a [u8]>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let fixtures = league_replay::load_system(&root, &System::named("fujian")).expect("readable fixtures");
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("fujian.xsd"), schema()).expect("written");
    let mut files = Vec::new();
    for case in &fixtures.cases {
        let Kind::Exchange(exchange) = &case.kind else { continue };
        let Some(content) = pick(&case.tags, exchange).and_then(content) else { continue };
        let file = format!("{}.xml", case.name.replace('/', "-"));
        fs::write(folder.path().join(&file), content).expect("written");
        files.push(file);
    }
    assert!(files.len() >= 24, "only {} messages were found", files.len());
    let run = Command::new("xmllint")
        .current_dir(folder.path())
        .args(["--nonet", "--noout", "--schema", "fujian.xsd"])
        .args(&files)
        .output();
    let run = match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!(
                "xmllint is not installed: it validates the fixtures (Debian: apt-get install libxml2-utils)"
            )
        }
        run => run.expect("xmllint runs"),
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// The `xs:schema` of the WSDL, with the prefixes that the WSDL declares further out.
fn schema() -> String {
    let start = WSDL.find("<xs:schema").expect("the WSDL has a schema");
    let end = WSDL.find("</xs:schema>").expect("the schema ends") + "</xs:schema>".len();
    let prefixes = format!("<xs:schema xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" xmlns:f=\"{LEAGUE}\"");
    WSDL[start..end].replacen("<xs:schema", &prefixes, 1)
}

/// The bytes of what a message holds of the profile's own, which declares its prefixes itself. A fault of the SOAP
/// stack holds nothing of it.
fn content(message: &[u8]) -> Option<&[u8]> {
    let envelope = league_xml::parse(message, &[Encoding::Utf8]).expect("well-formed");
    let body = envelope.child(SOAP, "Body").expect("a Body");
    let [only]: &[Element] = &body.children else { panic!("document/literal has one element in the Body") };
    let own =
        if only.is(SOAP, "Fault") { only.child("", "detail")?.child(LEAGUE, "serviceFault")? } else { only };
    Some(&message[own.span.clone()])
}
