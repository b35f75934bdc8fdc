//! Upstream's addresses that are told of events, over HTTP.

use super::transfers::{json, reason_of};
use super::{ApiProblem, ApiState, Authenticated, MAX_DOCUMENT, OPERATORS, ProblemDocument, Shared, VIEWERS};
use crate::operator::reason;
use crate::view::{Bilingual, ReasonBody};
use crate::webhook::{Done, WebhookView};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use league_contract::{Problem, ProblemCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What can be done to an address.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WebhookAct {
    /// Send to it again, and at once.
    Resume,
    /// Step over the one event that it does not take.
    Skip,
}

/// What an act came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookActView {
    did: Bilingual,
}

/// Every address: how far it has taken the events, and why not further.
#[utoipa::path(get, path = "/v1/operator/webhooks", operation_id = "listWebhooks", tag = "operator",
    responses((status = 200, description = "All of them.", body = Vec<WebhookView>), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
pub(super) async fn list(
    State(state): Shared,
    caller: Authenticated,
) -> Result<Json<Vec<WebhookView>>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let views = state.webhooks.list().await.map_err(|error| ApiProblem::internal(&state, &error))?;
    Ok(Json(views))
}

/// Resume an address, or step over the event that it does not take. The body gives the reason.
#[utoipa::path(post, path = "/v1/operator/webhooks/{name}/{act}", operation_id = "actOnWebhook", tag = "operator", request_body = ReasonBody,
    params(("name" = String, Path, description = "Its name in the configuration."), ("act" = WebhookAct, Path, description = "What to do.")),
    responses((status = 200, description = "It was done.", body = WebhookActView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument),
        (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn act(
    State(state): Shared,
    caller: Authenticated,
    path: Result<Path<(String, WebhookAct)>, axum::extract::rejection::PathRejection>,
    body: Body,
) -> Result<Json<WebhookActView>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let Ok(Path((name, act))) = path else { return Err(missing(&state)) };
    let target = state.webhooks.target(&name).ok_or_else(|| missing(&state))?;
    let reason = reason(&reason_of(&value)).map_err(|problem| ApiProblem::one(&state, problem))?;
    let author = caller.author();
    let done = match act {
        WebhookAct::Resume => state.webhooks.resume(target, &reason, &author).await,
        WebhookAct::Skip => state.webhooks.skip(target, &reason, &author).await,
    };
    let did = match done.map_err(|error| ApiProblem::internal(&state, &error))? {
        Done::Resumed => ["立即恢复推送".to_owned(), "it is sent to again at once".to_owned()],
        Done::Skipped(cursor) => [
            format!("事件 {cursor} 不再推送，仍可从事件接口读取"),
            format!("event {cursor} is not told; the feed keeps it"),
        ],
        Done::Nothing => {
            let (zh, en) = ("该地址没有失败，无需操作", "the address does not fail: there is nothing to do");
            return Err(ApiProblem::one(&state, Problem::new(ProblemCode::NotAllowedInState, zh, en)));
        }
    };
    state.bells.news.ring();
    Ok(Json(WebhookActView { did: did.into() }))
}

/// What became of a test.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestedView {
    /// The address took the message.
    taken: bool,
    /// Why not.
    why: Option<String>,
}

/// Post a message of type `test` to an address, and say whether it took it.
#[utoipa::path(post, path = "/v1/operator/webhooks/{name}/test", operation_id = "testWebhook", tag = "operator",
    params(("name" = String, Path, description = "Its name in the configuration.")),
    responses((status = 200, description = "It was posted, or could not be.", body = TestedView), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub(super) async fn test(
    State(state): Shared,
    caller: Authenticated,
    super::params::Word(name): super::params::Word,
) -> Result<Json<TestedView>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let target = state.webhooks.target(&name).ok_or_else(|| missing(&state))?;
    let why = state.webhooks.test(target).await.err();
    Ok(Json(TestedView { taken: why.is_none(), why }))
}

fn missing(state: &ApiState) -> ApiProblem {
    let (zh, en) = ("没有这个推送地址或操作", "there is no such webhook, or no such act");
    ApiProblem::one(state, Problem::new(ProblemCode::NotFound, zh, en))
}
