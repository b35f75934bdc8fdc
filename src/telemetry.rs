//! Logs and metrics of the process. Nothing personal is ever a field of either: the types that hold it can't print it.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: a JSON object a line.
    Json,
}

/// Begins to log to standard error. `filter` is in the form of `RUST_LOG`.
pub fn log(format: LogFormat, filter: &str, color: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        // A log on a full disk loses lines; to complain about it would be a panic in whoever logs.
        .log_internal_errors(false);
    // A second subscriber in one process (tests) leaves the first in place.
    let set = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    drop(set);
}

/// Begins to count; `None` when somebody else in this process counts already.
#[must_use]
pub fn count() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}
