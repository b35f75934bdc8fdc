//! Guangdong's wire format (`docs/profiles/guangdong`).

pub(crate) mod exchange;
pub(crate) mod push;
mod schema;

use crate::partner::{Call, Content, Done, Refusal};
use crate::rules::Field;
use crate::shared::Shared;
use crate::time::{read_stamp, write_stamp};
use crate::wire::{Face, Message, Request};
use crate::xml::{Writer, is_xml};
use crate::{Partner, Status};
use axum::http::Method;
use exchange::{Dress, Exchange, Head};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Guangdong {
    pub(crate) shared: Arc<Shared>,
    answers: AtomicU64,
}

impl Guangdong {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, answers: AtomicU64::new(0) }
    }

    /// Digest first, then the window and the serial number, then the service.
    fn verify(&self, exchange: &Exchange) -> Result<(), Refusal> {
        let identity = self.shared.identity(Partner::Guangdong);
        if exchange.head.app_key != identity.id {
            return Err(Refusal::Unauthenticated("AppKey".into()));
        }
        if !exchange.is_genuine(&identity.secrets) {
            return Err(Refusal::Unauthenticated("Digest".into()));
        }
        if exchange.head.code.is_some() {
            return Err(Refusal::Invalid("请求不带 Code".into()));
        }
        let sent_at =
            read_stamp(&exchange.head.timestamp).ok_or_else(|| Refusal::Invalid("Timestamp".into()))?;
        if let Some(skew) = self.shared.skew(sent_at) {
            return Err(Refusal::Stale(skew));
        }
        let fresh = self.shared.accept_nonce(Partner::Guangdong, &exchange.head.serial_no);
        if fresh { Ok(()) } else { Err(Refusal::Replayed) }
    }
}

impl Face for Guangdong {
    /// The request's head, as far as it can be read.
    type Asked = Head;
    const PARTNER: Partner = Partner::Guangdong;

    fn open(&self, request: &Request) -> (Head, Result<Call, Refusal>) {
        if request.method != Method::POST || request.target != "/exchange" {
            return (
                Head::default(),
                Err(Refusal::NoSuchPlace(format!("{} {}", request.method, request.target))),
            );
        }
        if !is_xml(request.header("content-type")) {
            return (Head::default(), Err(Refusal::Invalid("Content-Type".into())));
        }
        match Exchange::read(&request.body) {
            Ok(exchange) => {
                let call = self.verify(&exchange).and_then(|()| read(&exchange));
                (exchange.head, call)
            }
            Err(failed) => {
                let (head, what) = *failed;
                (head, Err(Refusal::Invalid(what)))
            }
        }
    }

    fn too_large(&self) -> Message {
        Message { status: 413, ..Message::default() }
    }

    fn answer(&self, asked: &Head, outcome: Result<Done, Refusal>, genuine: bool) -> Message {
        let (code, message) = match &outcome {
            Ok(Done::Receipt { duplicate: true, .. }) => ("1001", "重复提交".to_owned()),
            Ok(_) => ("0000", "成功".to_owned()),
            Err(refusal) => (code(refusal), refusal.message()),
        };
        let known =
            |text: &str, default: &str| if text.is_empty() { default.to_owned() } else { text.to_owned() };
        let head = Head {
            app_key: self.shared.identity(Partner::Guangdong).id.clone(),
            service: known(&asked.service, "Unknown"),
            serial_no: known(&asked.serial_no, "0"),
            timestamp: write_stamp(self.shared.now()),
            code: Some((code.to_owned(), message)),
        };
        let dress = Dress::of(self.answers.fetch_add(1, Ordering::Relaxed));
        let secret = self.shared.signing_secret(Partner::Guangdong, genuine);
        let body = exchange::write(&head, secret, dress, |xml| write_body(xml, &outcome));
        Message { status: 200, headers: vec![("content-type", "text/xml".into())], body }
    }
}

/// The call that service and body make.
fn read(exchange: &Exchange) -> Result<Call, Refusal> {
    let body = |fields: &[Field]| exchange.body(fields).map_err(Refusal::Invalid);
    let take = |content: &mut Content, name: &str| content.remove(name).unwrap_or_default();
    match exchange.head.service.as_str() {
        "TransferIn.Submit" => {
            Ok(Call::Submit(Box::new(schema::submission(body(schema::SUBMIT)?).map_err(Refusal::Invalid)?)))
        }
        "TransferIn.Query" => Ok(Call::Query { request_id: take(&mut body(schema::QUERY)?, "RequestId") }),
        "TransferIn.Withdraw" => {
            Ok(Call::Withdraw { request_id: take(&mut body(schema::WITHDRAW)?, "RequestId") })
        }
        "Org.List" => {
            let mut content = body(schema::ORG_LIST)?;
            let mut number = |name: &str| take(&mut content, name).parse().unwrap_or(1_usize);
            let (page, size) = (number("Page"), number("Size"));
            let province_code = take(&mut content, "ProvinceCode");
            let keyword = take(&mut content, "Keyword");
            Ok(Call::Search { province_code, keyword, skip: (page - 1) * size, take: size })
        }
        _ => Err(Refusal::NoSuchPlace("Service".into())),
    }
}

/// Profile, "Codes".
fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Conflict => "1002",
        Refusal::NoSuchRequest => "1003",
        Refusal::TooLate => "1004",
        Refusal::NoOrganization => "2001",
        Refusal::Invalid(_) | Refusal::NoSuchPlace(_) | Refusal::TooLarge => "2002",
        Refusal::Unauthenticated(_) => "3001",
        Refusal::Stale(_) | Refusal::Replayed => "3002",
        Refusal::Busy { .. } => "4001",
        Refusal::Internal | Refusal::CursorExpired => "5000",
        Refusal::Maintenance { .. } => "9001",
    }
}

/// The status as this system spells it.
pub(crate) fn word(status: Status) -> &'static str {
    match status {
        Status::Pending | Status::AwaitingCheckIn => "RECEIVED",
        Status::Approved | Status::CheckedIn => "CHECKED_IN",
        Status::Rejected => "REJECTED",
        Status::Lapsed => "OVERDUE",
        Status::Withdrawn => "WITHDRAWN",
    }
}

fn write_body(xml: &mut Writer, outcome: &Result<Done, Refusal>) {
    match outcome {
        Ok(Done::Receipt { receipt_no, status, duplicate }) => xml.node("Receipt", |xml| {
            xml.leaf("ReceiptNo", receipt_no);
            xml.leaf("Status", word(*status));
            xml.leaf("Duplicate", if *duplicate { "true" } else { "false" });
        }),
        Ok(Done::Record(record)) => xml.node("State", |xml| {
            xml.leaf("RequestId", &record.request_id);
            xml.leaf("ReceiptNo", &record.receipt_no);
            xml.leaf("Status", word(record.status));
            xml.maybe("Reason", record.reason.as_deref());
            xml.maybe("CheckInBy", record.check_in_by.map(write_stamp).as_deref());
            xml.leaf("UpdatedAt", &write_stamp(record.updated_at));
        }),
        Ok(Done::Organizations { total, items }) => xml.node("Orgs", |xml| {
            xml.leaf("Total", &total.to_string());
            for one in items {
                xml.node("Org", |xml| {
                    xml.leaf("OrgId", &one.org_id);
                    xml.leaf("FullName", &one.full_name);
                    xml.leaf("Type", one.level());
                });
            }
        }),
        Err(Refusal::Maintenance { until, .. }) => xml.leaf("Until", &write_stamp(*until)),
        // This system has neither an organization check nor a feed.
        Ok(Done::Organization(_) | Done::Changes(_)) | Err(_) => {}
    }
}
