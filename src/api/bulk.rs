//! Acts on many transfers over HTTP.

use super::look::{asked, object, unpaged};
use super::params::Params;
use super::transfers::{json, reason_of};
use super::{ApiProblem, ApiState, Authenticated, MAX_DOCUMENT, OPERATORS, ProblemDocument, Shared, VIEWERS};
use crate::intake::IntakeError;
use crate::listing::{Words, whole};
use crate::operator::{Act, BulkView, MOST_COUNTED, Operator, PREVIEW_PAGES, Preview, Turn, USUAL};
use crate::store::{BulkResult, Filter, StoreError};
use crate::view::{ReasonBody, TransferView};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use league_contract::{Problem, ProblemCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// What is to be done to which transfers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkRequest {
    /// The act.
    act: Act,
    /// Which transfers, in the words of a list, but for `sort`, `cursor` and `limit`, which are refused: all that fit are acted on, oldest first.
    filter: Option<Words>,
    /// All transfers, where the filter is empty.
    all: Option<bool>,
    /// Why: it stands in the timeline of each, and in the audit log.
    reason: Option<String>,
    /// Transfers a second, 1 to 1000; 20 where nothing is said.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 4294967295_u32)]
    rate: Option<u32>,
    /// Only say what would be acted on.
    dry_run: Option<bool>,
}

/// What would be acted on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewView {
    /// So many fit now, counted up to 10,000.
    count: usize,
    /// There may be more than were counted.
    more: bool,
    /// It looked as far as what came in at this time, and no further.
    #[schema(value_type = Option<String>, format = DateTime)]
    searched_to: Option<jiff::Timestamp>,
    /// So many more fit, are damaged and can't be shown: each will refuse the act.
    unreadable: usize,
    /// The first of them.
    first: Vec<TransferView>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BegunView {
    /// What would be acted on, of a dry run.
    preview: Option<PreviewView>,
    /// What began.
    bulk: Option<BulkView>,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BulksQuery {
    /// Continue after a page: its last id.
    before: Option<i64>,
    /// At most so many; more than 1,000 are never given.
    #[serde(default = "hundred")]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    limit: u32,
}

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ResultsQuery {
    /// Continue after a page: its last number.
    #[serde(default)]
    after: i64,
    /// Those that refused it alone.
    #[serde(default)]
    refused: bool,
    /// At most so many; more than 1,000 are never given.
    #[serde(default = "hundred")]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    limit: u32,
}

const fn hundred() -> u32 {
    100
}

fn operator(state: &ApiState) -> Operator {
    Operator { intake: state.intake.clone() }
}

fn failed(state: &ApiState) -> impl Fn(StoreError) -> ApiProblem {
    |error| ApiProblem::internal(state, &error)
}

fn missing(state: &ApiState) -> ApiProblem {
    let (zh, en) = ("没有这个批量操作", "there is no such act on many");
    ApiProblem::one(state, Problem::new(ProblemCode::NotFound, zh, en))
}

/// Begin an act on all transfers that fit, or see which do. The daemon does it, at a rate.
#[utoipa::path(post, path = "/v1/operator/bulk", operation_id = "actOnMany", tag = "operator", request_body = BulkRequest,
    responses((status = 200, description = "What would be acted on.", body = BegunView), (status = 201, description = "It began.", body = BegunView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn begin(
    State(state): Shared,
    caller: Authenticated,
    body: Body,
) -> Result<(StatusCode, Json<BegunView>), ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    // The parser may repeat a value, which may be an ID number.
    let request: BulkRequest = serde_json::from_value(object(&state, value)?).map_err(|_| {
        let (zh, en) = (
            "请求体应为 {act, filter, all, reason, rate, dry_run}，类型见 /openapi.json",
            "the body is {act, filter, all, reason, rate, dry_run}; /openapi.json has their types",
        );
        ApiProblem::one(&state, Problem::new(ProblemCode::Malformed, zh, en))
    })?;
    let words = request.filter.unwrap_or_default();
    if words.sort.is_some() {
        let (zh, en) = ("按到达先后处理，不能指定顺序", "what came in first is acted on first: leave it out");
        return Err(ApiProblem::one(&state, Problem::at(ProblemCode::FieldInvalid, "sort", zh, en)));
    }
    let filter = asked(&state, unpaged(&state, &words)?)?.filter;
    if filter == Filter::default() && request.all != Some(true) {
        let (zh, en) = (
            "没有筛选条件；确实要处理所有申请时，请写 \"all\": true",
            "the filter is empty: if all transfers are meant, say \"all\": true",
        );
        return Err(ApiProblem::one(&state, Problem::at(ProblemCode::FieldInvalid, "filter", zh, en)));
    }
    let operator = operator(&state);
    if request.dry_run == Some(true) {
        let Preview { count, more, searched_to, unreadable, first } =
            operator.preview(&filter, PREVIEW_PAGES).await.map_err(failed(&state))?;
        let first = first.iter().map(|stored| TransferView::new(stored, &state.routes)).collect();
        let count = count.min(MOST_COUNTED);
        let preview = PreviewView { count, more, searched_to, unreadable, first };
        return Ok((StatusCode::OK, Json(BegunView { preview: Some(preview), bulk: None })));
    }
    let how = (request.reason.as_deref().unwrap_or_default(), request.rate.unwrap_or(USUAL));
    let begun = operator.begin_bulk(request.act, &filter, how, &caller.author()).await;
    let bulk = begun.map_err(|error| ApiProblem::intake(&state, error))?;
    Ok((StatusCode::CREATED, Json(BegunView { preview: None, bulk: Some(bulk.into()) })))
}

/// Acts on many, newest first.
#[utoipa::path(get, path = "/v1/operator/bulk", operation_id = "listBulk", tag = "operator", params(BulksQuery),
    responses((status = 200, description = "A page.", body = Vec<BulkView>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
pub(super) async fn list(
    State(state): Shared,
    caller: Authenticated,
    Params(query): Params<BulksQuery>,
) -> Result<Json<Vec<BulkView>>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let mut tx = state.store.read("bulk").await.map_err(failed(&state))?;
    let bulks = tx.bulks(query.before, query.limit.clamp(1, 1000)).await.map_err(failed(&state))?;
    Ok(Json(bulks.into_iter().map(BulkView::from).collect()))
}

/// How far an act on many is.
#[utoipa::path(get, path = "/v1/operator/bulk/{id}", operation_id = "showBulk", tag = "operator", params(("id" = i64, Path, description = "Its number.")),
    responses((status = 200, description = "As it stands.", body = BulkView), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub(super) async fn show(
    State(state): Shared,
    caller: Authenticated,
    path: Result<Path<i64>, axum::extract::rejection::PathRejection>,
) -> Result<Json<BulkView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let Ok(Path(id)) = path else { return Err(missing(&state)) };
    let mut tx = state.store.read("bulk").await.map_err(failed(&state))?;
    let bulk = tx.bulk(id).await.map_err(failed(&state))?.ok_or_else(|| missing(&state))?;
    Ok(Json(bulk.into()))
}

/// What happened to each transfer of an act on many, in order.
#[utoipa::path(get, path = "/v1/operator/bulk/{id}/results", operation_id = "listBulkResults", tag = "operator", params(("id" = i64, Path, description = "Its number."), ResultsQuery),
    responses((status = 200, description = "A page.", body = Vec<BulkResult>), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub(super) async fn results(
    State(state): Shared,
    caller: Authenticated,
    path: Result<Path<i64>, axum::extract::rejection::PathRejection>,
    Params(query): Params<ResultsQuery>,
) -> Result<Json<Vec<BulkResult>>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let Ok(Path(id)) = path else { return Err(missing(&state)) };
    let mut tx = state.store.read("bulk").await.map_err(failed(&state))?;
    tx.bulk(id).await.map_err(failed(&state))?.ok_or_else(|| missing(&state))?;
    let limit = query.limit.clamp(1, 1000);
    let results = tx.bulk_results(id, query.after, query.refused, limit).await.map_err(failed(&state))?;
    Ok(Json(results))
}

/// Pause, resume or cancel an act on many. The body gives the reason.
#[utoipa::path(post, path = "/v1/operator/bulk/{id}/{turn}", operation_id = "turnBulk", tag = "operator", request_body = ReasonBody,
    params(("id" = i64, Path, description = "Its number."), ("turn" = Turn, Path, description = "What to do.")),
    responses((status = 200, description = "As it stands.", body = BulkView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument),
        (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn turn(
    State(state): Shared,
    caller: Authenticated,
    path: Result<Path<(i64, Turn)>, axum::extract::rejection::PathRejection>,
    body: Body,
) -> Result<Json<BulkView>, ApiProblem> {
    caller.require(&state, &OPERATORS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let Ok(Path((id, turn))) = path else { return Err(missing(&state)) };
    let turned = operator(&state).turn_bulk(id, turn, &reason_of(&value), &caller.author()).await;
    let turned = turned.map_err(|error: IntakeError| ApiProblem::intake(&state, error))?;
    Ok(Json(turned.ok_or_else(|| missing(&state))?.into()))
}
