//! Query parameters whose refusal is a problem document like every other.

use super::{ApiProblem, ApiState};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use league_contract::{Problem, ProblemCode};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The query of a request, read as `T`.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<ApiState>> for Params<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                // The library names the parameter and what it should be, not what it was.
                let what = rejection.body_text();
                Err(ApiProblem::one(
                    state,
                    Problem::new(
                        ProblemCode::Malformed,
                        format!("查询参数有误：{what}"),
                        format!("the query can't be read: {what}"),
                    ),
                ))
            }
        }
    }
}
