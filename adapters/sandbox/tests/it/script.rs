//! Lives of transfers, and how the gateway hears of them.

use crate::support::{Behaviour, Gateway, World, fj_transfer, gd_transfer, inside, smart_transfer, world};
use league_sandbox::{Manner, Rule, Scenario, Script, Status, Step};
use std::collections::BTreeSet;

async fn scripted(steps: Vec<Step>, callbacks: Vec<Manner>) -> World {
    let rules = vec![Rule { steps, callbacks, ..Rule::default() }];
    world(|config| config.script = Script { rules }).await
}

async fn national(world: &World) -> String {
    let answer = world.smart("POST", "/api/v2/transfer/in", &smart_transfer("r-1")).await.expect("answered");
    answer.data["status"].as_str().expect("a status").to_owned()
}

#[tokio::test]
async fn without_a_rule_all_goes_well() {
    let world = world(|_| {}).await;
    let gateway = Gateway::start(&world, &[]).await;
    national(&world).await;
    world.sandbox.pushes_idle().await;
    assert_eq!(gateway.kinds(), ["TRANSFER_APPROVED"]);
    assert!(gateway.pushes()[0].detail.contains("3201001"));
    world.gd("TransferIn.Submit", &gd_transfer("r-2")).await.expect("answered");
    world.sandbox.pushes_idle().await;
    assert_eq!(gateway.kinds()[1..], ["RECEIVED", "CHECKED_IN"]);
    assert_eq!(inside(&gateway.pushes()[1].detail, "CheckInBy").as_deref(), Some("20240731093000"));
    world.fj("SubmitTransfer", &fj_transfer("r-3")).await.expect("answered");
    world.sandbox.pushes_idle().await;
    let report = world.sandbox.report();
    let status = |id: &str| report.transfer(id).and_then(|line| line.status);
    assert_eq!(
        ["r-1", "r-2", "r-3"].map(status),
        [Status::Approved, Status::CheckedIn, Status::CheckedIn].map(Some)
    );
    let line = report.transfer("r-2").expect("seen");
    assert_eq!((line.callbacks_sent, line.callbacks_answered), (2, 2));
    assert_eq!(report.violations, []);
}

#[tokio::test]
async fn steps_come_in_their_order_or_reversed() {
    let steps = vec![Step::AccountCreated, Step::Reject("信息有误".into()), Step::Approve];
    let world = scripted(steps.clone(), vec![]).await;
    let gateway = Gateway::start(&world, &[]).await;
    national(&world).await;
    world.sandbox.pushes_idle().await;
    assert_eq!(gateway.kinds(), ["ACCOUNT_CREATED", "TRANSFER_REJECTED"]);
    assert!(gateway.pushes()[0].detail.contains("11010519491231002X"));

    let world = scripted(steps, vec![Manner::Reorder, Manner::Duplicate]).await;
    let gateway = Gateway::start(&world, &[]).await;
    national(&world).await;
    world.sandbox.pushes_idle().await;
    assert_eq!(
        gateway.kinds(),
        ["TRANSFER_REJECTED", "TRANSFER_REJECTED", "ACCOUNT_CREATED", "ACCOUNT_CREATED"]
    );
    let pushes = gateway.pushes();
    assert_eq!(pushes[0].event_id, pushes[1].event_id);
    assert_ne!(pushes[0].nonce, pushes[1].nonce);
}

#[tokio::test]
async fn news_may_come_before_the_answer() {
    let world = scripted(vec![Step::Approve], vec![Manner::BeforeAnswer]).await;
    let gateway = Gateway::start(&world, &[]).await;
    assert_eq!(national(&world).await, "PENDING", "the receipt is the first state");
    assert_eq!(gateway.kinds(), ["TRANSFER_APPROVED"]);
}

#[tokio::test]
async fn news_may_be_late_or_contradict_itself() {
    let world = scripted(vec![Step::Expire], vec![Manner::Late]).await;
    let gateway = Gateway::start(&world, &[]).await;
    national(&world).await;
    world.sandbox.pushes_idle().await;
    assert_eq!(gateway.kinds(), ["TRANSFER_EXPIRED"]);

    let world = scripted(vec![Step::CheckIn], vec![Manner::Conflicting]).await;
    let gateway = Gateway::start(&world, &[]).await;
    world.gd("TransferIn.Submit", &gd_transfer("r-1")).await.expect("answered");
    world.sandbox.pushes_idle().await;
    assert_eq!(gateway.kinds(), ["RECEIVED", "CHECKED_IN", "REJECTED"]);
    let ids: BTreeSet<_> = gateway.pushes().into_iter().map(|push| push.event_id).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(world.sandbox.report().transfer("r-1").and_then(|line| line.status), Some(Status::CheckedIn));
}

#[tokio::test]
async fn the_feed_shows_the_same_disorder() {
    let manners = vec![Manner::Reorder, Manner::Duplicate, Manner::Conflicting];
    let world = scripted(vec![Step::CheckIn], manners).await;
    world.fj("SubmitTransfer", &fj_transfer("r-1")).await.expect("answered");
    world.sandbox.pushes_idle().await;
    let text =
        world.fj("ListStatusChanges", "<after>0</after><limit>500</limit>").await.expect("answered").text;
    let types: Vec<_> = text.split("change>").filter_map(|part| inside(part, "type")).collect();
    assert_eq!(types, ["REJECTED", "REJECTED", "CHECKED_IN", "CHECKED_IN", "ACCEPTED", "ACCEPTED"]);
}

#[tokio::test]
async fn what_is_not_taken_is_repeated() {
    let world = world(|_| {}).await;
    let behaviours = [Behaviour::Unavailable, Behaviour::Cut, Behaviour::Unavailable];
    let gateway = Gateway::start(&world, &behaviours).await;
    national(&world).await;
    world.sandbox.pushes_idle().await;
    let pushes = gateway.pushes();
    assert_eq!(pushes.len(), 4);
    assert!(pushes.iter().all(|push| push.event_id == pushes[0].event_id));
    assert_eq!(pushes.iter().map(|push| &push.nonce).collect::<BTreeSet<_>>().len(), 4);
    let report = world.sandbox.report();
    let line = report.transfer("r-1").expect("seen");
    assert_eq!((line.callbacks_sent, line.callbacks_answered), (4, 1));
    assert_eq!(report.violations, []);
}

#[tokio::test]
async fn a_gateway_that_is_down_hears_when_it_is_back() {
    let world = world(|config| config.gateway = Some("http://127.0.0.1:1".into())).await;
    national(&world).await;
    let gateway = Gateway::start(&world, &[]).await;
    world.sandbox.pushes_idle().await;
    assert_eq!(gateway.kinds(), ["TRANSFER_APPROVED"]);
}

#[tokio::test]
async fn a_wrong_answer_is_a_violation_and_ends_it() {
    for behaviour in [Behaviour::Refuse, Behaviour::Forge] {
        let world = world(|_| {}).await;
        let gateway = Gateway::start(&world, &[behaviour]).await;
        national(&world).await;
        world.sandbox.pushes_idle().await;
        assert_eq!((gateway.pushes().len(), world.violations().len()), (1, 1), "{behaviour:?}");
        world.gd("TransferIn.Submit", &gd_transfer("r-2")).await.expect("answered");
        world.sandbox.pushes_idle().await;
        assert_eq!(world.violations().len(), 1, "stored");
        let gateway = Gateway::start(&world, &[behaviour]).await;
        assert_eq!(world.sandbox.push_now("r-2").await, 2);
        assert_eq!((gateway.pushes().len(), world.violations().len()), (2, 2), "{behaviour:?}");
    }
}

#[tokio::test]
async fn notifications_come_in_every_encoding() {
    let world = scripted(vec![Step::Reject("信息有误".into())], vec![]).await;
    let gateway = Gateway::start(&world, &[]).await;
    world.gd("TransferIn.Submit", &gd_transfer("r-1")).await.expect("answered");
    world.sandbox.pushes_idle().await;
    for _ in 0..4 {
        assert_eq!(world.sandbox.push_now("r-1").await, 2);
    }
    let seen: BTreeSet<_> =
        gateway.pushes().iter().map(|push| (push.encoding, push.detail.contains("<gd:"))).collect();
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert!(gateway.pushes().iter().any(|push| push.encoding == "GBK" && push.detail.contains("信息有误")));
}

#[tokio::test]
async fn a_scenario_file_says_who_and_what() {
    let scenario = Scenario::parse(
        "[[rule]]\nsystem = \"guangdong\"\nsteps = [\"overdue\"]\n[[rule]]\nrequest_id = \"r-1\"\nsteps = [{ reject = \"否\" }]\n\
         [[rule]]\ndestination = \"共青团南京大学委员会\"\nsteps = [\"none\"]\n",
    )
    .expect("a scenario");
    let world = world(|config| config.script = scenario.script).await;
    for id in ["r-1", "r-2"] {
        world.smart("POST", "/api/v2/transfer/in", &smart_transfer(id)).await.expect("answered");
    }
    world.gd("TransferIn.Submit", &gd_transfer("r-3")).await.expect("answered");
    world.sandbox.pushes_idle().await;
    let report = world.sandbox.report();
    let status = |id: &str| report.transfer(id).and_then(|line| line.status);
    assert_eq!(
        ["r-1", "r-2", "r-3"].map(status),
        [Status::Rejected, Status::Pending, Status::Lapsed].map(Some)
    );
    assert!(Scenario::parse("[[fault]]\nkind = \"flood\"").is_err());
    assert!(Scenario::parse("[[rule]]\nwho = \"x\"").is_err());
}

#[tokio::test]
async fn a_stopped_sandbox_answers_no_more() {
    let world = world(|_| {}).await;
    let url = world.sandbox.urls().smart_league;
    world.sandbox.stop().await;
    tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.expect_err("refused");
}
