//! Fujian's change feed.

use crate::support::{SIDES, Setup};
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use league_gateway::inbound::Polled;
use league_sandbox::{Fault, FaultKind, Faults, Operation, Rule, Step};
use sqlx::Connection as _;

fn waiting() -> Vec<Rule> {
    vec![Rule { steps: vec![Step::None], ..Rule::default() }]
}

#[tokio::test]
async fn the_cursor_outlives_a_restart() {
    let test = Setup::by_hand().rules(waiting()).start().await;
    for n in 0..4 {
        test.submit(&SIDES[2].document(&format!("FJ-{n}"), n)).await;
    }
    test.run_until_idle().await;
    let cursor: i64 = test.count("systems WHERE feed_cursor >= 4").await;
    assert_eq!(cursor, 1, "four events were read");
    let kept = test.count("callbacks").await;
    let test = test.restart("").await;
    let feed = test.app.feed(test.partner("fujian"));
    assert_eq!(feed.poll().await.expect("a page"), Polled::UpToDate);
    assert_eq!(test.count("callbacks").await, kept);
    assert_eq!(test.count("callbacks WHERE repeats > 0").await, 0, "nothing is read twice");
    test.sandbox.advance("FJ-2", &Step::CheckIn).await;
    test.run_until_idle().await;
    assert_eq!(test.get("FJ-2").await["state"], "completed");
    assert_eq!(test.count("callbacks").await, kept + 1);
    test.finish().await;
}

#[tokio::test]
async fn many_pages_are_read_to_the_end() {
    let test = Setup::by_hand().rules(waiting()).start().await;
    test.submit(&SIDES[2].document("FJ", 0)).await;
    test.deliver().await;
    for _ in 0..1100 {
        test.sandbox.push_now("FJ").await;
    }
    let feed = test.app.feed(test.partner("fujian"));
    assert_eq!(feed.poll().await.expect("a page"), Polled::More);
    test.run_until_idle().await;
    assert_eq!(test.count("callbacks").await, 1);
    assert_eq!(test.callbacks("fujian", "FJ").await[0].repeats, 1100);
    test.finish().await;
}

#[tokio::test]
async fn a_cursor_that_is_forgotten_has_the_open_ones_queried() {
    let test = Setup::by_hand().rules(waiting()).start().await;
    for (n, id) in ["OPEN", "DONE"].into_iter().enumerate() {
        test.submit(&SIDES[2].document(id, n)).await;
    }
    test.run_until_idle().await;
    test.sandbox.advance("DONE", &Step::CheckIn).await;
    test.run_until_idle().await;
    let fault =
        Fault { operation: Some(Operation::ListChanges), ..SIDES[2].fault(FaultKind::CursorExpired, 1) };
    test.sandbox.set_faults(Faults { seed: 0, faults: vec![fault] });
    test.run_until_idle().await;
    assert_eq!(test.exchanges("OPEN").await, ["submit:answered", "query:answered"]);
    assert_eq!(test.exchanges("DONE").await, ["submit:answered"], "what has ended is left alone");
    assert_eq!(test.get("OPEN").await["state"], "awaiting_check_in");
    // The feed is read from its beginning: all is known already.
    assert!(test.count("callbacks WHERE repeats = 1").await >= 3);
    test.sandbox.advance("OPEN", &Step::CheckIn).await;
    test.run_until_idle().await;
    assert_eq!(test.get("OPEN").await["state"], "completed");
    test.finish().await;
}

#[tokio::test]
async fn a_damaged_transfer_stops_no_other_ones_events() {
    let test = Setup::by_hand().rules(waiting()).start().await;
    for (n, id) in ["DAMAGED", "SOUND"].into_iter().enumerate() {
        test.submit(&SIDES[2].document(id, n)).await;
    }
    test.run_until_idle().await;
    let damage = "UPDATE transfers SET milestones = 'none' WHERE request_id = 'DAMAGED'";
    test.database.execute(damage).await;
    for id in ["DAMAGED", "SOUND"] {
        test.sandbox.advance(id, &Step::CheckIn).await;
    }
    let feed = test.app.feed(test.partner("fujian"));
    assert_eq!(feed.poll().await.expect("a page"), Polled::UpToDate);
    assert_eq!(test.get("SOUND").await["state"], "completed");
    assert_eq!(test.count("callbacks WHERE request_id = 'DAMAGED' AND verdict = 'refused'").await, 1);
    assert_eq!(test.count("transfers WHERE request_id = 'DAMAGED' AND held IS NOT NULL").await, 1);
    assert_eq!(test.count("alarms WHERE system = 'fujian' AND kind = 'set_aside'").await, 1);
    let mend = "UPDATE transfers SET milestones = '{}', held = NULL, due_at = 0 WHERE request_id = 'DAMAGED'";
    test.database.execute(mend).await;
    test.run_until_idle().await;
    assert_eq!(test.get("DAMAGED").await["state"], "completed", "a query tells it");
    test.finish().await;
}

#[tokio::test]
async fn a_feed_in_trouble_loses_nothing() {
    let faults = [
        FaultKind::DropAfter,
        FaultKind::Garbage,
        FaultKind::Status500,
        FaultKind::Maintenance,
        FaultKind::TooMany,
    ]
    .map(|kind| Fault { operation: Some(Operation::ListChanges), ..SIDES[2].fault(kind, 2) });
    let test = Setup::daemon().faults(faults.to_vec()).start().await;
    test.submit(&SIDES[2].document("FJ", 0)).await;
    test.wait_for_state("FJ", "completed").await;
    test.finish().await;
}

#[tokio::test]
async fn an_event_of_somebody_elses_transfer_waits() {
    let test = Setup::by_hand().start().await;
    test.submit(&SIDES[2].document("MINE", 0)).await;
    test.deliver().await;
    // Another gateway's file reads the same feed, and gets its transfer only later.
    let other = Setup::by_hand()
        .config(&format!("[systems.fujian]\nbase_url = \"{}\"\n", test.sandbox.urls().fujian))
        .start()
        .await;
    other.run_until_idle().await;
    assert_eq!(other.count("callbacks WHERE verdict = 'unmatched'").await, 2);
    other.submit(&SIDES[2].document("MINE", 0)).await;
    let shown = other.get("MINE").await;
    assert_eq!(shown["state"], "completed", "{shown}");
    assert_eq!(other.count("callbacks WHERE verdict = 'applied'").await, 2);
    other.finish().await;
    test.run_until_idle().await;
    test.finish().await;
}

/// A partner whose feed has two changes that can't be read, 2 and 3, and whose cursor is gone at its end.
async fn damaged_feed(question: String) -> impl IntoResponse {
    const ACCEPTED: &str = "<type>ACCEPTED</type><occurredAt>2026-07-01T09:30:00+08:00</occurredAt>";
    const FROZEN: &str = "<type>FROZEN</type><occurredAt>2026-07-01T09:31:00+08:00</occurredAt>";
    const UNDATED: &str = "<type>CHECKED_IN</type><occurredAt>yesterday</occurredAt>";
    const CHECKED_IN: &str = "<type>CHECKED_IN</type><occurredAt>2026-07-01T09:32:00+08:00</occurredAt>";
    let change = |sequence: i64, id: &str, what: &str| {
        format!(
            "<change><sequence>{sequence}</sequence><eventId>E{sequence}</eventId><requestId>{id}</requestId>\
             <receiptNo>FJ-{id}</receiptNo>{what}</change>"
        )
    };
    let (status, content) = if question.contains(">0<") {
        let changes = [change(1, "A", ACCEPTED), change(2, "A", FROZEN), change(3, "B", UNDATED)].concat();
        (StatusCode::OK, changes + &change(4, "B", ACCEPTED) + "<last>4</last><more>true</more>")
    } else if question.contains(">4<") {
        (StatusCode::OK, change(5, "A", CHECKED_IN) + "<last>5</last><more>false</more>")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "<code>CURSOR_EXPIRED</code><message>gone</message>".to_owned())
    };
    let own = |name: &str| format!("<{name} xmlns=\"urn:fj-league:transfer:v1\">{content}</{name}>");
    let body = if status == StatusCode::OK {
        own("ListStatusChangesResponse")
    } else {
        let detail = own("serviceFault");
        format!(
            "<s:Fault><faultcode>s:Server</faultcode><faultstring>gone</faultstring><detail>{detail}</detail></s:Fault>"
        )
    };
    let envelope = "http://schemas.xmlsoap.org/soap/envelope/";
    let text = format!("<s:Envelope xmlns:s=\"{envelope}\"><s:Body>{body}</s:Body></s:Envelope>");
    (status, [(CONTENT_TYPE, "text/xml; charset=utf-8")], text)
}

#[tokio::test]
async fn a_change_that_is_unreadable_does_not_halt_the_feed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let partner = axum::Router::new().fallback(damaged_feed);
    let serving = tokio::spawn(async move { axum::serve(listener, partner).await });
    let test = Setup::by_hand().config(&format!("[systems.fujian]\nbase_url = \"{url}\"\n")).start().await;
    for (n, id) in ["A", "B"].into_iter().enumerate() {
        test.submit(&SIDES[2].document(id, n)).await;
    }
    let feed = test.app.feed(test.partner("fujian"));
    let poll = async || feed.poll().await.expect("the page is stored");

    assert_eq!(poll().await, Polled::More);
    assert_eq!(test.count("systems WHERE feed_cursor = 4").await, 1);
    for id in ["A", "B"] {
        assert_eq!(test.get(id).await["state"], "awaiting_check_in");
    }
    let aside = test.callbacks("fujian", "?").await;
    let seen: Vec<_> = aside.iter().map(|row| (row.event_id.as_str(), row.verdict.as_str())).collect();
    assert_eq!(seen, [("unreadable-2", "refused"), ("unreadable-3", "refused")]);
    let mut connection = test.connection().await;
    let query = "SELECT event_id, raw_sealed FROM callbacks WHERE verdict = 'refused' ORDER BY id";
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as(query).fetch_all(&mut connection).await.expect("the rows can be read");
    connection.close().await.expect("it closes");
    let [page, none] = [0, 1].map(|n| {
        let (id, sealed): &(String, Vec<u8>) = &rows[n];
        let clear = test.app.sealer.open("raw_event", id, sealed).expect("it opens");
        String::from_utf8(clear.to_vec()).expect("a text")
    });
    assert!(page.contains("FROZEN") && page.contains("yesterday"), "the page is kept: {page}");
    assert_eq!(none, "", "and kept once");

    assert_eq!(poll().await, Polled::UpToDate);
    assert_eq!(test.get("A").await["state"], "completed");

    // The feed is read from its beginning: what was set aside is known, too.
    assert_eq!(poll().await, Polled::More);
    assert_eq!(poll().await, Polled::More);
    assert_eq!(test.count("callbacks WHERE verdict = 'refused' AND repeats = 1").await, 2);
    assert_eq!(test.count("callbacks").await, 5);
    serving.abort();
    test.finish().await;
}
