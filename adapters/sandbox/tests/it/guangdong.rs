//! Guangdong, service by service and breach by breach.

use crate::support::{GUANGDONG, gd_document, gd_transfer, inside, unique, world};
use jiff::SignedDuration;
use league_sandbox::{Rule, Script, Step};
use std::collections::BTreeSet;

fn waiting() -> Script {
    Script { rules: vec![Rule { steps: vec![Step::None], ..Rule::default() }] }
}

#[tokio::test]
async fn a_transfer_goes_through_every_service() {
    let world = world(|config| config.script = waiting()).await;
    let call = async |service: &str, body: &str| {
        let answer = world.gd(service, body).await.expect("answered");
        assert!(answer.message.genuine);
        (answer.code, answer.message.text)
    };
    let (code, first) = call("TransferIn.Submit", &gd_transfer("r-1")).await;
    assert_eq!((code.as_str(), inside(&first, "Status").as_deref()), ("0000", Some("RECEIVED")));
    let (code, again) = call("TransferIn.Submit", &gd_transfer("r-1")).await;
    assert_eq!((code.as_str(), inside(&again, "Duplicate").as_deref()), ("1001", Some("true")));
    assert_eq!(inside(&first, "ReceiptNo"), inside(&again, "ReceiptNo"));
    let other = gd_transfer("r-1").replace("20240701090000", "20240701090001");
    assert_eq!(call("TransferIn.Submit", &other).await.0, "1002");

    let query = "<RequestId>r-1</RequestId>";
    let (code, state) = call("TransferIn.Query", query).await;
    assert_eq!((code.as_str(), inside(&state, "CheckInBy").as_deref()), ("0000", Some("20240731093000")));
    assert_eq!(call("TransferIn.Query", "<RequestId>r-2</RequestId>").await.0, "1003");
    assert!(world.sandbox.advance("r-1", &Step::CheckIn).await);
    assert_eq!(inside(&call("TransferIn.Query", query).await.1, "Status").as_deref(), Some("CHECKED_IN"));
    assert_eq!(call("TransferIn.Withdraw", "<RequestId>r-1</RequestId><Reason>x</Reason>").await.0, "1004");

    call("TransferIn.Submit", &gd_transfer("r-3")).await;
    for _ in 0..2 {
        let (code, state) = call("TransferIn.Withdraw", "<RequestId>r-3</RequestId><Reason>x</Reason>").await;
        assert_eq!((code.as_str(), inside(&state, "Status").as_deref()), ("0000", Some("WITHDRAWN")));
    }
    let unknown = gd_transfer("r-4").replace(GUANGDONG, "共青团没有的委员会");
    assert_eq!(call("TransferIn.Submit", &unknown).await.0, "2001");
    let list = "<Keyword>中山</Keyword><ProvinceCode>440000</ProvinceCode><Page>1</Page><Size>100</Size>";
    let (_, orgs) = call("Org.List", list).await;
    assert_eq!(
        (inside(&orgs, "Total").as_deref(), inside(&orgs, "FullName").as_deref()),
        (Some("1"), Some(GUANGDONG))
    );
    assert_eq!(world.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn answers_come_in_every_dress() {
    let world = world(|_| {}).await;
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let answer = world
            .gd(
                "Org.List",
                "<Keyword>大学</Keyword><ProvinceCode>440000</ProvinceCode><Page>1</Page><Size>1</Size>",
            )
            .await;
        let message = answer.expect("answered").message;
        assert!(message.genuine && message.text.contains(GUANGDONG));
        seen.insert((
            message.encoding,
            message.text.contains("<gd:Body>"),
            message.text.starts_with("<?xml"),
        ));
    }
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[tokio::test]
async fn every_breach_is_refused() {
    let world = world(|_| {}).await;
    let sign =
        |body: &str| gd_document(world.now(), "TransferIn.Submit", &format!("SN-{}", unique()), None, body);
    let transfer = |from: &str, to: &str| sign(&gd_transfer("r-1").replace(from, to));
    let minutes = SignedDuration::from_mins(1);
    let stale =
        gd_document(world.now() - 6 * minutes, "TransferIn.Query", "SN", None, "<RequestId>r-1</RequestId>");
    let documents = [
        (transfer("<Gender>2", "<Gender>1"), "2002"),
        (transfer("11010519491231002X", "110105194912310021"), "2002"),
        (transfer("<Phone>1", "<Phone>2"), "2002"),
        (transfer("<ReasonCode>01", "<ReasonCode>06"), "2002"),
        (transfer("<ReasonCode>01", "<ReasonCode>99"), "2002"),
        (transfer("20240701090000", "20240230090000"), "2002"),
        (transfer("<Initiator>MEMBER</Initiator>", ""), "2002"),
        (transfer("<Name>张三</Name>", "<Name>张三</Name><Name>张三</Name>"), "2002"),
        (transfer("<Detail name", "<Detail kind=\"x\" name"), "2002"),
        (transfer("</Transfer>", "<More/></Transfer>"), "2002"),
        (transfer("</Transfer>", "</Transfer><RequestId>r-1</RequestId>"), "2002"),
        (sign(&gd_transfer("r-1")).replace("13800138000", "13800138001"), "3001"),
        (sign(&gd_transfer("r-1")).replace("<AppKey>BJGQT", "<AppKey>OTHER"), "3001"),
        (sign(&gd_transfer("r-1")).replace("<AppKey>", "<AppKey> "), "2002"),
        (sign(&gd_transfer("r-1")).replace("<Exchange", "<!DOCTYPE Exchange><Exchange"), "2002"),
        (sign("").replace("<Body>", "<Body/><Body>"), "2002"),
        (stale, "3002"),
        ("not XML".to_owned(), "2002"),
    ];
    let count = documents.len();
    for (document, code) in documents {
        let answer = world.gd_raw(&document).await.expect("answered");
        assert_eq!((answer.status, answer.code.as_str()), (200, code), "{document}");
        assert!(answer.message.genuine);
    }
    let document = sign(&gd_transfer("r-2"));
    assert_eq!(world.gd_raw(&document).await.expect("answered").code, "0000");
    assert_eq!(world.gd_raw(&document).await.expect("answered").code, "3002");
    for (service, body) in [
        ("TransferIn.Nothing", ""),
        ("TransferIn.Query", "<RequestId>r-1</RequestId><Reason>x</Reason>"),
        ("TransferIn.Withdraw", "<RequestId>r-1</RequestId>"),
        ("Org.List", "<Keyword>x</Keyword><ProvinceCode>440000</ProvinceCode><Page>1</Page><Size>101</Size>"),
    ] {
        assert_eq!(world.gd(service, body).await.expect("answered").code, "2002", "{service}");
    }
    assert_eq!(world.violations().len(), count + 1 + 4);
}
