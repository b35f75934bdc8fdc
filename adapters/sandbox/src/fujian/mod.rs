//! Fujian's wire format (`docs/profiles/fujian`): SOAP 1.1, document/literal.

mod schema;
mod security;

use crate::partner::{Call, Changes, Content, Done, Event, EventKind, Record, Refusal};
use crate::rules::{Field, children, read_xml};
use crate::shared::Shared;
use crate::time::write_instant;
use crate::wire::{Face, Message, Request};
use crate::xml::{Writer, is_xml, parse};
use crate::{Partner, Status};
use axum::http::Method;
use roxmltree::{Document, Node};
use schema::SOAP;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const NAMESPACE: &str = "urn:fj-league:transfer:v1";
const PATH: &str = "/services/TransferService";
/// Prefixes are the partner's choice: the envelope's, and the service's with what declares it.
const PREFIXES: [(&str, &str, &str); 3] =
    [("soap:", "f:", "xmlns:f"), ("SOAP-ENV:", "", "xmlns"), ("S:", "ns2:", "xmlns:ns2")];

pub(crate) struct Fujian {
    shared: Arc<Shared>,
    answers: AtomicUsize,
}

impl Fujian {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, answers: AtomicUsize::new(0) }
    }

    /// Frame, then security, then action, then the operation's input.
    fn read(&self, document: &Document, action: &str) -> Result<(String, Call), Refusal> {
        let root = document.root_element();
        let parts = children(root).map_err(Refusal::Invalid)?;
        let (header, body) = match parts[..] {
            [header, body] if header.has_tag_name((SOAP, "Header")) => (Some(header), body),
            [body] => (None, body),
            _ => return Err(Refusal::Invalid("Envelope 须有 Header 和 Body".into())),
        };
        if !root.has_tag_name((SOAP, "Envelope")) || !body.has_tag_name((SOAP, "Body")) {
            return Err(Refusal::Invalid("不是 SOAP 1.1".into()));
        }
        security::verify(&self.shared, header)?;
        let parts = children(body).map_err(Refusal::Invalid)?;
        let [input] = parts[..] else { return Err(Refusal::Invalid("Body 须有一个操作".into())) };
        let name = input.tag_name().name();
        if input.tag_name().namespace() != Some(NAMESPACE) {
            return Err(Refusal::NoSuchPlace(name.to_owned()));
        }
        if action != format!("\"{NAMESPACE}/{name}\"") {
            return Err(Refusal::Invalid("SOAPAction".into()));
        }
        Ok((name.to_owned(), read_input(input, name)?))
    }
}

impl Face for Fujian {
    /// The operation's name.
    type Asked = String;
    const PARTNER: Partner = Partner::Fujian;

    fn open(&self, request: &Request) -> (String, Result<Call, Refusal>) {
        if request.method != Method::POST || request.target != PATH {
            return (
                String::new(),
                Err(Refusal::NoSuchPlace(format!("{} {}", request.method, request.target))),
            );
        }
        if !is_xml(request.header("content-type")) {
            return (String::new(), Err(Refusal::Invalid("Content-Type".into())));
        }
        let read = parse(&request.body)
            .map_err(Refusal::Invalid)
            .and_then(|document| self.read(&document, request.header("soapaction")));
        match read {
            Ok((name, call)) => (name, Ok(call)),
            Err(refusal) => (String::new(), Err(refusal)),
        }
    }

    fn too_large(&self) -> Message {
        Message { status: 413, ..Message::default() }
    }

    /// This system signs nothing: `genuine` makes no difference.
    fn answer(&self, operation: &String, outcome: Result<Done, Refusal>, _genuine: bool) -> Message {
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        let (soap, own, declares) = PREFIXES[number % PREFIXES.len()];
        let (status, inside) = match &outcome {
            Ok(done) => {
                let mut xml = Writer::new(own);
                write_output(&mut xml, done);
                let (name, xmlns) =
                    (format!("{own}{operation}Response"), format!("{declares}=\"{NAMESPACE}\""));
                (200, format!("<{name} {xmlns}>{}</{name}>", xml.text))
            }
            Err(refusal) => (500, fault(refusal, soap, own, declares)),
        };
        let xmlns = soap.trim_end_matches(':');
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{soap}Envelope xmlns:{xmlns}=\"{SOAP}\">\
             <{soap}Body>{inside}</{soap}Body></{soap}Envelope>"
        );
        let headers = vec![("content-type", "text/xml; charset=utf-8".to_owned())];
        Message { status, headers, body: body.into_bytes() }
    }
}

fn read_input(input: Node, name: &str) -> Result<Call, Refusal> {
    let read = |fields: &[Field]| {
        let mut content = Content::new();
        read_xml(input, fields, "", &mut content).map(|()| content).map_err(Refusal::Invalid)
    };
    let take = |content: &mut Content, name: &str| content.remove(name).unwrap_or_default();
    match name {
        "SubmitTransfer" => {
            Ok(Call::Submit(Box::new(schema::submission(read(schema::SUBMIT)?).map_err(Refusal::Invalid)?)))
        }
        "QueryTransfer" => Ok(Call::Query { request_id: take(&mut read(schema::QUERY)?, "requestId") }),
        "WithdrawTransfer" => {
            Ok(Call::Withdraw { request_id: take(&mut read(schema::WITHDRAW)?, "requestId") })
        }
        "ListOrganizations" => {
            let mut content = read(schema::ORGANIZATIONS)?;
            let [offset, limit] =
                ["offset", "limit"].map(|name| take(&mut content, name).parse().unwrap_or(0));
            let province_code = take(&mut content, "provinceCode");
            let keyword = take(&mut content, "keyword");
            Ok(Call::Search { province_code, keyword, skip: offset, take: limit })
        }
        "ListStatusChanges" => {
            let mut content = read(schema::CHANGES)?;
            let after = take(&mut content, "after").parse().unwrap_or(0);
            Ok(Call::Changes { after, limit: take(&mut content, "limit").parse().unwrap_or(1) })
        }
        _ => Err(Refusal::NoSuchPlace(name.to_owned())),
    }
}

/// The status as this system spells it.
fn word(status: Status) -> &'static str {
    match status {
        Status::Pending | Status::AwaitingCheckIn => "ACCEPTED",
        Status::Approved | Status::CheckedIn => "CHECKED_IN",
        Status::Rejected => "REJECTED",
        Status::Lapsed => "OVERDUE",
        Status::Withdrawn => "WITHDRAWN",
    }
}

fn write_output(xml: &mut Writer, done: &Done) {
    match done {
        Done::Receipt { receipt_no, status, duplicate } => {
            xml.leaf("receiptNo", receipt_no);
            xml.leaf("status", word(*status));
            xml.leaf("duplicate", if *duplicate { "true" } else { "false" });
        }
        Done::Record(record) => xml.node("record", |xml| write_record(xml, record)),
        Done::Organizations { total, items } => {
            xml.leaf("total", &total.to_string());
            for one in items {
                xml.node("organization", |xml| {
                    xml.leaf("id", &one.org_id);
                    xml.leaf("fullName", &one.full_name);
                    xml.leaf("type", one.level());
                });
            }
        }
        Done::Changes(Changes { changes, last, more }) => {
            for (sequence, event) in changes {
                xml.node("change", |xml| write_change(xml, *sequence, event));
            }
            xml.leaf("last", &last.to_string());
            xml.leaf("more", if *more { "true" } else { "false" });
        }
        // This system has no organization check.
        Done::Organization(_) => {}
    }
}

fn write_record(xml: &mut Writer, record: &Record) {
    xml.leaf("requestId", &record.request_id);
    xml.leaf("receiptNo", &record.receipt_no);
    xml.leaf("status", word(record.status));
    xml.maybe("reason", record.reason.as_deref());
    xml.maybe("checkInDeadline", record.check_in_by.map(write_instant).as_deref());
    xml.leaf("updatedAt", &write_instant(record.updated_at));
}

fn write_change(xml: &mut Writer, sequence: i64, event: &Event) {
    xml.leaf("sequence", &sequence.to_string());
    xml.leaf("eventId", &event.event_id);
    xml.leaf("requestId", &event.request_id);
    xml.leaf("receiptNo", &event.receipt_no);
    if let EventKind::Status(status) = event.kind {
        xml.leaf("type", word(status));
    }
    xml.leaf("occurredAt", &write_instant(event.occurred_at));
    xml.maybe("reason", event.reason.as_deref());
    xml.maybe("checkInDeadline", event.check_in_by.map(write_instant).as_deref());
}

/// Profile, "Faults": the code, and after how many seconds to come again.
fn code(refusal: &Refusal) -> (&'static str, Option<u32>) {
    match refusal {
        Refusal::Conflict => ("DUPLICATE_CONFLICT", None),
        Refusal::NoSuchRequest => ("NOT_FOUND", None),
        Refusal::NoOrganization => ("ORG_NOT_FOUND", None),
        Refusal::Invalid(_) | Refusal::NoSuchPlace(_) | Refusal::TooLarge => ("INVALID_DATA", None),
        Refusal::TooLate => ("TOO_LATE", None),
        Refusal::Unauthenticated(_) | Refusal::Replayed => ("AUTHENTICATION_FAILED", None),
        Refusal::Stale(_) => ("MESSAGE_EXPIRED", None),
        Refusal::Busy { seconds } => ("BUSY", Some(*seconds)),
        Refusal::Maintenance { seconds, .. } => ("MAINTENANCE", Some(*seconds)),
        Refusal::Internal => ("INTERNAL", None),
        Refusal::CursorExpired => ("CURSOR_EXPIRED", None),
    }
}

fn fault(refusal: &Refusal, soap: &str, own: &'static str, declares: &str) -> String {
    let (code, seconds) = code(refusal);
    let side = if matches!(refusal, Refusal::Internal | Refusal::Busy { .. } | Refusal::Maintenance { .. }) {
        "Server"
    } else {
        "Client"
    };
    let mut xml = Writer::new(own);
    xml.leaf("code", code);
    xml.leaf("message", &refusal.message());
    xml.maybe("retryAfterSeconds", seconds.map(|seconds| seconds.to_string()).as_deref());
    let detail = format!("<{own}serviceFault {declares}=\"{NAMESPACE}\">{}</{own}serviceFault>", xml.text);
    format!(
        "<{soap}Fault><faultcode>{soap}{side}</faultcode><faultstring>{code}</faultstring>\
         <detail>{detail}</detail></{soap}Fault>"
    )
}
