//! Logs, metrics and traces of the process. Nothing personal is ever a field of any: the types that hold it can't print it.

#[cfg(feature = "otlp")]
mod otlp;
mod trace;

#[cfg(feature = "otlp")]
pub use otlp::Exporter;
pub use trace::{Role, Span, TraceId, record};

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

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until a restart.
    Counter,
    /// It stands at a value.
    Gauge,
    /// Times, in buckets from 5 ms to 10 s.
    Histogram,
}

/// Every metric of ours, with what Prometheus is told of it: backlog and its age first.
pub const METRICS: &[(&str, Kind, &str)] = &[
    (
        "league_gateway_backlog",
        Kind::Gauge,
        "Transfers due, or due within backlog_limit, counted as far as the limit; from the daemon that leads",
    ),
    (
        "league_gateway_oldest_due_seconds",
        Kind::Gauge,
        "How long the oldest transfer has been due; from the daemon that leads",
    ),
    (
        "league_gateway_alarm",
        Kind::Gauge,
        "1 while an alarm of the kind is open; an empty system is the gateway itself",
    ),
    ("league_gateway_leads", Kind::Gauge, "1 on the daemon that leads"),
    ("league_gateway_build_info", Kind::Gauge, "1, with the version as a label"),
    ("league_gateway_received_total", Kind::Counter, "Transfers taken in, by whatever door"),
    ("league_gateway_exchanges_total", Kind::Counter, "Calls of partners, probes among them"),
    ("league_gateway_exchange_seconds", Kind::Histogram, "How long calls of partners took"),
    ("league_gateway_events_total", Kind::Counter, "Status events of partners, by push and feed"),
    (
        "league_gateway_callbacks_refused_total",
        Kind::Counter,
        "Pushes whose signature, time or nonce did not hold",
    ),
    ("league_gateway_commits_total", Kind::Counter, "Transactions that were to be committed"),
    ("league_gateway_http_requests_total", Kind::Counter, "Requests that were answered"),
    (
        "league_gateway_http_request_seconds",
        Kind::Histogram,
        "How long requests took; a long poll waits for news",
    ),
    ("league_gateway_connections_refused_total", Kind::Counter, "Connections beyond http.max_connections"),
    ("league_gateway_webhook_posts_total", Kind::Counter, "Messages to upstream's addresses"),
    (
        "league_gateway_webhook_oldest_seconds",
        Kind::Gauge,
        "How long the oldest event that an address was not told of has waited; from the daemon that leads",
    ),
    (
        "league_gateway_directory_organizations",
        Kind::Gauge,
        "Organizations in the local directory that is served",
    ),
    (
        "league_gateway_directory_oldest_import_seconds",
        Kind::Gauge,
        "When the oldest of the directory's lists was imported, Unix time; 0 where there is none",
    ),
];

/// The upper ends of a histogram's buckets, in seconds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Begins to count; `None` when somebody else in this process counts already.
#[must_use]
pub fn count() -> Option<PrometheusHandle> {
    let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).ok()?;
    let handle = builder.install_recorder().ok()?;
    for (name, kind, help) in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *help),
        }
    }
    metrics::gauge!("league_gateway_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics_process::Collector::default().describe();
    Some(handle)
}

/// What is counted, as Prometheus reads it, with the process's own figures as they are now.
#[must_use]
pub fn render(counted: &PrometheusHandle) -> String {
    metrics_process::Collector::default().collect();
    counted.run_upkeep();
    counted.render()
}
