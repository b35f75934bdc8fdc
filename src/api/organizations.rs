//! Organizations: does one of this full name exist, which are there, and which system takes what.

use super::params::Params;
use super::transfers::json;
use super::{ApiProblem, ApiState, Authenticated, MAX_DOCUMENT, ProblemDocument, READERS, Shared};
use crate::partner::Partner;
use crate::view::{CheckView, SearchPage};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use league_contract::document::{FULL_NAME_LIMIT, unknown_province};
use league_contract::{Capabilities, Problem, ProblemCode, ProvinceCode, text};
use league_directory::{Page, name};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// What to search for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchQuery {
    /// Where: code, first two digits, or name.
    province_code: String,
    /// Words of the name, in any order; in the local directory also short forms and initials in pinyin.
    q: String,
    /// At most so many; more than 200 are never given.
    #[serde(default = "twenty")]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    limit: u32,
    /// How many to pass over: the `next_offset` of the page before.
    #[serde(default)]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    offset: u32,
}

const fn twenty() -> u32 {
    20
}

/// Where a province-level unit's transfers go.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RouteView {
    /// Six digits.
    code: String,
    /// Its name.
    name: String,
    /// `province` or `unit`.
    kind: crate::routing::RouteKind,
    /// A system's name, `internal` or `none`.
    system: String,
    /// Whether the system is configured here.
    available: bool,
    /// What the system can do.
    capabilities: Option<Capabilities>,
}

/// What is checked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is read field by field")]
pub(super) struct CheckBody {
    /// Where: code, first two digits, or name.
    #[schema(example = "320000")]
    province_code: String,
    /// The full name, 2 to 200 printable characters.
    #[schema(example = "共青团南京大学委员会")]
    full_name: String,
}

/// 查询组织全称是否存在: is there an organization of exactly this full name?
#[utoipa::path(post, path = "/v1/organizations/check", tag = "organizations", operation_id = "checkOrganization", request_body = CheckBody,
    responses((status = 200, description = "What was found.", body = CheckView), (status = 400, body = ProblemDocument), (status = 413, body = ProblemDocument),
        (status = 422, body = ProblemDocument)))]
pub(super) async fn check_name(
    State(state): Shared,
    caller: Authenticated,
    body: Body,
) -> Result<Json<CheckView>, ApiProblem> {
    caller.require(&state, &READERS)?;
    let value = json(&state, body, MAX_DOCUMENT).await?;
    let field = |key: &str| value.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let (code, partner) = route(&state, field("province_code"))?;
    let name = text::clean(field("full_name"), 2, FULL_NAME_LIMIT).ok();
    let unfit = || {
        ApiProblem::one(
            &state,
            Problem::at(
                ProblemCode::FieldInvalid,
                "full_name",
                "组织全称须为 2 至 200 个字符，不含控制字符",
                "the full name has 2 to 200 printable characters",
            ),
        )
    };
    let name = name.filter(|name| !name::is_blank(name)).ok_or_else(unfit)?;
    let answer = state.organizations.ask(&partner, code, &name).await.map_err(|_| unfit())?;
    Ok(Json(CheckView::new(answer, state.clock.now())))
}

/// Search the organizations of a province: the local directory's list, or the system's own where it holds none.
#[utoipa::path(get, path = "/v1/organizations", operation_id = "searchOrganizations", tag = "organizations", params(SearchQuery),
    responses((status = 200, description = "A page.", body = SearchPage), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument), (status = 422, body = ProblemDocument),
        (status = 503, body = ProblemDocument)))]
pub(super) async fn search_names(
    State(state): Shared,
    caller: Authenticated,
    Params(query): Params<SearchQuery>,
) -> Result<Json<SearchPage>, ApiProblem> {
    caller.require(&state, &READERS)?;
    let (code, partner) = route(&state, &query.province_code)?;
    // The local directory finds by one character, too.
    let local = state.organizations.holds(code);
    let least = if local { 1 } else { partner.capabilities().search_keyword_least };
    let unfit = || {
        ApiProblem::one(
            &state,
            Problem::at(
                ProblemCode::FieldInvalid,
                "q",
                format!("关键词须为 {least} 至 100 个字符，不含控制字符"),
                format!("the words have {least} to 100 printable characters"),
            ),
        )
    };
    let words = text::clean(&query.q, least as usize, 100).map_err(|_| unfit())?;
    let asked = Page { offset: query.offset.into(), limit: query.limit.clamp(1, 200).into() };
    let page = state.organizations.search(&partner, code, &words, asked).await.map_err(|_| unfit())?;
    let page = page.ok_or_else(|| {
        ApiProblem::one(
            &state,
            Problem::new(
                ProblemCode::SystemUnavailable,
                format!("{}暂时无法查询，请稍后再试", partner.registration.name_zh),
                format!("{} can't be asked now: try again later", partner.registration.name_en),
            ),
        )
    })?;
    Ok(Json(SearchPage::new(page, query.offset.into(), state.clock.now())))
}

/// Every province-level unit, where its transfers go, and what that system can do.
#[utoipa::path(get, path = "/v1/routes", operation_id = "listRoutes", tag = "routes",
    responses((status = 200, description = "All of them.", body = Vec<RouteView>), (status = 401, body = ProblemDocument)))]
pub(super) async fn list_routes(
    State(state): Shared,
    caller: Authenticated,
) -> Result<Json<Vec<RouteView>>, ApiProblem> {
    caller.require(&state, &READERS)?;
    let views = state.routes.iter().map(|route| {
        let partner = match &route.target {
            crate::routing::Target::System(system) => state.partners.get(system),
            crate::routing::Target::Internal | crate::routing::Target::None => None,
        };
        RouteView {
            code: route.code.to_string(),
            name: route.name.clone(),
            kind: route.kind,
            system: route.target.as_str().to_owned(),
            available: partner.is_some(),
            capabilities: partner.map(|partner| partner.capabilities()),
        }
    });
    Ok(Json(views.collect()))
}

fn route(state: &ApiState, province: &str) -> Result<(ProvinceCode, Arc<Partner>), ApiProblem> {
    let refuse =
        |problem: Problem| ApiProblem::one(state, Problem { field: Some("province_code".into()), ..problem });
    let code = state.routes.resolve(province).ok_or_else(|| refuse(unknown_province()))?;
    let system = state.routes.system(code).map_err(refuse)?;
    let partner = state.partners.get(&system).cloned();
    partner.map(|partner| (code, partner)).ok_or_else(|| {
        refuse(Problem::new(
            ProblemCode::NoRoute,
            format!("尚未接通 {system}"),
            format!("{system} is not configured here"),
        ))
    })
}
