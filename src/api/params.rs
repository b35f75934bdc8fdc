//! Parameters of path and query whose refusal is a problem document like every other.

use super::systems::Switch;
use super::{ApiProblem, ApiState};
use crate::operator::Act;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use league_contract::{Problem, ProblemCode, RequestId};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The query of a request, read as `T`.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> Params<T> {
    /// Reads the query of an address.
    pub(super) fn read(uri: &Uri, state: &ApiState) -> Result<Self, ApiProblem> {
        match Query::<T>::try_from_uri(uri) {
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

impl<T: DeserializeOwned> FromRequestParts<Arc<ApiState>> for Params<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        Self::read(&parts.uri, state)
    }
}

/// The `{request_id}` of a path. One that can't be a key names no transfer.
pub(super) struct Id(pub(super) RequestId);

impl FromRequestParts<Arc<ApiState>> for Id {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let text = path.map(|Path(text)| text).unwrap_or_default();
        RequestId::parse(&text).map(Self).ok_or_else(|| ApiProblem::no_transfer(state, "?"))
    }
}

/// The `{request_id}/exchanges/{number}` of a path. What is no number names no exchange.
pub(super) struct Exchange(pub(super) RequestId, pub(super) Option<usize>);

impl FromRequestParts<Arc<ApiState>> for Exchange {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (id, number) = path.map(|Path(parts)| parts).unwrap_or_default();
        let id = RequestId::parse(&id).ok_or_else(|| ApiProblem::no_transfer(state, "?"))?;
        Ok(Self(id, number.parse().ok()))
    }
}

/// One word of a path.
pub(super) struct Word(pub(super) String);

impl FromRequestParts<Arc<ApiState>> for Word {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(path.map(|Path(text)| text).unwrap_or_default()))
    }
}

/// The `{id}` of a status event. What is no number names none.
pub(super) struct CallbackId(pub(super) i64);

impl FromRequestParts<Arc<ApiState>> for CallbackId {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        let Word(text) = Word::from_request_parts(parts, state).await?;
        // Keys begin with 1.
        Ok(Self(text.parse().unwrap_or_default()))
    }
}

/// The `{system}/{switch}` of a path. A switch that nobody knows is no address.
pub(super) struct SystemSwitch(pub(super) String, pub(super) Switch);

impl FromRequestParts<Arc<ApiState>> for SystemSwitch {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (system, switch) = path.map(|Path(parts)| parts).unwrap_or_default();
        let problem = || {
            ApiProblem::one(
                state,
                Problem::new(
                    ProblemCode::NotFound,
                    "没有这种操作；可用的有：pause、resume、probe",
                    "there is no such act; there are pause, resume, probe",
                ),
            )
        };
        Switch::parse(&switch).map(|switch| Self(system, switch)).ok_or_else(problem)
    }
}

/// The `{request_id}/{act}` of a path. An act that nobody knows is no address.
pub(super) struct TransferAct(pub(super) RequestId, pub(super) Act);

impl FromRequestParts<Arc<ApiState>> for TransferAct {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, ApiProblem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let (id, act) = path.map(|Path(parts)| parts).unwrap_or_default();
        let Some(act) = Act::parse(&act) else {
            let known = Act::ALL.map(Act::as_str).join(", ");
            return Err(ApiProblem::one(
                state,
                Problem::new(
                    ProblemCode::NotFound,
                    format!("没有这种操作；可用的有：{known}"),
                    format!("there is no such act; there are {known}"),
                ),
            ));
        };
        RequestId::parse(&id).map(|id| Self(id, act)).ok_or_else(|| ApiProblem::no_transfer(state, "?"))
    }
}
