//! What the doctor finds, and what it says to mend.

use crate::support::authority::Authority;
use crate::support::{SIDES, Setup, TestApp, program};
use league_sandbox::{Fault, FaultKind, Operation};
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::process::Output;
use std::sync::Arc;

/// A server on TLS that shakes hands with whoever comes, and says nothing else; `clients` are asked for certificates.
fn server(authority: &Authority, (from, until): (i32, i32), clients: Option<&Authority>) -> SocketAddr {
    let (certificate, key) = authority.sign(from, until);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("protocols");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_slice(clients.pem.as_bytes()).expect("a certificate");
            roots.add(root).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = builder.with_single_cert(vec![certificate.der().clone()], key.into());
    let config = Arc::new(config.expect("a certificate"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut stream), Ok(mut tls)) = (stream, ServerConnection::new(config.clone())) else {
                continue;
            };
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        }
    });
    address
}

async fn doctor(test: &TestApp, more: &str, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    std::fs::write(&test.config_files()[1], more).expect("it is written");
    let mut command = program();
    for file in test.config_files() {
        command.arg("--config").arg(file);
    }
    command.args(["--json", "doctor"]).args(arguments);
    let output: Output =
        tokio::task::spawn_blocking(move || command.output().expect("runs")).await.expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["ok"], output.status.code() == Some(0), "{report}");
    (output.status.code(), report["findings"].as_array().expect("findings").clone())
}

fn of<'a>(findings: &'a [Value], section: &str, subject: &str) -> &'a Value {
    let found = findings.iter().find(|one| {
        one["section"] == section && one["subject"].as_str().is_some_and(|text| text.contains(subject))
    });
    found.unwrap_or_else(|| panic!("{section} {subject}: {findings:#?}"))
}

fn failed(findings: &[Value]) -> Vec<&str> {
    let failed = findings.iter().filter(|one| one["state"] == "failed");
    failed.map(|one| one["subject"].as_str().expect("a subject")).collect()
}

#[tokio::test]
async fn a_gateway_in_order_is_found_in_order_and_left_as_it_was() {
    let test = Setup::daemon().start().await;
    test.submit(&SIDES[0].document("BJ-1", 1)).await;
    test.wait_for_state("BJ-1", "completed").await;
    let (code, findings) = doctor(&test, "", &[]).await;
    assert_eq!((code, failed(&findings)), (Some(0), vec![]), "{findings:#?}");
    for side in &SIDES {
        for what in ["DNS", "TCP", "query"] {
            assert_eq!(of(&findings, "systems", &format!("{} {what}", side.system))["state"], "ok");
        }
        assert_eq!(of(&findings, "clock", side.system)["state"], "ok");
    }
    for what in ["schema", "write", "pages"] {
        assert_eq!(of(&findings, "database", what)["state"], "ok");
    }
    assert_eq!(of(&findings, "keys", "privacy")["state"], "ok");
    assert_eq!(of(&findings, "directory", "organizations.idx")["state"], "warning", "there is none");
    let (_, findings) = doctor(&test, "", &["--offline"]).await;
    assert!(findings.iter().all(|one| one["section"] != "systems"), "{findings:#?}");
    test.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_to_mend() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "a-wrong-secret-of-some-length").expect("it is written");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(secret.path(), open).expect("it is set");
    let silent = Fault {
        system: Some(SIDES[1].partner),
        operation: Some(Operation::Query),
        times: None,
        ..Fault::of(FaultKind::Hang)
    };
    let test = Setup::by_hand().on_the_wall().faults(vec![silent]).start().await;
    let more = format!(
        "[systems.smart_league]\nsecrets = []\nsecret_files = [\"{}\"]\n[systems.guangdong]\ntimeout = \"1s\"\n\
         [systems.fujian]\nbase_url = \"http://127.0.0.1:9\"\n[privacy]\nindex_key = \"b3RoZXIta2V5LW90aGVyLWtleS1vdGhlci1rZXktb3Q=\"\n",
        secret.path().display()
    );
    test.submit(&SIDES[0].document("BJ-1", 1)).await;
    let (code, findings) = doctor(&test, &more, &[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(failed(&findings), ["privacy", "fujian TCP", "guangdong query", "smart_league query"]);
    assert_eq!(of(&findings, "files", &secret.path().display().to_string())["state"], "warning");
    let mend = |section: &str, subject: &str| {
        of(&findings, section, subject)["mend_en"].as_str().expect("a word").to_owned()
    };
    assert!(mend("systems", "smart_league query").contains("secrets"));
    assert!(mend("systems", "fujian TCP").contains("firewall"));
    assert!(mend("systems", "guangdong query").contains("hang"));
    let text = serde_json::to_string(&findings).expect("JSON");
    assert!(!text.contains("a-wrong-secret"), "{text}");
    // A configuration that is wrong is all that is said.
    let (code, findings) = doctor(&test, "[http]\nlisten = \"nowhere\"\n", &[]).await;
    assert_eq!((code, failed(&findings)), (Some(1), vec!["http.listen"]));
    test.finish_with_breaches().await;
}

/// Their clock, as they say it, is not ours.
#[tokio::test]
async fn clocks_that_are_apart_are_told() {
    let test = Setup::by_hand().start().await;
    let (code, findings) = doctor(&test, "", &[]).await;
    assert_eq!(code, Some(1));
    let query = of(&findings, "systems", "smart_league query");
    assert!(query["mend_en"].as_str().is_some_and(|text| text.contains("NTP")), "{query}");
    test.finish_with_breaches().await;
}

/// A database that is not there is not made by looking for it, and hides nothing else.
#[tokio::test]
async fn a_look_makes_no_database() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let missing = test.file().with_file_name("missing.db");
    let more = format!("[database]\nurl = \"sqlite://{}\"\n", missing.display());
    let (code, findings) = doctor(&test, &more, &[]).await;
    assert_eq!((code, failed(&findings)), (Some(1), vec!["file"]));
    assert!(!missing.exists());
    for side in &SIDES {
        assert_eq!(of(&findings, "systems", &format!("{} query", side.system))["state"], "ok");
    }
    let more = "[database]\nurl = \"postgres://x@127.0.0.1:9/y\"\n";
    let (code, findings) = doctor(&test, more, &["--offline"]).await;
    assert_eq!((code, failed(&findings)), (Some(1), vec!["TCP"]));
    let found = of(&findings, "database", "TCP");
    assert!(found["found_en"].as_str().is_some_and(|text| text.contains("127.0.0.1:9")), "{found}");
    std::fs::write(&missing, "no database at all, and long enough to be looked into").expect("written");
    let more = format!("[database]\nurl = \"sqlite://{}\"\n", missing.display());
    let (code, findings) = doctor(&test, &more, &["--offline"]).await;
    assert_eq!((code, failed(&findings)), (Some(1), vec!["open"]));
    test.finish().await;
}

/// The configuration of a system behind TLS.
fn behind(address: SocketAddr, more: &str) -> String {
    format!("[systems.smart_league]\nbase_url = \"https://{address}\"\ntimeout = \"5s\"\n{more}")
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_told_with_its_dates() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let more = behind(server(&Authority::new(), (2020, 2021), None), "");
    let (code, findings) = doctor(&test, &more, &[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(failed(&findings), ["smart_league TLS", "smart_league query"]);
    let found = of(&findings, "systems", "smart_league TLS");
    assert!(found["found_en"].as_str().is_some_and(|text| text.contains("2021-01-01")), "{found}");
    assert!(found["mend_en"].as_str().is_some_and(|text| text.contains("new certificate")), "{found}");
    test.finish().await;
}

#[tokio::test]
async fn an_authority_that_is_not_theirs_is_told() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let (theirs, other) = (Authority::new(), Authority::new());
    let ca = test.file().with_file_name("ca.pem");
    let more = behind(server(&theirs, (2020, 2040), None), &format!("ca_file = \"{}\"\n", ca.display()));
    std::fs::write(&ca, &other.pem).expect("written");
    let (_, findings) = doctor(&test, &more, &[]).await;
    let found = of(&findings, "systems", "smart_league TLS");
    assert!(
        found["found_en"].as_str().is_some_and(|text| text.contains("not trusted by ca_file")),
        "{found}"
    );
    std::fs::write(&ca, &theirs.pem).expect("written");
    let (_, findings) = doctor(&test, &more, &[]).await;
    assert_eq!(of(&findings, "systems", "smart_league TLS")["state"], "ok");
    test.finish().await;
}

#[tokio::test]
async fn a_certificate_of_ours_that_is_missing_or_does_not_fit_is_told() {
    let test = Setup::by_hand().on_the_wall().start().await;
    let authority = Authority::new();
    let address = server(&authority, (2020, 2040), Some(&authority));
    let (_, findings) = doctor(&test, &behind(address, ""), &[]).await;
    let found = of(&findings, "systems", "smart_league client certificate");
    assert!(found["mend_en"].as_str().is_some_and(|text| text.contains("client_cert")), "{found}");
    let file = |name: &str| test.file().with_file_name(name);
    let (ours, fits) = authority.sign(2020, 2021);
    std::fs::write(file("ours.pem"), ours.pem()).expect("written");
    let keys = [("other.key", KeyPair::generate().expect("a key")), ("ours.key", fits)];
    for (name, key) in &keys {
        std::fs::write(file(name), key.serialize_pem()).expect("written");
    }
    let identity = |key: &str| {
        let (certificate, key) = (file("ours.pem"), file(key));
        format!("client_cert = \"{}\"\nclient_key = \"{}\"\n", certificate.display(), key.display())
    };
    let (_, findings) = doctor(&test, &behind(address, &identity("other.key")), &[]).await;
    let name = file("ours.pem").display().to_string();
    let found = of(&findings, "files", &name);
    assert!(found["mend_en"].as_str().is_some_and(|text| text.contains("belong together")), "{found}");
    assert_eq!(of(&findings, "systems", "fujian query")["state"], "ok", "the others are looked at");
    let (_, findings) = doctor(&test, &behind(address, &identity("ours.key")), &["--offline"]).await;
    let found = of(&findings, "files", &name);
    assert!(found["found_en"].as_str().is_some_and(|text| text.contains("2021-01-01")), "{found}");
    let own = identity("ours.key").replace("client_cert", "tls_cert").replace("client_key", "tls_key");
    let (code, findings) = doctor(&test, &format!("[http]\n{own}"), &["--offline"]).await;
    assert_eq!((code, failed(&findings)), (Some(1), vec![name.as_str()]));
    test.finish().await;
}
