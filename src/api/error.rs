//! Refusals as RFC 9457 problem documents.

use super::ApiState;
use crate::intake::IntakeError;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use league_contract::{Organization, Problem, ProblemCode};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A problem document (RFC 9457). The first problem stands at the top; all of them under `problems`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemDocument {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The code, for programs.
    pub code: String,
    /// The field at fault.
    pub field: Option<String>,
    /// What to do, in Chinese.
    pub detail: String,
    /// What to do, in English.
    pub detail_en: String,
    /// Organizations that may have been meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Organization>,
    /// All problems of the request, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl ProblemDocument {
    /// The document of one or several problems.
    #[must_use]
    pub fn new(public_url: &str, mut problems: Vec<Problem>) -> Self {
        if problems.is_empty() {
            problems.push(Problem::new(ProblemCode::Internal, "内部错误", "internal error"));
        }
        let first = problems[0].clone();
        Self {
            kind: format!("{public_url}/problems/{}", first.code.as_str()),
            title: first.code.title_en().to_owned(),
            status: first.code.status(),
            code: first.code.as_str().to_owned(),
            field: first.field,
            detail: first.zh,
            detail_en: first.en,
            suggestions: first.suggestions,
            problems: if problems.len() > 1 { problems } else { Vec::new() },
        }
    }
}

/// A refusal on its way out.
#[derive(Debug)]
pub struct ApiProblem {
    document: Box<ProblemDocument>,
    /// In seconds.
    retry_after: Option<i64>,
}

impl ApiProblem {
    /// All problems of a request.
    #[must_use]
    pub fn all(state: &ApiState, problems: Vec<Problem>) -> Self {
        Self { document: Box::new(ProblemDocument::new(&state.public_url, problems)), retry_after: None }
    }

    /// One problem.
    #[must_use]
    pub fn one(state: &ApiState, problem: Problem) -> Self {
        Self::all(state, vec![problem])
    }

    /// Our own fault: the log has the cause, the answer has none of it.
    #[must_use]
    pub fn internal(state: &ApiState, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(%error, source = error.source().map(ToString::to_string), "a request failed");
        Self::one(
            state,
            Problem::new(
                ProblemCode::Internal,
                "网关内部错误，申请未作改动，请稍后重试",
                "the gateway failed; nothing was changed, try again later",
            ),
        )
    }

    /// The caller asks too much; how long it should wait.
    #[must_use]
    pub fn too_many(state: &ApiState, wait: SignedDuration) -> Self {
        let seconds = wait.as_secs().max(0) + 1;
        let mut problem = Self::one(
            state,
            Problem::new(
                ProblemCode::TooManyRequests,
                format!("请求过于频繁，请在 {seconds} 秒后重试"),
                format!("too many requests: try again in {seconds} s"),
            ),
        );
        problem.retry_after = Some(seconds);
        problem
    }

    /// There is no such transfer.
    #[must_use]
    pub fn no_transfer(state: &ApiState, request_id: &str) -> Self {
        let (zh, en) = (format!("没有申请 {request_id}"), format!("there is no transfer {request_id}"));
        Self::one(state, Problem::at(ProblemCode::NotFound, "request_id", zh, en))
    }

    /// What intake said.
    #[must_use]
    pub fn intake(state: &ApiState, error: IntakeError) -> Self {
        match error {
            IntakeError::Refused(problems) => Self::all(state, problems),
            IntakeError::Store(error) => Self::internal(state, &error),
            IntakeError::Seal(error) => Self::internal(state, &error),
        }
    }
}

impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let Self { document, retry_after } = self;
        let status = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(document)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) async fn not_found(State(state): State<Arc<ApiState>>, uri: Uri) -> ApiProblem {
    let path: String = uri.path().chars().take(100).collect();
    ApiProblem::one(
        &state,
        Problem::new(
            ProblemCode::NotFound,
            format!("没有 {path} 这个地址，接口见 /openapi.json"),
            format!("there is no {path}; /openapi.json describes the interface"),
        ),
    )
}

pub(super) async fn method_not_allowed(State(state): State<Arc<ApiState>>) -> Response {
    let problem = Problem::new(
        ProblemCode::Malformed,
        "该地址不支持此方法，接口见 /openapi.json",
        "this address does not take this method; /openapi.json describes the interface",
    );
    let mut problem = ApiProblem::one(&state, problem);
    problem.document.status = StatusCode::METHOD_NOT_ALLOWED.as_u16();
    problem.into_response()
}
