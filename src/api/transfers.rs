//! Transfers: create one or many, show, amend, withdraw.

use super::params::Id;
use super::{
    ApiProblem, ApiState, Authenticated, MAX_BATCH, MAX_DOCUMENT, ProblemDocument, READERS, Shared, WRITERS,
};
use crate::intake::{IntakeError, Parsed, Taken, parse};
use crate::view::{AmendmentDocument, ReasonBody, TransferDocument, TransferView};
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use league_contract::{Problem, ProblemCode};
use serde::Serialize;
use serde_json::Value;

/// The most lines of a batch.
const BATCH_LINES: usize = 1000;

#[derive(Serialize)]
struct BatchLine<'a> {
    line: usize,
    request_id: Option<&'a str>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<TransferView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<ProblemDocument>,
}

/// Take in one transfer.
#[utoipa::path(post, path = "/v1/transfers", operation_id = "createTransfer", tag = "transfers", request_body = TransferDocument,
    responses((status = 201, description = "It was taken in.", body = TransferView), (status = 200, description = "The same again.", body = TransferView),
        (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn create(
    State(state): Shared,
    caller: Authenticated,
    body: Body,
) -> Result<Response, ApiProblem> {
    caller.require(&state, &WRITERS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let taken = state.intake.create(value).await.map_err(|error| ApiProblem::intake(&state, error))?;
    let (status, stored) = match taken {
        Taken::Created(stored) => (StatusCode::CREATED, stored),
        Taken::Same(stored) => (StatusCode::OK, stored),
    };
    let location = format!("/v1/transfers/{}", stored.entry.request_id);
    Ok((status, [(header::LOCATION, location)], Json(TransferView::new(&stored, &state.routes)))
        .into_response())
}

/// Take in up to 1,000 transfers, a line of JSON each; the answer has a line for each, in order.
#[utoipa::path(post, path = "/v1/transfers:batch", operation_id = "createTransfers", tag = "transfers",
    request_body(description = "A document a line; without one, nothing is done.",
        content((Option<String> = "application/x-ndjson"), (Option<String> = "text/plain"))),
    responses((status = 200, description = "A line for each, in order.", content_type = "application/x-ndjson", body = String),
        (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 413, body = ProblemDocument)))]
pub(super) async fn create_batch(
    State(state): Shared,
    caller: Authenticated,
    body: Body,
) -> Result<Response, ApiProblem> {
    caller.require(&state, &WRITERS)?;
    let text = text(&state, body, MAX_BATCH).await?;
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    if lines.len() > BATCH_LINES {
        return Err(too_large(&state, "一批最多 1000 行", "a batch has at most 1,000 lines"));
    }
    let documents: Vec<Parsed> = lines.iter().map(|(_, line)| parse(line)).collect();
    // The answer promises what the commit made durable.
    let answered = state.intake.create_all(&documents).await;
    let answered = answered.map_err(|error| ApiProblem::intake(&state, error))?;
    let mut out = String::new();
    for ((at, _), (document, answered)) in lines.iter().zip(documents.iter().zip(answered)) {
        let request_id =
            document.as_ref().ok().and_then(|value| value.get("request_id")).and_then(Value::as_str);
        let (status, transfer, problem) = match answered {
            Ok(Taken::Created(stored)) => (201, Some(TransferView::new(&stored, &state.routes)), None),
            Ok(Taken::Same(stored)) => (200, Some(TransferView::new(&stored, &state.routes)), None),
            Err(problems) => {
                let document = ProblemDocument::new(&state.public_url, problems);
                (document.status, None, Some(document))
            }
        };
        let line = BatchLine { line: at + 1, request_id, status, transfer, problem };
        out.push_str(&serde_json::to_string(&line).map_err(|error| ApiProblem::internal(&state, &error))?);
        out.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], out).into_response())
}

/// Show one transfer.
#[utoipa::path(get, path = "/v1/transfers/{request_id}", operation_id = "showTransfer", tag = "transfers", params(("request_id" = String, Path, description = "Upstream's key.")),
    responses((status = 200, description = "As it stands.", body = TransferView), (status = 401, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(
    State(state): Shared,
    caller: Authenticated,
    Id(request_id): Id,
) -> Result<Json<TransferView>, ApiProblem> {
    caller.require(&state, &READERS)?;
    let mut tx = state.store.read("show").await.map_err(|error| ApiProblem::internal(&state, &error))?;
    let stored = tx.transfer(&request_id).await.map_err(|error| ApiProblem::internal(&state, &error))?;
    let stored = stored.ok_or_else(|| ApiProblem::no_transfer(&state, request_id.as_str()))?;
    Ok(Json(TransferView::new(&stored, &state.routes)))
}

/// Mend a returned transfer and send it again.
#[utoipa::path(post, path = "/v1/transfers/{request_id}/amend", operation_id = "amendTransfer", tag = "transfers", request_body = AmendmentDocument,
    params(("request_id" = String, Path, description = "Upstream's key.")),
    responses((status = 200, description = "It is queued again.", body = TransferView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn amend(
    State(state): Shared,
    caller: Authenticated,
    Id(request_id): Id,
    body: Body,
) -> Result<Json<TransferView>, ApiProblem> {
    caller.require(&state, &WRITERS)?;
    let changes = json(&state, body, MAX_DOCUMENT).await?;
    let amended = state.intake.amend(&request_id, &changes, &caller.author()).await;
    let stored = amended.map_err(|error| ApiProblem::intake(&state, error))?;
    Ok(Json(TransferView::new(&stored, &state.routes)))
}

/// Take a transfer back. 200 when it is withdrawn, 202 when the partner must be asked first.
#[utoipa::path(post, path = "/v1/transfers/{request_id}/withdraw", operation_id = "withdrawTransfer", tag = "transfers", request_body = ReasonBody,
    params(("request_id" = String, Path, description = "Upstream's key.")),
    responses((status = 200, description = "It is withdrawn.", body = TransferView), (status = 202, description = "The partner is asked.", body = TransferView),
        (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn withdraw(
    State(state): Shared,
    caller: Authenticated,
    Id(request_id): Id,
    body: Body,
) -> Result<Response, ApiProblem> {
    caller.require(&state, &WRITERS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let stored = state
        .intake
        .withdraw(&request_id, &reason_of(&value), &caller.author())
        .await
        .map_err(|error| ApiProblem::intake(&state, error))?;
    let status = if stored.entry.withdrawal.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(TransferView::new(&stored, &state.routes))).into_response())
}

fn too_large(state: &ApiState, zh: &str, en: &str) -> ApiProblem {
    ApiProblem::one(state, Problem::new(ProblemCode::PayloadTooLarge, zh, en))
}

async fn text(state: &ApiState, body: Body, limit: usize) -> Result<String, ApiProblem> {
    let bytes = to_bytes(body, limit).await.map_err(|_| {
        too_large(
            state,
            &format!("请求体不得超过 {limit} 字节"),
            &format!("the body has at most {limit} bytes"),
        )
    })?;
    String::from_utf8(bytes.into()).map_err(|_| {
        ApiProblem::one(
            state,
            Problem::new(ProblemCode::Malformed, "请求体不是 UTF-8", "the body is not UTF-8"),
        )
    })
}

pub(super) async fn json(state: &ApiState, body: Body, limit: usize) -> Result<Value, ApiProblem> {
    let text = text(state, body, limit).await?;
    parse(&text).map_err(|problems| ApiProblem::intake(state, IntakeError::Refused(problems)))
}

/// The reason in a body; what is none is empty, and refused by whoever needs one.
pub(super) fn reason_of(value: &Value) -> String {
    value.get("reason").and_then(Value::as_str).unwrap_or_default().to_owned()
}
