//! What systems reported, for operators: a list, one with its message masked, and applied again.

use super::params::{CallbackId, Params};
use super::transfers::{json, reason_of};
use super::{ApiProblem, Authenticated, MAX_DOCUMENT, OPERATORS, ProblemDocument, Shared, VIEWERS};
use crate::operator::Operator;
use crate::store::{CallbackFilter, CallbackVerdict};
use crate::view::{Bilingual, CallbackDetails, CallbackView, Opener, ReasonBody, TransferView};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use league_contract::{Problem, ProblemCode, RequestId, System};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CallbackQuery {
    /// Only what came to this: `applied`, `unmatched`, `conflict`, `refused`.
    #[param(pattern = "^(applied|unmatched|conflict|refused)$")]
    verdict: Option<String>,
    /// Only this system's.
    system: Option<String>,
    /// Only about this transfer.
    request_id: Option<String>,
    /// Continue after a page: its `next`.
    before: Option<i64>,
    /// At most so many; more than 1,000 are never given.
    #[serde(default = "hundred")]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    limit: u32,
}

const fn hundred() -> u32 {
    100
}

/// A page of events, newest first. It may be short, or empty, and still have a `next`: a page looks at so many and no more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallbackList {
    /// The events.
    items: Vec<CallbackView>,
    /// Where to go on; nothing at the end.
    next: Option<i64>,
}

/// What came of an event that was applied again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReappliedView {
    /// What was done.
    did: Bilingual,
    /// The event after it.
    callback: CallbackView,
    /// Its transfer after it.
    transfer: TransferView,
}

/// Status events that systems reported, newest first.
#[utoipa::path(get, path = "/v1/operator/callbacks", operation_id = "listCallbacks", tag = "operator", params(CallbackQuery),
    responses((status = 200, description = "A page.", body = CallbackList), (status = 400, body = ProblemDocument)))]
pub(super) async fn list(
    State(state): Shared,
    caller: Authenticated,
    Params(query): Params<CallbackQuery>,
) -> Result<Json<CallbackList>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let verdict = query.verdict.as_deref().map(CallbackVerdict::parse);
    if verdict == Some(None) {
        let known = CallbackVerdict::KEPT.map(CallbackVerdict::as_str).join(", ");
        let (zh, en) = (format!("verdict 须为以下之一：{known}"), format!("verdict must be one of {known}"));
        return Err(ApiProblem::one(&state, Problem::at(ProblemCode::Malformed, "verdict", zh, en)));
    }
    // What can't be a name or a key is nobody's: nothing is found.
    let system = query.system.as_deref().map(System::parse);
    let key = query.request_id.as_deref().map(RequestId::parse);
    if system == Some(None) || key == Some(None) {
        return Ok(Json(CallbackList { items: Vec::new(), next: None }));
    }
    let filter = CallbackFilter {
        verdict: verdict.flatten(),
        system: system.flatten(),
        request_id: query.request_id,
        before: query.before,
        limit: query.limit.clamp(1, 1000),
    };
    let mut tx = state.store.read("callbacks").await.map_err(|error| ApiProblem::internal(&state, &error))?;
    let page = tx.callbacks(&filter).await.map_err(|error| ApiProblem::internal(&state, &error))?;
    Ok(Json(CallbackList { items: page.rows.iter().map(CallbackView::from).collect(), next: page.next }))
}

/// One status event, with the message that it came in, masked.
#[utoipa::path(get, path = "/v1/operator/callbacks/{id}", operation_id = "showCallback", tag = "operator",
    params(("id" = String, Path, description = "The event's `id`.")),
    responses((status = 200, description = "The event.", body = CallbackDetails), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(
    State(state): Shared,
    caller: Authenticated,
    CallbackId(id): CallbackId,
) -> Result<Json<CallbackDetails>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let opener = Opener { sealer: &state.intake.sealer, partners: &state.partners };
    let reading = async {
        let mut tx = state.store.read("callback").await?;
        CallbackDetails::read(&mut tx, id, opener).await
    };
    let found = reading.await.map_err(|error| ApiProblem::internal(&state, &error))?;
    found.map(Json).ok_or_else(|| {
        let (zh, en) = (format!("没有事件 {id}"), format!("there is no event {id}"));
        ApiProblem::one(&state, Problem::at(ProblemCode::NotFound, "id", zh, en))
    })
}

/// Applies an event again that nothing came of. The answer says what came of it now.
#[utoipa::path(post, path = "/v1/operator/callbacks/{id}/reapply", operation_id = "reapplyCallback", tag = "operator",
    request_body = ReasonBody, params(("id" = String, Path, description = "The event's `id`.")),
    responses((status = 200, description = "It was applied.", body = ReappliedView), (status = 400, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, description = "Nothing comes of it still.", body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn reapply(
    State(state): Shared,
    caller: Authenticated,
    CallbackId(id): CallbackId,
    body: Body,
) -> Result<Json<ReappliedView>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let reason = reason_of(&json(&state, body, MAX_DOCUMENT).await?);
    let operator = Operator { intake: state.intake.clone() };
    let done = operator.reapply(id, &reason, &caller.author()).await;
    let done = done.map_err(|error| ApiProblem::intake(&state, error))?;
    Ok(Json(ReappliedView {
        did: done.did.into(),
        callback: CallbackView::from(&done.row),
        transfer: TransferView::new(&done.stored, &state.routes),
    }))
}
