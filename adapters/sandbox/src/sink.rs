//! A partner without books, for benches: signed answers at full speed, the time of every submit's arrival, and a hang
//! on demand. It checks nothing; the sandbox proper does.

use crate::guangdong::Guangdong;
use crate::guangdong::exchange::Head;
use crate::organizations::{Found, Organization};
use crate::partner::{Done, Event, EventKind, Record, Refusal};
use crate::push::Push;
use crate::server::{Cut, respond};
use crate::shared::Shared;
use crate::smart_league::SmartLeague;
use crate::wire::{Face, Message};
use crate::{Partner, SandboxConfig, Status};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A body is at most this long.
const BODY_LIMIT: usize = 1 << 20;

/// One server on loopback that speaks for Guangdong (`/exchange`) and the national system (`/api/v2/…`), told apart by
/// the path. It is asked and steered over HTTP as well:
///
/// | request | effect |
/// |---|---|
/// | `GET /sink/summary` | `{"submits", "calls", "first", "last"}`: how many, and when in nanoseconds since the epoch |
/// | `GET /sink/arrivals` | `{request_id: nanoseconds since the epoch}` of every submit's first arrival |
/// | `POST /sink/reset` | forgets both |
/// | `POST /sink/hang/{guangdong,smart_league,all,none}` | who waits for an answer from now on, until the next order |
pub struct Sink {
    listener: TcpListener,
    desk: Arc<Desk>,
}

struct Desk {
    guangdong: Guangdong,
    smart_league: SmartLeague,
    shared: Arc<Shared>,
    seen: Mutex<Seen>,
    hanging: watch::Sender<Hanging>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Hanging {
    guangdong: bool,
    smart_league: bool,
}

#[derive(Default)]
struct Seen {
    calls: u64,
    /// The first and the last call of any kind.
    span: Option<(i128, i128)>,
    submits: HashMap<String, i128>,
}

/// What the gateway asks, as far as an answer needs it.
struct Asked {
    partner: Partner,
    /// Guangdong's head, or the nonce of the national system as its serial number.
    head: Head,
    call: Asks,
}

enum Asks {
    Submit(String),
    Query(String),
    Check(Organization),
    Other,
}

impl Sink {
    /// Binds a free port of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let shared = Arc::new(Shared::new(SandboxConfig::default())?);
        let desk = Desk {
            guangdong: Guangdong::new(shared.clone()),
            smart_league: SmartLeague(shared.clone()),
            shared,
            seen: Mutex::default(),
            hanging: watch::Sender::new(Hanging::default()),
        };
        Ok(Self { listener, desk: Arc::new(desk) })
    }

    /// The base URL of both systems.
    ///
    /// # Errors
    /// When the operating system does not know it.
    pub fn url(&self) -> io::Result<String> {
        self.listener.local_addr().map(|address| format!("http://{address}"))
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// When no connection can be taken any more.
    pub async fn serve(self) -> io::Result<()> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            tokio::spawn(connection(stream, self.desk.clone()));
        }
    }
}

async fn connection(stream: TcpStream, desk: Arc<Desk>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| exchange(request, desk.clone()));
    // A gateway that was killed or gave up ends its connections in the middle: no news for a bench.
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
}

async fn exchange(request: hyper::Request<Incoming>, desk: Arc<Desk>) -> Result<Response<Body>, Cut> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), BODY_LIMIT).await.map_err(|_| Cut)?;
    let at = desk.shared.precise_now();
    let path = parts.uri.path();
    if let Some(order) = path.strip_prefix("/sink/") {
        return respond(desk.obey(order));
    }
    let asked = read(&parts.method, path, &parts.headers, &body);
    desk.note(&asked, at);
    let partner = asked.partner;
    let answers = |hanging: &Hanging| match partner {
        Partner::Guangdong => !hanging.guangdong,
        Partner::SmartLeague | Partner::Fujian => !hanging.smart_league,
    };
    // The sender lives as long as the desk: the wait can't fail.
    desk.hanging.subscribe().wait_for(answers).await.map_err(|_| Cut)?;
    respond(desk.answer(asked))
}

/// What stands between two marks of an XML text; empty where they are not there.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or("", |(value, _)| value)
}

fn read(method: &Method, path: &str, headers: &HeaderMap, body: &Bytes) -> Asked {
    if path == "/exchange" {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let service = between(text, "<Service>", "</Service>").to_owned();
        let request_id = || between(text, "<RequestId>", "</RequestId>").to_owned();
        let call = match service.as_str() {
            "TransferIn.Submit" => Asks::Submit(request_id()),
            "TransferIn.Query" => Asks::Query(request_id()),
            _ => Asks::Other,
        };
        let serial_no = between(text, "<SerialNo>", "</SerialNo>").to_owned();
        return Asked {
            partner: Partner::Guangdong,
            head: Head { service, serial_no, ..Head::default() },
            call,
        };
    }
    let value = || serde_json::from_slice::<Value>(body).unwrap_or_default();
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let call = match path.strip_prefix("/api/v2/").unwrap_or_default() {
        "org/exists" => {
            let value = value();
            Asks::Check(Organization {
                province_code: text(&value, "provinceCode"),
                org_id: "1".into(),
                full_name: text(&value, "orgFullName"),
                kind: "school-committee".into(),
            })
        }
        "transfer/in" => Asks::Submit(text(&value(), "requestId")),
        other => match other.strip_prefix("transfer/in/") {
            Some(id) if method == Method::GET => Asks::Query(id.to_owned()),
            _ => Asks::Other,
        },
    };
    let nonce = headers.get("x-nonce").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let head = Head { serial_no: nonce.to_owned(), ..Head::default() };
    Asked { partner: Partner::SmartLeague, head, call }
}

impl Desk {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, asked: &Asked, at: i128) {
        let mut seen = self.seen();
        seen.calls += 1;
        seen.span = Some((seen.span.map_or(at, |(first, _)| first), at));
        if let Asks::Submit(request_id) = &asked.call {
            seen.submits.entry(request_id.clone()).or_insert(at);
        }
    }

    fn answer(&self, asked: Asked) -> Message {
        let receipt_no = |request_id: &str| format!("R-{request_id}");
        let status =
            if asked.partner == Partner::Guangdong { Status::AwaitingCheckIn } else { Status::Pending };
        let outcome = match asked.call {
            Asks::Submit(request_id) => {
                Ok(Done::Receipt { receipt_no: receipt_no(&request_id), status, duplicate: false })
            }
            Asks::Query(request_id) if self.seen().submits.contains_key(&request_id) => {
                Ok(Done::Record(Record {
                    receipt_no: receipt_no(&request_id),
                    request_id,
                    status,
                    reason: None,
                    check_in_by: None,
                    updated_at: self.shared.now(),
                    account: None,
                }))
            }
            Asks::Query(_) => Err(Refusal::NoSuchRequest),
            Asks::Check(organization) => Ok(Done::Organization(Found::One(organization))),
            Asks::Other => Err(Refusal::NoSuchPlace("the sink knows submit, query and check".into())),
        };
        match asked.partner {
            Partner::Guangdong => self.guangdong.answer(&asked.head, outcome, true),
            Partner::SmartLeague | Partner::Fujian => {
                self.smart_league.answer(&asked.head.serial_no, outcome, true)
            }
        }
    }

    /// The bench's own questions and orders.
    fn obey(&self, order: &str) -> Message {
        let known = match order {
            "summary" => {
                let seen = self.seen();
                let (first, last) = seen.span.unzip();
                json!({"submits": seen.submits.len(), "calls": seen.calls, "first": nanos(first), "last": nanos(last)})
            }
            "arrivals" => {
                let seen = self.seen();
                seen.submits.iter().map(|(id, at)| (id.clone(), nanos(Some(*at)))).collect::<Value>()
            }
            "reset" => {
                *self.seen() = Seen::default();
                Value::Null
            }
            other => {
                let who = other.strip_prefix("hang/").unwrap_or_default();
                let all = who == "all";
                let hanging = Hanging {
                    guangdong: all || who == "guangdong",
                    smart_league: all || who == "smart_league",
                };
                self.hanging.send_replace(hanging);
                Value::Null
            }
        };
        let headers = vec![("content-type", "application/json".to_owned())];
        Message { status: 200, headers, body: known.to_string().into_bytes() }
    }
}

/// JSON's numbers end where a time in nanoseconds does not: 64 bits hold it until the year 2262.
fn nanos(at: Option<i128>) -> Value {
    at.and_then(|at| i64::try_from(at).ok()).map_or(Value::Null, Value::from)
}

/// Signs the pushes of transfers that a [`Sink`] took in.
pub struct Pusher(Arc<Shared>);

impl Pusher {
    /// With the default credentials.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Shared::new(SandboxConfig::default())?)))
    }

    /// Guangdong's push that the member has checked in, under a fresh serial number, time and event id.
    #[must_use]
    pub fn checked_in(&self, request_id: &str) -> Push {
        let event = Event {
            event_id: format!("E-{request_id}"),
            request_id: request_id.to_owned(),
            receipt_no: format!("R-{request_id}"),
            kind: EventKind::Status(Status::CheckedIn),
            occurred_at: self.0.now(),
            reason: None,
            check_in_by: None,
            organization_id: None,
        };
        Push::sign(&self.0, Partner::Guangdong, event)
    }
}
