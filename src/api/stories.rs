//! One transfer for operators: its story, its exchanges with their messages masked, and the whole person for who may see it.

use super::params::{Exchange, Id};
use super::transfers::{json, reason_of};
use super::{ADMINS, ApiProblem, ApiState, Authenticated, MAX_DOCUMENT, ProblemDocument, Shared, VIEWERS};
use crate::operator::Operator;
use crate::view::{ExchangeMessages, Opener, ReasonBody, Records, StoryView, TransferDocument, TransferView};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use league_contract::{Problem, ProblemCode, RequestId};
use serde::Serialize;
use utoipa::ToSchema;

/// A transfer with nothing masked.
#[derive(Serialize, ToSchema)]
pub(super) struct UnmaskedView {
    /// The document, whole.
    document: TransferDocument,
    /// How the transfer stands, masked as ever.
    transfer: TransferView,
}

/// One transfer, masked.
#[utoipa::path(get, path = "/v1/operator/transfers/{request_id}", operation_id = "operatorShowTransfer", tag = "operator",
    params(("request_id" = String, Path, description = "Upstream's key.")),
    responses((status = 200, description = "As it stands.", body = TransferView), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(
    State(state): Shared,
    caller: Authenticated,
    Id(request_id): Id,
) -> Result<Json<TransferView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let mut tx = state.store.read("show").await.map_err(|error| ApiProblem::internal(&state, &error))?;
    let stored = tx.transfer(&request_id).await.map_err(|error| ApiProblem::internal(&state, &error))?;
    let stored = stored.ok_or_else(|| ApiProblem::no_transfer(&state, request_id.as_str()))?;
    Ok(Json(TransferView::new(&stored, &state.routes)))
}

/// One transfer's whole story: upstream's calls, exchanges, callbacks, operators' acts, and what became of it.
#[utoipa::path(get, path = "/v1/operator/transfers/{request_id}/timeline", operation_id = "showTimeline", tag = "operator",
    params(("request_id" = String, Path, description = "Upstream's key.")),
    responses((status = 200, description = "What happened, oldest first.", body = StoryView),
        (status = 404, body = ProblemDocument)))]
pub(super) async fn timeline(
    State(state): Shared,
    caller: Authenticated,
    Id(request_id): Id,
) -> Result<Json<StoryView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let records = records(&state, &request_id).await?;
    Ok(Json(records.story(&state.routes)))
}

/// One exchange of a transfer, with request and answer masked.
#[utoipa::path(get, path = "/v1/operator/transfers/{request_id}/exchanges/{number}", operation_id = "showExchange",
    tag = "operator",
    params(("request_id" = String, Path, description = "Upstream's key."),
        ("number" = String, Path, description = "The exchange's `number` in the timeline, from 1.")),
    responses((status = 200, description = "The exchange.", body = ExchangeMessages),
        (status = 404, body = ProblemDocument)))]
pub(super) async fn exchange(
    State(state): Shared,
    caller: Authenticated,
    Exchange(request_id, number): Exchange,
) -> Result<Json<ExchangeMessages>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let records = records(&state, &request_id).await?;
    let opener = Opener { sealer: &state.intake.sealer, partners: &state.partners };
    let found = number.and_then(|number| records.exchange(number, opener));
    found.map(Json).ok_or_else(|| {
        ApiProblem::one(
            &state,
            Problem::at(
                ProblemCode::NotFound,
                "number",
                format!("申请 {request_id} 没有这一次交互"),
                format!("{request_id} has no such exchange"),
            ),
        )
    })
}

/// The whole person and document. It needs the role `admin` and a reason, and stands in the audit log before it is shown.
#[utoipa::path(post, path = "/v1/operator/transfers/{request_id}/unmask", operation_id = "unmaskTransfer", tag = "operator",
    request_body = ReasonBody, params(("request_id" = String, Path, description = "Upstream's key.")),
    responses((status = 200, description = "The document, whole.", body = UnmaskedView),
        (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn unmask(
    State(state): Shared,
    caller: Authenticated,
    Id(request_id): Id,
    body: Body,
) -> Result<Response, ApiProblem> {
    caller.require(&state, &ADMINS)?;
    let reason = reason_of(&json(&state, body, MAX_DOCUMENT).await?);
    let operator = Operator { intake: state.intake.clone() };
    let opened = operator.unmask(&request_id, &reason, &caller.author()).await;
    let (stored, transfer) = opened.map_err(|error| ApiProblem::intake(&state, error))?;
    let view = UnmaskedView {
        document: TransferDocument::from(&transfer),
        transfer: TransferView::new(&stored, &state.routes),
    };
    // Nobody between keeps it.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

async fn records(state: &ApiState, request_id: &RequestId) -> Result<Records, ApiProblem> {
    let mut tx = state.store.read("story").await.map_err(|error| ApiProblem::internal(state, &error))?;
    let records =
        Records::read(&mut tx, request_id).await.map_err(|error| ApiProblem::internal(state, &error))?;
    records.ok_or_else(|| ApiProblem::no_transfer(state, request_id.as_str()))
}
