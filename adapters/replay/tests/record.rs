//! What is kept of an exchange, and what refuses it.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

use league_contract::{Adapter, AdapterConfig, Call, Notary, Secret, System};
use league_replay::{Fixtures, Kind, Naming, NotKept, People, Taken, Tree, examine, load_system};
use league_smart_league::REGISTRATION;
use std::fs;
use std::path::Path;
use std::sync::Arc;

struct Made {
    adapter: Arc<dyn Adapter>,
    notary: Arc<dyn Notary>,
}

fn made(config: &AdapterConfig) -> Made {
    Made {
        adapter: (REGISTRATION.build)(config.clone()).expect("built"),
        notary: (REGISTRATION.notary)(config.clone()).expect("built"),
    }
}

fn shipped() -> Fixtures {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    load_system(&root, &System::named(REGISTRATION.system)).expect("readable")
}

/// A query of a real system, with real secrets, whose answer gives this reason; it is about the person of a submit.
fn taken(real: &Made, reason: &str) -> Taken {
    let cases = shipped().cases;
    let case = |name: &str| cases.iter().find(|case| case.name == name).expect("it stands");
    let (rejected, submitted) = (case("smart-league/query-rejected"), case("smart-league/submit-accepted"));
    let (Kind::Exchange(query), Kind::Exchange(submit)) = (&rejected.kind, &submitted.kind) else {
        panic!("exchanges")
    };
    let Call::Submit(transfer) = &submit.call else { panic!("a submit") };
    let request = real.adapter.encode(&query.call, &rejected.context()).expect("encoded");
    let mut response = query.response.clone().expect("an answer");
    let mut body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    body["data"]["reason"] = "REASON".into();
    response.body = body.to_string().replace("REASON", reason).into_bytes();
    response.headers.push(("Date".to_owned(), "Mon, 01 Jul 2024 01:30:00 GMT".to_owned()));
    Taken {
        call: query.call.clone(),
        at: rejected.context(),
        answered_at: rejected.answered_at,
        response: real.notary.sign_answer(&request, rejected.answered_at, response).expect("signed"),
        request,
        about: Some(transfer.clone()),
    }
}

/// Keeps it in a new tree, and gives what stands there.
fn kept(change: impl FnOnce(&mut Taken)) -> Result<String, (NotKept, usize)> {
    kept_with("张三的材料不全，请补 13800138000 或 138-0013-8001 所留证件 11010519491231002x", change)
}

fn kept_with(reason: &str, change: impl FnOnce(&mut Taken)) -> Result<String, (NotKept, usize)> {
    let folder = tempfile::tempdir().expect("a folder");
    let root = shipped().root;
    fs::copy(root.join("config.toml"), folder.path().join("config.toml")).expect("copied");
    let system = System::named(REGISTRATION.system);
    let fixtures = load_system(folder.path(), &system).expect("readable");
    let own = made(&fixtures.configs[&system]);
    let secret = "a-real-secret".to_owned();
    let secrets = vec![Secret::new(secret.clone())];
    let real = made(&AdapterConfig { secrets, ..fixtures.configs[&system].clone() });
    let mut taken = taken(&real, reason);
    change(&mut taken);
    let tree = Tree {
        fixtures: &fixtures,
        people: &People::default(),
        registration: REGISTRATION,
        adapter: own.adapter.as_ref(),
        notary: own.notary.as_ref(),
    };
    let naming = Naming {
        name: "query-one".to_owned(),
        title: "t".to_owned(),
        title_zh: "题".to_owned(),
        tags: vec!["query".to_owned()],
    };
    let written = tree.keep(&taken, real.adapter.as_ref(), &[secret], naming, [3; 32]);
    let system_folder = folder.path().join("smart-league");
    let count = fs::read_dir(&system_folder).map(Iterator::count).unwrap_or_default();
    let dir = written.map_err(|error| (error, count))?;
    assert_eq!((&dir, count), (&system_folder.join("query-one"), 1));
    let read = load_system(folder.path(), &system).expect("readable");
    assert!(examine(&read.cases[0], own.adapter.as_ref(), own.notary.as_ref()).passes(true));
    assert_eq!(read.cases[0].profile.as_deref(), Some("v2"));
    let files = ["case.toml", "request.http", "response.http"];
    Ok(files.map(|file| fs::read_to_string(dir.join(file)).expect("a whole case")).concat())
}

#[test]
fn nobody_of_the_exchange_is_in_the_case() {
    let text = kept(|_| ()).expect("kept");
    for gone in ["张三", "13800138000", "11010519491231002x", "Date:", "a-real-secret"] {
        assert!(!text.contains(gone), "{gone}:\n{text}");
    }
    for stays in ["的材料不全，请补", "BJ-2024-000001", "X-Signature"] {
        assert!(text.contains(stays), "{stays}:\n{text}");
    }
}

#[test]
fn escaped_names_are_replaced_in_their_dress() {
    let text = kept_with("\\u5f20\\u4e09\\u7684", |_| ()).expect("kept");
    let response = text.split("HTTP/1.1 200").nth(1).expect("the answer");
    assert!(!response.contains("\\u5f20") && response.contains("\\u7684"), "{response}");
}

/// Half a name raw and half of it escaped is not what anybody replaces: it is found, and nothing is written.
#[test]
fn whoever_is_still_found_refuses_the_recording() {
    let (error, count) = kept_with("张\\u4e09", |_| ()).expect_err("refused");
    assert!(matches!(error, NotKept::Leaks(_) | NotKept::OtherAnswer(_)), "{error}");
    assert_eq!(count, 0);
    assert!(!error.to_string().contains("张三"));
    let (error, count) = kept_with("口令 a-real-secret", |_| ()).expect_err("refused");
    assert!(matches!(error, NotKept::Leaks(_)) && count == 0, "{error}");
}

#[test]
fn what_is_not_genuine_or_not_ours_is_refused() {
    let forged = kept(|taken| taken.response.body.push(b' ')).expect_err("refused");
    assert!(matches!(forged, (NotKept::NotGenuine(_), 0)), "{forged:?}");
    let other = kept(|taken| taken.request.target.push('0')).expect_err("refused");
    assert!(matches!(other, (NotKept::OtherRequest, 0)), "{other:?}");
}
