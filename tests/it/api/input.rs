//! Bad input, tokens, and what stands around the API.

use crate::support::{SIDES, Setup, in_time};
use league_gateway::access::Role;
use league_sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let test = Setup::by_hand().start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = "{\"a\":".repeat(20_000);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("half", b"{\"request_id\": \"A\"".to_vec()),
        ("two", b"{} {}".to_vec()),
        ("a comma", b"{\"request_id\": \"A\",}".to_vec()),
        ("deep arrays", deep.into_bytes()),
        ("deep objects", objects.into_bytes()),
        ("GBK", vec![b'{', b'"', 0xD5, 0xC5, b'"', b':', b'1', b'}']),
        ("a lone surrogate", b"{\"request_id\": \"\\ud800\"}".to_vec()),
        ("zeros", vec![0; 64]),
        ("UTF-16", vec![0xFF, 0xFE, b'{', 0, b'}', 0]),
        ("an array", b"[]".to_vec()),
        ("a text", b"\"A\"".to_vec()),
        ("null", b"null".to_vec()),
    ];
    for (name, body) in bodies {
        for path in ["/v1/transfers", "/v1/transfers/A/amend"] {
            let answer = test.client.post_text(path, body.clone()).await;
            let parsed = matches!(name, "an array" | "a text" | "null");
            if parsed && path.ends_with("amend") {
                answer.problem(404, "not_found");
            } else {
                let problem = answer.problem(400, "malformed");
                assert!(!problem["detail"].to_string().contains("ud800"), "{name}: nothing is repeated");
            }
        }
    }
    assert_eq!(test.count("transfers").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let test = Setup::by_hand().start().await;
    let large = vec![b' '; 10 * 1024 * 1024];
    for path in [
        "/v1/transfers",
        "/v1/transfers:batch",
        "/v1/organizations/check",
        "/v1/transfers/A/withdraw",
        "/v1/operator/transfers:search",
        "/v1/operator/transfers:export",
    ] {
        test.client.post_text(path, large.clone()).await.problem(413, "payload_too_large");
    }
    // The next request is answered as ever.
    assert_eq!(test.client.get("/healthz").await.status, 200);
    test.finish().await;
}

#[tokio::test]
async fn tokens_and_their_roles() {
    let test = Setup::by_hand().start().await;
    let document = SIDES[0].document("A", 1);
    let paths = [
        ("GET", "/v1/transfers/A"),
        ("GET", "/v1/events"),
        ("GET", "/v1/routes"),
        ("GET", "/v1/organizations?province_code=32&q=%E5%8D%97%E4%BA%AC"),
        ("POST", "/v1/transfers"),
        ("POST", "/v1/transfers:batch"),
        ("POST", "/v1/transfers/A/amend"),
        ("POST", "/v1/transfers/A/withdraw"),
        ("POST", "/v1/organizations/check"),
        ("GET", "/v1/operator/transfers"),
        ("POST", "/v1/operator/transfers:search"),
        ("GET", "/v1/operator/transfers:export"),
        ("POST", "/v1/operator/transfers:export"),
        ("GET", "/v1/operator/stats"),
        ("GET", "/v1/operator/failures"),
    ];
    let wrong = test.client.with_token("lgw_0000");
    let none = test.client.with_token("");
    for (method, path) in paths {
        for client in [&wrong, &none] {
            let answer = client.send(method, path, &[], b"{".to_vec()).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            let problem = answer.problem(401, "unauthorized");
            assert!(problem["detail"].as_str().is_some_and(|text| text.contains("令牌")));
        }
        for scheme in ["Basic QTpC", "Bearer", "Bearer ", "lgw"] {
            none.send(method, path, &[("authorization", scheme)], Vec::new())
                .await
                .problem(401, "unauthorized");
        }
    }
    let viewer = test.client_with("viewer", &[Role::View]).await;
    for (method, path) in &paths[4..8] {
        let answer = viewer.send(method, path, &[], document.to_string().into_bytes()).await;
        let problem = answer.problem(403, "forbidden");
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains("viewer") && text.contains("submit")),
            "{problem}"
        );
    }
    let submitter = test.client_with("submitter", &[Role::Submit]).await;
    assert_eq!(submitter.post("/v1/transfers", &document).await.status, 201);
    for client in [&viewer, &submitter] {
        for (method, path) in &paths[..4] {
            assert_eq!(client.send(method, path, &[], Vec::new()).await.status, 200, "{path}");
        }
    }
    // Probes and the description are for everybody.
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(none.get(path).await.status, 200, "{path}");
    }
    test.finish().await;
}

#[tokio::test]
async fn the_description_is_json_and_may_be_asked_for_its_size() {
    let test = Setup::by_hand().start().await;
    let whole = test.client.get("/openapi.json").await;
    let head = test.client.send("HEAD", "/openapi.json", &[], Vec::new()).await;
    for answer in [&whole, &head] {
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.header("content-length"), whole.body.len().to_string());
    }
    assert!(head.body.is_empty() && whole.json().is_object());
    test.finish().await;
}

#[tokio::test]
async fn unknown_places_methods_and_parameters() {
    let test = Setup::by_hand().start().await;
    for path in ["/", "/v1", "/v1/transfer", "/v2/transfers", "/v1/transfers/A/B/C"] {
        let problem = test.client.get(path).await.problem(404, "not_found");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(path)));
    }
    for (method, path) in [
        ("GET", "/v1/transfers"),
        ("DELETE", "/v1/transfers/A"),
        ("PUT", "/v1/events"),
        ("GET", "/callbacks/guangdong"),
    ] {
        let answer = test.client.send(method, path, &[], Vec::new()).await;
        let problem = answer.json();
        assert_eq!((answer.status, &problem["status"]), (405, &json!(405)), "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    for path in ["/v1/transfers/NOBODY", "/v1/transfers/%E5%BC%A0%E4%B8%89", "/v1/transfers/..%2F..%2Fetc"] {
        test.client.get(path).await.problem(404, "not_found");
    }
    for path in [
        "/v1/events?after=x",
        "/v1/events?limit=-1",
        "/v1/events?wait=soon",
        "/v1/events?after=99999999999999999999",
        "/v1/organizations",
        "/v1/organizations?province_code=32",
        "/v1/organizations?province_code=32&q=ab&limit=x",
    ] {
        let problem = test.client.get(path).await.problem(400, "malformed");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("参数")), "{problem}");
    }
    test.finish().await;
}

/// Every path of the description, with its method.
const DESCRIBED: [(&str, &str); 38] = [
    ("/v1/transfers", "post"),
    ("/v1/transfers:batch", "post"),
    ("/v1/transfers/{request_id}", "get"),
    ("/v1/transfers/{request_id}/amend", "post"),
    ("/v1/transfers/{request_id}/withdraw", "post"),
    ("/v1/events", "get"),
    ("/v1/organizations/check", "post"),
    ("/v1/organizations", "get"),
    ("/v1/routes", "get"),
    ("/v1/operator/transfers/{request_id}/{act}", "post"),
    ("/v1/operator/audit", "get"),
    ("/v1/operator/audit:verify", "get"),
    ("/v1/operator/bulk", "get"),
    ("/v1/operator/bulk", "post"),
    ("/v1/operator/bulk/{id}", "get"),
    ("/v1/operator/bulk/{id}/results", "get"),
    ("/v1/operator/bulk/{id}/{turn}", "post"),
    ("/v1/operator/webhooks", "get"),
    ("/v1/operator/webhooks/{name}/{act}", "post"),
    ("/v1/operator/webhooks/{name}/test", "post"),
    ("/v1/operator/transfers/{request_id}", "get"),
    ("/v1/operator/transfers/{request_id}/timeline", "get"),
    ("/v1/operator/transfers/{request_id}/exchanges/{number}", "get"),
    ("/v1/operator/transfers/{request_id}/unmask", "post"),
    ("/v1/operator/callbacks", "get"),
    ("/v1/operator/callbacks/{id}", "get"),
    ("/v1/operator/callbacks/{id}/reapply", "post"),
    ("/v1/operator/systems", "get"),
    ("/v1/operator/systems/{system}", "get"),
    ("/v1/operator/systems/{system}/{switch}", "post"),
    ("/v1/operator/alarms", "get"),
    ("/v1/operator/alarms/clear", "post"),
    ("/v1/operator/transfers", "get"),
    ("/v1/operator/transfers:search", "post"),
    ("/v1/operator/transfers:export", "get"),
    ("/v1/operator/transfers:export", "post"),
    ("/v1/operator/stats", "get"),
    ("/v1/operator/failures", "get"),
];

#[tokio::test]
async fn the_description_names_every_path() {
    let test = Setup::by_hand().start().await;
    let description: Value = test.client.get("/openapi.json").await.json();
    assert!(
        description["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        description["openapi"]
    );
    for (path, method) in DESCRIBED {
        assert!(description["paths"][path][method]["responses"].is_object(), "{method} {path}");
    }
    assert_eq!(description["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let paths = description["paths"].as_object().expect("paths");
    let operations = paths.values().flat_map(|item| item.as_object().expect("operations").values());
    let mut names = std::collections::BTreeSet::new();
    for operation in operations {
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name} stands twice");
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let what = format!("{name} {status}: {response}");
            assert!(response["description"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
            if status.starts_with(['4', '5']) {
                let form = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(form, "#/components/schemas/ProblemDocument", "{what}");
            }
        }
        for status in ["401", "403", "500"] {
            assert!(operation["responses"][status].is_object(), "{name} {status}");
        }
        assert!(operation["responses"]["401"]["headers"]["WWW-Authenticate"].is_object(), "{name}");
    }
    let kinds = description["components"]["schemas"]["ClearBody"]["properties"]["kind"]["enum"].clone();
    let known: Vec<_> =
        league_gateway::alarm::AlarmKind::ALL.iter().map(|kind| json!(kind.as_str())).collect();
    assert_eq!(kinds, json!(known), "every alarm can be cleared");
    let bare = description.to_string().matches("\"schema\":{\"type\":\"object\"}").count();
    assert_eq!(bare, 0, "everything has a form");
    test.finish().await;
}

#[tokio::test]
async fn ready_is_who_could_deliver() {
    let refusals = SIDES.iter().map(|side| Fault { times: None, ..side.fault(FaultKind::Authentication, 0) });
    let test = Setup::by_hand().faults(refusals.collect()).start().await;
    assert_eq!(test.client.get("/healthz").await.text(), "ok\n");
    let ready = test.client.get("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (200, "ready: fujian, guangdong, smart_league\n"));
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(side.system, n)).await;
        test.run_until_idle().await;
    }
    let ready = test.client.get("/readyz").await;
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("suspended"));
    test.finish().await;
}

#[tokio::test]
async fn ready_waits_for_nobody() {
    for setup in [Setup::by_hand(), Setup::by_hand().on_postgres()] {
        let test = setup.start().await;
        // A turn has the systems' rows; on SQLite, the only writer.
        let mut turn = test.app.store.write("test").await.expect("it begins");
        for system in test.app.partners.keys() {
            turn.system(system).await.expect("its row");
        }
        let ready = in_time("an answer", test.client.get("/readyz")).await;
        assert_eq!(ready.status, 200, "{}", ready.text());
        drop(turn);
        test.finish().await;
    }
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_not_ready() {
    let test = Setup::daemon().start().await;
    let shows = async |status: u16| {
        let looking = async { while test.client.get("/readyz").await.status != status {} };
        in_time("another answer", looking).await;
    };
    shows(200).await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON daemons BEGIN SELECT RAISE(ABORT, 'full'); END";
    test.database.execute(full).await;
    shows(503).await;
    assert_eq!(test.client.get("/readyz").await.text(), "not ready: the database takes no writes\n");
    test.database.execute("DROP TRIGGER full").await;
    shows(200).await;
    test.finish().await;
}
