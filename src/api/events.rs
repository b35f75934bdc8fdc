//! The event feed: a cursor, and a long poll.

use super::params::Params;
use super::{ApiProblem, ApiState, Authenticated, ProblemDocument, READERS, Shared};
use crate::store::FeedEvent;
use axum::Json;
use axum::extract::State;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Where to read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedQuery {
    /// The last cursor that was seen; 0 at first.
    #[serde(default)]
    after: i64,
    /// At most so many; more than 1,000 are never given.
    #[serde(default = "hundred")]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    limit: u32,
    /// Seconds to wait for something new, at most 60; at most one where `after` lies beyond the newest event.
    #[serde(default)]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    wait: u32,
}

const fn hundred() -> u32 {
    100
}

/// So long is waited for what comes after a cursor that was never given out: it will not come soon.
const BEYOND: SignedDuration = SignedDuration::from_secs(1);

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeedPage {
    /// In order.
    events: Vec<FeedEvent>,
    /// Ask for what comes after it next.
    next: i64,
}

/// Events after a cursor; waits for one if there is none.
#[utoipa::path(get, path = "/v1/events", operation_id = "readEvents", tag = "events", params(FeedQuery),
    responses((status = 200, description = "Events, perhaps none.", body = FeedPage), (status = 400, body = ProblemDocument), (status = 401, body = ProblemDocument)))]
pub(super) async fn feed(
    State(state): Shared,
    caller: Authenticated,
    Params(query): Params<FeedQuery>,
) -> Result<Json<FeedPage>, ApiProblem> {
    caller.require(&state, &READERS)?;
    let limit = query.limit.clamp(1, 1000);
    let mut wait = SignedDuration::from_secs(i64::from(query.wait.min(60)));
    if wait > BEYOND && beyond(&state, query.after).await? {
        wait = BEYOND;
    }
    let until = state.clock.now().saturating_add(wait).unwrap_or_default();
    // Register, look, sleep.
    let mut bell = state.bells.news.listen();
    loop {
        let after = query.after;
        let looking = state.store.glance("feed", |mut tx| async move { tx.feed(after, limit).await });
        let events = looking.await.map_err(|error| ApiProblem::internal(&state, &error))?;
        let left = until.duration_since(state.clock.now());
        if !events.is_empty() || !left.is_positive() || state.stop.is_cancelled() {
            let next = events.last().map_or(query.after, |event| event.cursor);
            return Ok(Json(FeedPage { events, next }));
        }
        tokio::select! {
            () = bell.wait(&state.clock, left.min(SignedDuration::from_secs(1))) => {}
            () = state.stop.cancelled() => {}
        }
    }
}

/// Whether a cursor lies beyond the newest event.
async fn beyond(state: &ApiState, after: i64) -> Result<bool, ApiProblem> {
    let looking = state.store.glance("feed's end", |mut tx| async move { tx.feed_before_newest(1).await });
    let before_newest = looking.await.map_err(|error| ApiProblem::internal(state, &error))?;
    Ok(after > before_newest.saturating_add(1))
}
