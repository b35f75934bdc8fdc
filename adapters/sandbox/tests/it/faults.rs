//! Every fault at every partner.

use crate::support::{World, fj_transfer, gd_transfer, smart_transfer, world};
use league_sandbox::{Fault, FaultKind, Faults, Operation, Partner};
use serde_json::{Value, json};
use std::time::Duration;

async fn faulty(fault: Fault) -> World {
    let faults = Faults { seed: 0, faults: vec![Fault { operation: Some(Operation::Submit), ..fault }] };
    world(|config| config.faults = faults).await
}

/// What the three answer to a submit: status and code, or nothing where the connection was cut.
async fn submit_all(world: &World) -> [Option<(u16, String)>; 3] {
    let smart = world.smart("POST", "/api/v2/transfer/in", &smart_transfer("r-1")).await;
    let gd = world.gd("TransferIn.Submit", &gd_transfer("r-1")).await;
    let fj = world.fj("SubmitTransfer", &fj_transfer("r-1")).await;
    [
        smart.map(|answer| (answer.status, answer.code.to_string())),
        gd.map(|answer| (answer.status, answer.code)),
        fj.map(|answer| (answer.status, answer.code.unwrap_or_default())),
    ]
}

fn effective(world: &World) -> Vec<u32> {
    world.sandbox.report().transfers.iter().map(|transfer| transfer.effective).collect()
}

fn answers(three: [(u16, &str); 3]) -> [Option<(u16, String)>; 3] {
    three.map(|(status, code)| Some((status, code.to_owned())))
}

#[tokio::test]
async fn each_kind_shows_as_the_profiles_say() {
    let right = answers([(200, "0"), (200, "0000"), (200, "")]);
    for (kind, expected, effect) in [
        (FaultKind::DropBefore, [None, None, None], 0),
        (FaultKind::DropAfter, [None, None, None], 1),
        (FaultKind::Status500, answers([(500, "-1"), (500, ""), (500, "")]), 0),
        (FaultKind::Internal, answers([(500, "50000"), (200, "5000"), (500, "INTERNAL")]), 0),
        (FaultKind::Maintenance, answers([(503, "50301"), (200, "9001"), (500, "MAINTENANCE")]), 0),
        (FaultKind::TooMany, answers([(429, "42901"), (200, "4001"), (500, "BUSY")]), 0),
        (
            FaultKind::Authentication,
            answers([(401, "40101"), (200, "3001"), (500, "AUTHENTICATION_FAILED")]),
            0,
        ),
        (FaultKind::Garbage, answers([(200, "-1"), (200, ""), (200, "")]), 1),
        (FaultKind::WrongSignature, right.clone(), 1),
        (FaultKind::CursorExpired, right, 1),
    ] {
        let world = faulty(Fault::of(kind)).await;
        assert_eq!(submit_all(&world).await, expected, "{kind:?}");
        assert_eq!(effective(&world), [effect; 3], "{kind:?}");
        assert_eq!(world.violations(), Vec::<String>::new(), "a fault is no breach");
    }
}

#[tokio::test]
async fn a_cut_is_a_cut_for_a_real_client_too() {
    let world = faulty(Fault::of(FaultKind::DropAfter)).await;
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client =
        reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client");
    let body = smart_transfer("r-1").to_string().into_bytes();
    let mut request = client.post(format!("{}/api/v2/transfer/in", world.sandbox.urls().smart_league));
    for (name, value) in crate::support::smart_headers(world.now(), "POST", "/api/v2/transfer/in", &body) {
        request = request.header(name, value);
    }
    #[expect(clippy::disallowed_methods, reason = "a test's client")]
    let error = request.body(body).send().await.expect_err("no answer");
    assert!(error.is_request(), "{error:?}");
    let mut source: Option<&dyn std::error::Error> = Some(&error);
    let chain = std::iter::from_fn(|| {
        let one = source?;
        source = one.source();
        Some(one.to_string())
    });
    let text = chain.collect::<Vec<_>>().join(": ");
    assert!(text.contains("connection closed before message completed"), "{text}");
    assert_eq!(effective(&world), [1]);
}

#[tokio::test]
async fn a_wrong_signature_is_wrong() {
    let world = faulty(Fault::of(FaultKind::WrongSignature)).await;
    let answer = world.smart("POST", "/api/v2/transfer/in", &smart_transfer("r-1")).await.expect("answered");
    assert!(!answer.genuine);
    let answer = world.gd("TransferIn.Submit", &gd_transfer("r-1")).await.expect("answered");
    assert!(!answer.message.genuine);
}

#[tokio::test]
async fn a_hang_never_answers_but_acts() {
    let world = faulty(Fault::of(FaultKind::Hang)).await;
    let (target, transfer) = ("/api/v2/transfer/in", smart_transfer("r-1"));
    let call = world.smart("POST", target, &transfer);
    tokio::time::timeout(Duration::from_millis(20), call).await.expect_err("still waiting");
    assert_eq!(effective(&world), [1]);
    let world = faulty(Fault { effect: Some(false), ..Fault::of(FaultKind::Hang) }).await;
    let call = world.smart("POST", target, &transfer);
    tokio::time::timeout(Duration::from_millis(20), call).await.expect_err("still waiting");
    assert_eq!(effective(&world), [0]);
}

#[tokio::test]
async fn times_to_come_again_are_named() {
    let maintenance = Fault { retry_after: Some(90), ..Fault::of(FaultKind::Maintenance) };
    let world = faulty(maintenance.clone()).await;
    let answer = world.smart("POST", "/api/v2/transfer/in", &smart_transfer("r-1")).await.expect("answered");
    assert_eq!(answer.retry_after.as_deref(), Some("90"));
    let answer = world.gd("TransferIn.Submit", &gd_transfer("r-1")).await.expect("answered");
    assert!(answer.message.text.contains("Until>20240701093130<"), "{}", answer.message.text);
    let answer = world.fj("SubmitTransfer", &fj_transfer("r-1")).await.expect("answered");
    assert!(answer.text.contains("retryAfterSeconds>90<"), "{}", answer.text);
    let world = faulty(Fault { http_date: true, ..maintenance }).await;
    let answer = world.smart("POST", "/api/v2/transfer/in", &smart_transfer("r-1")).await.expect("answered");
    assert_eq!(answer.retry_after.as_deref(), Some("Mon, 01 Jul 2024 01:31:30 GMT"));
}

#[tokio::test]
async fn a_fault_strikes_whom_and_as_often_as_it_says() {
    let fault = Fault {
        system: Some(Partner::SmartLeague),
        request_id: Some("bad-*".into()),
        times: Some(1),
        delay_ms: 1,
        ..Fault::of(FaultKind::Internal)
    };
    let world = faulty(fault).await;
    for (id, code) in [("good-1", 0), ("bad-1", 50000), ("bad-1", 0), ("bad-2", 0)] {
        let answer = world.smart("POST", "/api/v2/transfer/in", &smart_transfer(id)).await.expect("answered");
        assert_eq!(answer.code, code, "{id}");
    }
    let report = world.sandbox.report();
    assert_eq!(
        report.transfer("bad-1").map(|line| (line.submits, line.effective, line.blind_submits)),
        Some((2, 1, 1))
    );
}

#[tokio::test]
async fn a_query_ends_the_doubt() {
    let world = faulty(Fault { times: Some(1), ..Fault::of(FaultKind::DropBefore) }).await;
    let transfer = smart_transfer("r-1");
    assert!(world.smart("POST", "/api/v2/transfer/in", &transfer).await.is_none());
    let query = world.smart("GET", "/api/v2/transfer/in/r-1", &Value::Null).await.expect("answered");
    assert_eq!(query.code, 40402);
    world.smart("POST", "/api/v2/transfer/in", &transfer).await.expect("answered");
    assert_eq!(world.sandbox.report().transfer("r-1").map(|line| line.blind_submits), Some(0));
}

#[tokio::test]
async fn dice_fall_the_same_for_the_same_seed() {
    let mut rolls = Vec::new();
    for _ in 0..2 {
        let fault = Fault { probability: Some(0.5), ..Fault::of(FaultKind::TooMany) };
        let world = faulty(fault).await;
        let mut codes = Vec::new();
        for number in 0..20 {
            let transfer = smart_transfer(&format!("r-{number}"));
            codes.push(world.smart("POST", "/api/v2/transfer/in", &transfer).await.expect("answered").code);
        }
        rolls.push(codes);
    }
    assert_eq!(rolls[0], rolls[1]);
    assert!(rolls[0].contains(&0) && rolls[0].contains(&42901), "{:?}", rolls[0]);
}

#[tokio::test]
async fn the_feeds_beginning_never_expires() {
    let faults = Faults { seed: 0, faults: vec![Fault::of(FaultKind::CursorExpired)] };
    let world = world(|_| {}).await;
    world.fj("SubmitTransfer", &fj_transfer("r-1")).await.expect("answered");
    world.sandbox.pushes_idle().await;
    world.sandbox.set_faults(faults);
    let page = async |after: u8| {
        let input = format!("<after>{after}</after><limit>1</limit>");
        world.fj("ListStatusChanges", &input).await.expect("answered").code
    };
    assert_eq!(page(1).await.as_deref(), Some("CURSOR_EXPIRED"));
    assert_eq!(page(0).await, None);
    assert_eq!(world.smart("POST", "/api/v2/org/exists", &json!({})).await.expect("answered").code, 40001);
}

#[tokio::test]
async fn a_sender_that_goes_is_no_breach_and_its_call_still_counts() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = faulty(Fault { delay_ms: 5, ..Fault::of(FaultKind::WrongSignature) }).await;
    let (target, transfer) = ("/api/v2/transfer/in", smart_transfer("r-1"));
    let url = world.sandbox.urls().smart_league;
    let mut stream =
        tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.expect("connected");
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await.expect("written");
    stream.shutdown().await.expect("shut");
    stream.read_to_end(&mut Vec::new()).await.expect("closed");
    assert_eq!(world.violations(), Vec::<String>::new());

    // Gone while the partner thinks: it acts all the same, and the next submit without a query is a blind one.
    let received = async {
        while world.sandbox.report().transfer("r-1").is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = received => {}
        _ = world.smart("POST", target, &transfer) => {}
    }
    let again = world.smart("POST", target, &transfer).await.expect("answered");
    assert!(matches!(again.code, 0 | 20901), "{}", again.code);
    let report = world.sandbox.report();
    let line = report.transfer("r-1").expect("seen");
    assert_eq!((line.submits, line.effective, line.blind_submits), (2, 1, 1));
}
