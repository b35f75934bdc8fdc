//! `[telemetry]`: where traces are sent.

use super::endpoint;
use super::reader::Reader;
use crate::transport::Endpoint;
use std::time::Duration;

/// The longest that one batch of spans may take, as the specification of OTLP has it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A collector that traces are sent to.
#[derive(Debug, Clone)]
pub struct CollectorSettings {
    /// How it is reached.
    pub endpoint: Endpoint,
    /// Its path for traces.
    pub path: String,
}

/// Nothing where none is written; one that is wrong is a problem.
pub(super) fn read(reader: &mut Reader) -> Option<CollectorSettings> {
    const URL: &str = "telemetry.otlp_url";
    if !reader.is_written(URL) {
        return None;
    }
    let url = reader.parsed(URL, "an http or https URL like http://127.0.0.1:4318", |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let plain = !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '@', ' ']);
        plain.then(|| text.trim_end_matches('/').to_owned())
    });
    if cfg!(not(feature = "otlp")) {
        reader.report(URL, "this program was built without traces (feature otlp)");
    }
    let endpoint = endpoint(reader, &|name| format!("telemetry.{name}"), url.as_deref(), Some(TIMEOUT))?;
    let base = url.and_then(|url| url.strip_prefix(&endpoint.origin).map(ToOwned::to_owned))?;
    Some(CollectorSettings { endpoint, path: format!("{base}/v1/traces") })
}
