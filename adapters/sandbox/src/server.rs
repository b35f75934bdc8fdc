//! The wire of all three: takes connections, applies faults, and cuts connections where a fault says so.

use crate::faults::{Fault, FaultKind};
use crate::partner::{Call, Done, Refusal};
use crate::shared::{Shared, pause};
use crate::wire::{Face, Message, Request};
use crate::{Partner, desk, life};
use axum::body::{Body, HttpBody, to_bytes};
use axum::http::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// A body is at most this long (profiles, README).
const BODY_LIMIT: usize = 1 << 20;

/// The connection ends here, without an answer: hyper closes it on a service's error.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

pub(crate) async fn serve<F: Face>(listener: TcpListener, face: Arc<F>, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                shared.spawn(connection(stream, face.clone(), shared.clone()));
            }
            Err(error) => {
                // Out of file handles, mostly: give others the time to close some.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn connection<F: Face>(stream: TcpStream, face: Arc<F>, shared: Arc<Shared>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| exchange(request, face.clone(), shared.clone()));
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn exchange<F: Face>(
    request: hyper::Request<Incoming>,
    face: Arc<F>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Cut> {
    let (head, body) = request.into_parts();
    let declared = Body::new(body);
    let length = declared.size_hint().exact();
    let body = match to_bytes(declared, BODY_LIMIT).await {
        Ok(body) => body,
        // A body of a length within the limit fails only where its sender has gone.
        Err(_) if length.is_some_and(|length| length <= BODY_LIMIT as u64) => return Err(Cut),
        Err(_) => {
            shared.violation(F::PARTNER, Refusal::TooLarge.message());
            return respond(face.too_large());
        }
    };
    let target = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    let request = Request { method: head.method, target, headers: head.headers, body };
    respond(answer(&*face, &shared, &request).await?)
}

/// What a partner makes of a request that was read to its end.
pub(crate) async fn answer<F: Face>(
    face: &F,
    shared: &Arc<Shared>,
    request: &Request,
) -> Result<Message, Cut> {
    match face.open(request) {
        (asked, Ok(call)) => handle(face, shared, &asked, call).await,
        (asked, Err(refusal)) => {
            if let Some(breach) = refusal.breach() {
                shared.violation(F::PARTNER, breach);
            }
            Ok(face.answer(&asked, Err(refusal), true))
        }
    }
}

/// A verified call: the fault that strikes it, its effect, its answer.
async fn handle<F: Face>(
    face: &F,
    shared: &Arc<Shared>,
    asked: &F::Asked,
    call: Call,
) -> Result<Message, Cut> {
    let fault = desk::receive(shared, F::PARTNER, &call);
    let kind = fault.as_ref().and_then(|fault| fault.kind);
    let settles = desk::settles(&call).filter(|_| !kind.is_some_and(|kind| kind.leaves_doubt(F::PARTNER)));
    // On its own: what a partner has begun it ends, whether or not the asker waits.
    let acting = shared.spawn(act(shared.clone(), F::PARTNER, call, fault));
    let Ok(Some(outcome)) = acting.await else { return Err(Cut) };
    if let Some(request_id) = settles {
        desk::answered(shared, F::PARTNER, &request_id);
    }
    match kind {
        Some(FaultKind::DropBefore | FaultKind::DropAfter) => Err(Cut),
        Some(FaultKind::Hang) => std::future::pending().await,
        Some(FaultKind::Status500) => Ok(page(500)),
        Some(FaultKind::Garbage) => Ok(page(200)),
        Some(FaultKind::WrongSignature) => Ok(face.answer(asked, outcome, false)),
        None
        | Some(
            FaultKind::Maintenance
            | FaultKind::TooMany
            | FaultKind::DataRefused
            | FaultKind::Authentication
            | FaultKind::CursorExpired
            | FaultKind::Internal,
        ) => Ok(face.answer(asked, outcome, true)),
    }
}

/// The delay, the effect, and what comes of it under the fault.
async fn act(
    shared: Arc<Shared>,
    partner: Partner,
    call: Call,
    fault: Option<Fault>,
) -> Result<Done, Refusal> {
    let mut outcome = Err(Refusal::Internal);
    if let Some(fault) = &fault {
        pause(Duration::from_millis(fault.delay_ms)).await;
    }
    if fault.as_ref().is_none_or(Fault::has_effect) {
        let (answer, made) = desk::perform(&shared, partner, call);
        outcome = answer;
        if let Some(request_id) = made {
            life::begin(&shared, partner, request_id).await;
        }
    }
    fault.and_then(|fault| desk::trouble(&shared, &fault)).map_or(outcome, Err)
}

/// What a proxy in between says.
fn page(status: u16) -> Message {
    let body = "<!DOCTYPE html><html><head><title>nginx</title></head><body><h1>网关错误</h1></body></html>";
    Message { status, headers: vec![("content-type", "text/html; charset=utf-8".into())], body: body.into() }
}

/// An answer as HTTP has it.
pub(crate) fn respond<B: From<Vec<u8>>>(message: Message) -> Result<Response<B>, Cut> {
    let mut response = Response::builder().status(message.status);
    for (name, value) in message.headers {
        response = response.header(name, value);
    }
    response.body(B::from(message.body)).map_err(|error| {
        tracing::error!(%error, "an answer can't be written");
        Cut
    })
}
