//! The partners' door: status events, pushed and signed.

use super::Shared;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use league_contract::{MAX_BODY_BYTES, Method, WireRequest, WireResponse};

/// Takes a message at `/callbacks/{system}`; the answer is the system's own form.
pub(super) async fn receive(State(state): Shared, Path(path): Path<String>, request: Request) -> Response {
    let partner = state.partners.values().find(|partner| partner.system.as_path() == path);
    let Some(partner) = partner else { return StatusCode::NOT_FOUND.into_response() };
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string);
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let mut wire = WireRequest { method: Method::Post, target, headers, body: Vec::new() };
    let answer = match to_bytes(body, MAX_BODY_BYTES).await {
        Ok(bytes) => {
            wire.body = bytes.into();
            state.receiver.receive(partner, wire).await
        }
        // What is cut off half-way is not a message either; the sender is not there to read the answer.
        Err(_) => state.receiver.refuse_too_large(partner, &wire),
    };
    into_response(answer)
}

fn into_response(wire: WireResponse) -> Response {
    let status = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(wire.body)).into_response();
    for (name, value) in wire.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
