//! Is it alive, can it work, and how does it do?

use super::Shared;
use crate::telemetry;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::timeout;

/// The process runs.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whoever asks how we are gives up soon: so long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A transfer could be taken in and delivered: the store takes writes, and at least one system is neither suspended
/// nor paused. It only looks, and waits for nobody's transaction.
pub(super) async fn readyz(State(state): Shared) -> Response {
    if !state.store.takes_writes() {
        return not_ready("the database takes no writes");
    }
    let mut open = Vec::new();
    let looked = async {
        let mut tx = state.store.read("readyz").await?;
        for system in state.partners.keys() {
            let row = tx.system(system).await?;
            if !row.stopped(state.clock.now()) {
                open.push(system.to_string());
            }
        }
        Ok::<_, crate::store::StoreError>(())
    };
    match timeout(PATIENCE, looked).await {
        Ok(Ok(())) if !open.is_empty() => {
            (StatusCode::OK, format!("ready: {}\n", open.join(", "))).into_response()
        }
        Ok(Ok(())) => not_ready("every system is suspended, paused or not configured"),
        Ok(Err(error)) => {
            tracing::error!(%error, "not ready");
            not_ready("the database does not answer")
        }
        Err(_) => not_ready("the database does not answer"),
    }
}

fn not_ready(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response()
}

/// Prometheus text.
pub(super) async fn metrics(State(state): Shared) -> Response {
    match &state.metrics {
        Some(metrics) => {
            show_alarms(&state).await;
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], telemetry::render(metrics))
                .into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The alarms as the store has them: another daemon may have raised or cleared one. Without the store, as they were.
async fn show_alarms(state: &super::ApiState) {
    let shown = async {
        let mut tx = state.store.read("metrics").await?;
        tx.show_alarms(state.partners.keys()).await
    };
    match timeout(PATIENCE, shown).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the metrics tell of alarms as they were"),
        Err(_) => tracing::warn!("the metrics tell of alarms as they were: the database does not answer"),
    }
}
