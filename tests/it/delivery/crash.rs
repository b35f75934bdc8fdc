//! A daemon that ends at any point: nothing is lost, and nothing is sent twice.

use crate::support::{SIDES, Setup, Side, TestApp, in_time, until};
use jiff::SignedDuration;
use league_contract::{Call, Operation};
use league_gateway::lifecycle::Ended;
use league_gateway::outbound::Desk;
use league_gateway::partner::Exchange;
use league_gateway::store::{Abandoned, Claimant, Lease, NewAttempt};
use league_sandbox::{Fault, FaultKind, Rule, Step};

fn waiting() -> Vec<Rule> {
    vec![Rule { steps: vec![Step::None], ..Rule::default() }]
}

/// The first commit of a delivery, and no more.
async fn claim(test: &TestApp, side: &Side) -> Lease {
    let partner = test.partner(side.system);
    let now = test.app.clock.now();
    let until = now + SignedDuration::from_secs(60);
    let mut tx = test.app.store.write("claim").await.expect("the store answers");
    let claimant = Claimant { worker: "gone", now, until };
    let following = partner.policy.following;
    let mut leases = tx.claim(&partner.system, following, 1, claimant).await.expect("it is claimed");
    let saves: Vec<_> = leases.iter().map(|lease| &lease.save).collect();
    tx.save_all(&saves).await.expect("it is written");
    tx.commit().await.expect("it is committed");
    leases.pop().expect("something was due")
}

/// The second commit, and the exchange, if it happens.
async fn open_attempt(test: &TestApp, side: &Side, lease: &Lease, send: bool) {
    let partner = test.partner(side.system);
    let mut tx = test.app.store.write("open").await.expect("the store answers");
    let attempt = NewAttempt {
        transfer_id: lease.entry().id,
        system: &partner.system,
        operation: Operation::Submit,
        worker: "gone",
        started_at: test.app.clock.now(),
        request_sealed: &[],
    };
    tx.open_attempts(&[attempt]).await.expect("it is noted");
    tx.commit().await.expect("it is committed");
    if send {
        let sealed = &lease.document_sealed;
        let transfer = test.app.sealer.open_transfer(&lease.entry().request_id, sealed);
        let call = Call::Submit(Box::new(transfer.expect("the document opens")));
        let _: Exchange = partner.ask(call, &test.app.clock).await.expect("it can be said");
    }
}

#[tokio::test]
async fn a_claim_alone_goes_back_to_the_queue() {
    for side in &SIDES {
        let test = Setup::by_hand().rules(waiting()).start().await;
        test.submit(&side.document("GONE", 1)).await;
        claim(&test, side).await;
        test.run_until_idle().await;
        assert_eq!(test.get("GONE").await["state"], "sending", "nobody takes what another has");
        let rescued = test.app.sweeper().rescue_all().await.expect("it is taken back");
        assert_eq!((rescued.queued, rescued.unconfirmed, rescued.freed), (1, 0, 0));
        assert_eq!(test.get("GONE").await["state"], "queued");
        test.run_until_idle().await;
        assert_eq!(test.get("GONE").await["state"], side.waits);
        assert_eq!(test.at_partner("GONE").map(|line| (line.submits, line.effective)), Some((1, 1)));
        test.finish().await;
    }
}

#[tokio::test]
async fn an_open_attempt_is_asked_about() {
    for side in &SIDES {
        for sent in [true, false] {
            let name = format!("{} sent: {sent}", side.system);
            let test = Setup::by_hand().rules(waiting()).start().await;
            test.cut_callbacks();
            test.submit(&side.document("GONE", 1)).await;
            let lease = claim(&test, side).await;
            open_attempt(&test, side, &lease, sent).await;
            let rescued = test.app.sweeper().rescue_all().await.expect("it is taken back");
            assert_eq!((rescued.queued, rescued.unconfirmed, rescued.freed), (0, 1, 0), "{name}");
            assert_eq!(test.get("GONE").await["state"], "unconfirmed", "{name}");
            test.deliver().await;
            assert_eq!(test.get("GONE").await["state"], side.waits, "{name}");
            let then: &[&str] = if sent {
                &["submit:lost", "query:answered"]
            } else {
                &["submit:lost", "query:answered", "submit:answered"]
            };
            let exchanges = test.exchanges("GONE").await;
            let exchanges: Vec<_> = exchanges.iter().filter(|one| !one.starts_with("check")).collect();
            assert_eq!(exchanges, then, "{name}");
            assert_eq!(
                test.at_partner("GONE").map(|line| (line.submits, line.effective)),
                Some((1, 1)),
                "{name}"
            );
            test.mend_callbacks();
            test.run_until_idle().await;
            test.finish().await;
        }
    }
}

#[tokio::test]
async fn a_lease_that_runs_out_is_taken_back_and_its_late_outcome_changes_nothing() {
    let slow = Fault { delay_ms: 300, times: Some(1), kind: None, ..SIDES[0].fault(FaultKind::Hang, 1) };
    let test = Setup::by_hand().rules(waiting()).faults(vec![slow]).start().await;
    test.submit(&SIDES[0].document("SLOW", 1)).await;
    let driver = test.app.driver(test.partner("smart_league"));
    let work = driver.run_once();
    let slow = async {
        until("the submit to arrive", || test.at_partner("SLOW").is_some()).await;
        // The exchange takes longer than the lease.
        test.app.clock.advance(SignedDuration::from_secs(61));
        let rescued = test
            .app
            .sweeper()
            .rescue(Abandoned::Before(test.app.clock.now()))
            .await
            .expect("it is taken back");
        assert_eq!(rescued.unconfirmed, 1);
    };
    let (done, ()) = tokio::join!(work, slow);
    done.expect("a lost lease is no failure");
    assert_eq!(test.get("SLOW").await["state"], "unconfirmed", "the late answer is not ours to apply");
    test.run_until_idle().await;
    assert_eq!(test.get("SLOW").await["state"], "submitted");
    assert_eq!(test.at_partner("SLOW").map(|line| (line.submits, line.effective)), Some((1, 1)));
    test.finish().await;
}

#[tokio::test]
async fn work_that_is_cut_off_in_its_exchange_is_asked_about() {
    for side in &SIDES {
        let hangs = side.fault(FaultKind::Hang, 1);
        let test = Setup::by_hand().rules(waiting()).faults(vec![hangs]).start().await;
        test.cut_callbacks();
        test.submit(&side.document("CUT", 1)).await;
        let driver = test.app.driver(test.partner(side.system));
        let work = driver.run_once();
        // As a process that is killed, the work is dropped in the middle of its exchange.
        tokio::select! {
            _ = work => panic!("the exchange hangs"),
            () = until("the submit to take effect", || test.at_partner("CUT").is_some_and(|line| line.effective == 1)) => {}
        }
        let test = test.restart("").await;
        let rescued = test.app.sweeper().rescue_all().await.expect("it is taken back");
        assert_eq!(rescued.unconfirmed, 1, "{}", side.system);
        test.deliver().await;
        assert_eq!(test.get("CUT").await["state"], side.waits);
        assert_eq!(test.at_partner("CUT").map(|line| (line.submits, line.effective)), Some((1, 1)));
        test.mend_callbacks();
        test.run_until_idle().await;
        test.finish().await;
    }
}

#[tokio::test]
async fn a_soft_stop_lets_exchanges_finish() {
    let slow = SIDES.iter().map(|side| Fault { delay_ms: 300, kind: None, ..side.fault(FaultKind::Hang, 1) });
    let mut test = Setup::daemon().rules(waiting()).faults(slow.collect()).start().await;
    for (n, side) in SIDES.iter().enumerate() {
        test.submit(&side.document(side.system, n)).await;
    }
    until("all submits to arrive", || SIDES.iter().all(|side| test.at_partner(side.system).is_some())).await;
    assert_eq!(test.stop().await, Ended::Clean);
    assert_eq!(test.count("transfers WHERE lease_token IS NOT NULL").await, 0);
    assert_eq!(test.count("attempts WHERE operation = 'submit' AND outcome = 'answered'").await, 3);
    let test = test.restart("").await;
    for side in &SIDES {
        test.wait_for_state(side.system, side.waits).await;
        assert_eq!(test.at_partner(side.system).map(|line| (line.submits, line.effective)), Some((1, 1)));
    }
    test.finish().await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused() {
    let test = Setup::daemon().start().await;
    let refused = test.app.start(None).await.err().expect("it is refused").to_string();
    assert!(refused.contains("another daemon runs on"), "{refused}");
    test.finish().await;
}

/// A callback moves a transfer on while its submit is under way, and then the daemon dies: nothing is left open.
#[tokio::test]
async fn an_exchange_whose_transfer_moved_on_is_closed_at_the_next_start() {
    let side = &SIDES[0];
    let test = Setup::by_hand().rules(waiting()).faults(vec![side.fault(FaultKind::Hang, 1)]).start().await;
    test.submit(&side.document("MOVED", 1)).await;
    let driver = test.app.driver(test.partner(side.system));
    let work = driver.run_once();
    tokio::select! {
        _ = work => panic!("the exchange hangs"),
        () = async {
            until("the submit to take effect", || test.at_partner("MOVED").is_some_and(|line| line.effective == 1)).await;
            assert!(test.sandbox.advance("MOVED", &side.completes).await);
        } => {}
    }
    assert_eq!(test.get("MOVED").await["state"], "completed");
    let test = test.restart("").await;
    test.app.sweeper().rescue_all().await.expect("it starts");
    assert_eq!(test.get("MOVED").await["state"], "completed");
    assert_eq!(test.exchanges("MOVED").await.last().map(String::as_str), Some("submit:lost"));
    test.finish().await;
}

/// A system that is switched off over a restart keeps the sign that its submit may have gone out.
#[tokio::test]
async fn a_system_that_is_off_for_a_while_gets_no_blind_second_submit() {
    let side = &SIDES[2];
    let test = Setup::by_hand().rules(waiting()).faults(vec![side.fault(FaultKind::Hang, 1)]).start().await;
    test.submit(&side.document("OFF", 1)).await;
    let driver = test.app.driver(test.partner(side.system));
    tokio::select! {
        _ = driver.run_once() => panic!("the exchange hangs"),
        () = until("the submit to take effect", || test.at_partner("OFF").is_some_and(|line| line.effective == 1)) => {}
    }
    let test = test.restart("[systems.fujian]\nenabled = false\n").await;
    test.app.sweeper().rescue_all().await.expect("it starts without the system");
    let test = test.restart("[systems.fujian]\nenabled = true\n").await;
    let rescued = test.app.sweeper().rescue_all().await.expect("it starts with it");
    assert_eq!((rescued.unconfirmed, rescued.queued), (1, 0));
    test.deliver().await;
    assert_eq!(test.get("OFF").await["state"], side.waits);
    assert_eq!(test.at_partner("OFF").map(|line| (line.submits, line.effective)), Some((1, 1)));
    test.finish().await;
}

/// A document that can't be opened stops one transfer's delivery, loudly, loses nothing, and mends itself.
#[tokio::test]
async fn a_document_that_cannot_be_opened_waits_until_it_can() {
    let side = &SIDES[0];
    let test = Setup::by_hand().start().await;
    test.submit(&side.document("SEALED", 1)).await;
    let mut connection = test.connection().await;
    let mut change = async |sql: &'static str| {
        sqlx::query(sql).execute(&mut connection).await.expect("changed");
    };
    change("CREATE TABLE sound AS SELECT document_sealed FROM documents").await;
    change("UPDATE documents SET document_sealed = x'016b00'").await;
    test.submit(&side.document("SOUND", 2)).await;
    test.deliver().await;
    let shown = test.get("SEALED").await;
    assert_eq!((&shown["state"], &shown["attempts"]), (&"queued".into(), &0.into()), "{shown}");
    assert_eq!(shown["last_error"]["code"], "sealed", "{shown}");
    assert!(test.at_partner("SEALED").is_none(), "nothing was sent");
    change("UPDATE documents SET document_sealed = (SELECT document_sealed FROM sound) WHERE document_sealed = x'016b00'").await;
    test.later(600).await;
    test.run_until_idle().await;
    assert_eq!(test.get("SEALED").await["state"], "completed");
    assert_eq!(test.get("SOUND").await["state"], "completed");
    test.finish().await;
}

/// A turn that failed is made again later; by then its transfer may be another daemon's, and that one's exchange under way.
#[tokio::test]
async fn a_turn_that_is_made_again_leaves_anothers_exchange_alone() {
    let side = &SIDES[0];
    let test = Setup::by_hand().rules(waiting()).faults(vec![side.fault(FaultKind::Hang, 1)]).start().await;
    test.cut_callbacks();
    test.submit(&side.document("TWICE", 1)).await;
    let partner = test.partner(side.system);
    let as_daemon = |name: &str| {
        let mut driver = test.app.driver(partner);
        driver.delivery.worker = name.into();
        driver
    };
    let (one, two) = (as_daemon("one"), as_daemon("two"));
    let (mut desk, mut other) = (Desk::default(), Desk::default());
    let mut database = test.connection().await;
    let mut change = async |sql: &'static str| {
        sqlx::query(sql).execute(&mut database).await.expect("changed");
    };
    // The first one's check is back when its database is gone.
    change("CREATE TRIGGER gone BEFORE INSERT ON attempts BEGIN SELECT RAISE(ABORT, 'gone'); END").await;
    in_time("the turn that fails", async {
        while one.work(&mut desk, true).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    change("DROP TRIGGER gone").await;
    let sweeper = test.app.sweeper();
    let rescued = sweeper.rescue(Abandoned::Of("one")).await.expect("it is taken back");
    assert_eq!((rescued.queued, rescued.unconfirmed), (1, 0), "nothing had gone out");
    let arrived = || test.at_partner("TWICE").is_some_and(|line| line.effective == 1);
    in_time("the second one's submit", async {
        while !arrived() {
            two.work(&mut other, true).await.expect("it works");
            tokio::task::yield_now().await;
        }
    })
    .await;
    one.work(&mut desk, true).await.expect("its database is back");
    assert_eq!(test.exchanges("TWICE").await.last().map(String::as_str), Some("check_organization:answered"));
    assert_eq!(test.exchanges("TWICE").await[1], "submit:", "it is under way yet");
    drop((desk, other));
    let rescued = sweeper.rescue(Abandoned::Of("two")).await.expect("it is taken back");
    assert_eq!((rescued.queued, rescued.unconfirmed), (0, 1), "it may have arrived");
    for _ in 0..3 {
        one.run_once().await.expect("it works");
    }
    assert_eq!(test.at_partner("TWICE").map(|line| (line.submits, line.effective)), Some((1, 1)));
    test.finish().await;
}
