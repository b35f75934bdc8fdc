//! Lists, counts, failures and exports for administrators.

use super::params::Params;
use super::transfers::json;
use super::{ApiProblem, ApiState, Authenticated, MAX_DOCUMENT, ProblemDocument, Shared, VIEWERS};
use crate::listing::{Asked, Export, FailuresView, Format, Known, ListView, StatsView, Words};
use crate::store::StoreError;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use league_contract::{Problem, ProblemCode};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

/// The most transfers of a page.
const MOST: u32 = 1000;

/// What an export is written as.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Written {
    /// `csv` or `jsonl`.
    #[serde(default = "jsonl")]
    #[param(value_type = Option<Format>, inline)]
    format: Format,
}

const fn jsonl() -> Format {
    Format::Jsonl
}

/// The words of an export's address: those of a list, and its format. Each reads its own.
pub(super) struct Narrowed(Words, Format);

impl axum::extract::FromRequestParts<std::sync::Arc<ApiState>> for Narrowed {
    type Rejection = ApiProblem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &std::sync::Arc<ApiState>,
    ) -> Result<Self, ApiProblem> {
        let Params(Written { format }) = Params::from_request_parts(parts, state).await?;
        let query = parts.uri.query().unwrap_or_default();
        let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("format=")).collect();
        let uri = format!("/?{}", rest.join("&")).parse().unwrap_or_default();
        let Params(words) = Params::read(&uri, state)?;
        Ok(Self(words, format))
    }
}

/// Those words with which all that fit are taken: none that says which page.
pub(super) fn unpaged<'w>(state: &ApiState, words: &'w Words) -> Result<&'w Words, ApiProblem> {
    let Some(word) = words.page_word() else { return Ok(words) };
    let (zh, en) = (
        "此操作针对所有符合条件的申请，没有分页，请去掉该项",
        "all that fit are taken, there are no pages: leave it out",
    );
    Err(ApiProblem::one(state, Problem::at(ProblemCode::FieldInvalid, word, zh, en)))
}

pub(super) fn asked(state: &ApiState, words: &Words) -> Result<Asked, ApiProblem> {
    let known = Known {
        routes: &state.routes,
        partners: &state.partners,
        sealer: &state.intake.sealer,
        now: state.clock.now(),
    };
    let asked = words.read(known).map_err(|problems| ApiProblem::all(state, problems))?;
    Ok(Asked { limit: asked.limit.clamp(1, MOST), ..asked })
}

/// The words of an address, which is logged on its way: it names nobody.
fn asked_openly(state: &ApiState, words: &Words) -> Result<Asked, ApiProblem> {
    if words.id_number.is_none() {
        return asked(state, words);
    }
    Err(ApiProblem::one(
        state,
        Problem::at(
            ProblemCode::FieldInvalid,
            "id_number",
            "身份证号码不得出现在地址中，请用 POST 在请求体里提供",
            "an ID number does not belong into an address: POST it in the body",
        ),
    ))
}

/// A list of a body's values in their order is no body, though the parser would take it.
pub(super) fn object(state: &ApiState, value: Value) -> Result<Value, ApiProblem> {
    if value.is_object() {
        return Ok(value);
    }
    let (zh, en) = ("请求体应为 JSON 对象", "the body must be a JSON object");
    Err(ApiProblem::one(state, Problem::new(ProblemCode::Malformed, zh, en)))
}

async fn words_in_body(state: &ApiState, body: Body) -> Result<Words, ApiProblem> {
    let value = json(state, body, MAX_DOCUMENT).await?;
    serde_json::from_value(object(state, value)?).map_err(|error| {
        // The parser may repeat a value, which may be an ID number in the wrong place.
        let unknown = error.to_string().starts_with("unknown field");
        let (zh, en) = if unknown {
            ("请求体中有未知的字段", "the body has a field that is not known")
        } else {
            ("请求体中有字段的类型不对", "a field of the body has the wrong type")
        };
        ApiProblem::one(state, Problem::new(ProblemCode::Malformed, zh, en))
    })
}

async fn page(state: &ApiState, asked: Asked) -> Result<Json<ListView>, ApiProblem> {
    let failed = |error: StoreError| ApiProblem::internal(state, &error);
    let mut tx = state.store.read("list").await.map_err(failed)?;
    let page = tx.list(&asked.filter, asked.sort, asked.after, asked.limit).await.map_err(failed)?;
    Ok(Json(ListView::new(&page, &state.routes)))
}

fn file(state: &ApiState, asked: Asked, format: Format) -> Response {
    let export = Export::new(state.store.clone(), state.routes.clone(), asked.filter, asked.sort, format);
    // An answer that breaks off is no whole file, and the client sees that.
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next().await.inspect_err(|error| tracing::error!(%error, "an export broke off"));
        Ok::<_, StoreError>(piece?.map(|piece| (piece, export)))
    });
    let name = format!("attachment; filename=\"{}\"", format.file_name());
    let headers =
        [(header::CONTENT_TYPE, format.media_type().to_owned()), (header::CONTENT_DISPOSITION, name)];
    (headers, Body::from_stream(pieces)).into_response()
}

/// A page of transfers, masked. However many there are, it answers within a bounded time: where nothing leads to what is
/// looked for, `searched_to` says how far it looked.
#[utoipa::path(get, path = "/v1/operator/transfers", operation_id = "listTransfers", tag = "operator", params(Words),
    responses((status = 200, description = "A page.", body = ListView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn list(
    State(state): Shared,
    caller: Authenticated,
    Params(words): Params<Words>,
) -> Result<Json<ListView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    page(&state, asked_openly(&state, &words)?).await
}

/// The same with the words in the body, where a person's ID number may be among them.
#[utoipa::path(post, path = "/v1/operator/transfers:search", operation_id = "searchTransfers", tag = "operator", request_body = Words,
    responses((status = 200, description = "A page.", body = ListView), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn search(
    State(state): Shared,
    caller: Authenticated,
    body: Body,
) -> Result<Json<ListView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    page(&state, asked(&state, &words_in_body(&state, body).await?)?).await
}

/// All transfers of a list as a file, masked. There are no pages: `limit` and `cursor` are refused.
#[utoipa::path(get, path = "/v1/operator/transfers:export", operation_id = "exportTransfers", tag = "operator", params(Written, Words),
    responses((status = 200, description = "CSV (UTF-8 with a mark) or a transfer a line",
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn export(
    State(state): Shared,
    caller: Authenticated,
    Narrowed(words, format): Narrowed,
) -> Result<Response, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    Ok(file(&state, asked_openly(&state, unpaged(&state, &words)?)?, format))
}

/// The same with the words in the body, where a person's ID number may be among them.
#[utoipa::path(post, path = "/v1/operator/transfers:export", operation_id = "exportFoundTransfers", tag = "operator", params(Written), request_body = Words,
    responses((status = 200, description = "CSV (UTF-8 with a mark) or a transfer a line",
            content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument),
        (status = 403, body = ProblemDocument), (status = 413, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(super) async fn export_search(
    State(state): Shared,
    caller: Authenticated,
    Params(Written { format }): Params<Written>,
    body: Body,
) -> Result<Response, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let words = words_in_body(&state, body).await?;
    Ok(file(&state, asked(&state, unpaged(&state, &words)?)?, format))
}

/// How many transfers stand where, how fast they move, how long verdicts take.
#[utoipa::path(get, path = "/v1/operator/stats", operation_id = "readStats", tag = "operator",
    responses((status = 200, description = "The numbers.", body = StatsView), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
pub(super) async fn stats(
    State(state): Shared,
    caller: Authenticated,
) -> Result<Json<StatsView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let view = StatsView::of(&state.store, state.clock.now()).await;
    view.map(Json).map_err(|error| ApiProblem::internal(&state, &error))
}

/// What failed or was returned, by system and cause.
#[utoipa::path(get, path = "/v1/operator/failures", operation_id = "listFailures", tag = "operator",
    responses((status = 200, description = "The groups.", body = FailuresView), (status = 401, body = ProblemDocument), (status = 403, body = ProblemDocument)))]
pub(super) async fn failures(
    State(state): Shared,
    caller: Authenticated,
) -> Result<Json<FailuresView>, ApiProblem> {
    caller.require(&state, &VIEWERS)?;
    let failed = |error: StoreError| ApiProblem::internal(&state, &error);
    let failures = state.store.read("failures").await.map_err(failed)?.failures().await.map_err(failed)?;
    Ok(Json(failures.into()))
}
