//! The operator's acts and the audit log over HTTP.

use super::params::{Params, TransferAct};
use super::transfers::{json, reason_of};
use super::{ApiProblem, Authenticated, MAX_DOCUMENT, OPERATORS, ProblemDocument, Shared};
use crate::operator::{Acted, Operator};
use crate::store::{AuditRow, Verified};
use crate::view::{Bilingual, ReasonBody, TransferView};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What an act came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActView {
    /// What was done.
    did: Bilingual,
    /// The transfer after it.
    transfer: TransferView,
}

/// Where to read the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// Only on this: `transfer:ID`, `system:NAME`, `token:NAME`.
    subject: Option<String>,
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

/// A page of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The rows.
    items: Vec<AuditRow>,
    /// Where to go on; nothing at the end.
    next: Option<i64>,
}

/// Retry, hold, release, close or withdraw a transfer. The body gives the reason; the answer says what was done.
#[utoipa::path(post, path = "/v1/operator/transfers/{request_id}/{act}", operation_id = "actOnTransfer", tag = "operator", request_body = ReasonBody,
    params(("request_id" = String, Path, description = "Upstream's key."), ("act" = crate::operator::Act, Path, description = "What to do.")),
    responses((status = 200, description = "It was done.", body = ActView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn act(
    State(state): Shared,
    caller: Authenticated,
    TransferAct(request_id, act): TransferAct,
    body: Body,
) -> Result<Json<ActView>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let operator = Operator { intake: state.intake.clone() };
    let acted = operator.act(&request_id, act, &reason_of(&value), &caller.author()).await;
    let Acted { stored, did } = acted.map_err(|error| ApiProblem::intake(&state, error))?;
    Ok(Json(ActView { did: did.into(), transfer: TransferView::new(&stored, &state.routes) }))
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/v1/operator/audit", operation_id = "readAudit", tag = "operator", params(AuditQuery),
    responses((status = 200, description = "A page.", body = AuditPage), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument)))]
pub(super) async fn audit(
    State(state): Shared,
    caller: Authenticated,
    Params(query): Params<AuditQuery>,
) -> Result<Json<AuditPage>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let limit = query.limit.clamp(1, 1000);
    // No subject has a zero in it, and PostgreSQL takes none.
    if query.subject.as_deref().is_some_and(|subject| subject.contains('\0')) {
        return Ok(Json(AuditPage { items: Vec::new(), next: None }));
    }
    let mut tx = state.store.read("audit").await.map_err(|error| ApiProblem::internal(&state, &error))?;
    let items = tx
        .audit_rows(query.subject.as_deref(), query.before, limit)
        .await
        .map_err(|error| ApiProblem::internal(&state, &error))?;
    let full = u32::try_from(items.len()).is_ok_and(|rows| rows == limit);
    let next = items.last().filter(|last| full && last.id > 1).map(|last| last.id);
    Ok(Json(AuditPage { items, next }))
}

/// Whoever wants to verify while somebody else does comes back then.
const VERIFYING: SignedDuration = SignedDuration::from_secs(5);

/// Follow the audit log's chain of hashes from its beginning. `broken` says where it breaks, if it does: then somebody was in the database.
/// One at a time: the log may be long.
#[utoipa::path(get, path = "/v1/operator/audit:verify", operation_id = "verifyAudit", tag = "operator",
    responses((status = 200, description = "What was found.", body = Verified), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
pub(super) async fn verify(
    State(state): Shared,
    caller: Authenticated,
) -> Result<Json<Verified>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let Ok(_turn) = state.verifying.try_acquire() else {
        return Err(ApiProblem::too_many(&state, VERIFYING));
    };
    let verified = state.store.verify_audit(&state.intake.sealer).await;
    verified.map(Json).map_err(|error| ApiProblem::internal(&state, &error))
}
