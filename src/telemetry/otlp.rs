//! Spans, sent to a collector by OTLP over HTTP. The specification's own library batches and encodes; the bytes go out
//! by the transport that partners are reached by. A collector that fails costs spans, never a transfer.

use super::trace::{self, Role, Span, TraceId};
use crate::transport::{Endpoint, Transport, TransportError};
use anyhow::Context as _;
use league_contract::{Method, WireRequest};
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator as _, RandomIdGenerator, SpanData, SpanProcessor,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;

/// So many spans wait for the collector at most; more are dropped.
const WAITING: usize = 16_384;
/// How often waiting spans are sent.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last ones may take when the daemon stops.
const LAST: Duration = Duration::from_secs(5);

/// Exports until it is stopped.
#[derive(Debug)]
pub struct Exporter {
    processor: Arc<BatchSpanProcessor>,
}

impl Exporter {
    /// Begins to export what is put on record, for the whole process, which this is the only exporter of. `path` is the
    /// collector's for traces, `instance` tells this daemon from others.
    ///
    /// # Errors
    /// A certificate that can't be used; another exporter in this process.
    pub fn start(endpoint: &Endpoint, path: &str, instance: &str) -> anyhow::Result<Self> {
        let collector = Collector::new(endpoint).context("telemetry")?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(endpoint.timeout)
            .with_endpoint(format!("{}{path}", endpoint.origin))
            .build()
            .context("telemetry.otlp_url")?;
        let batches =
            BatchConfigBuilder::default().with_max_queue_size(WAITING).with_scheduled_delay(PAUSE).build();
        let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        processor.set_resource(
            &Resource::builder()
                .with_service_name("league-gateway")
                .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
                .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
                .build(),
        );
        let processor = Arc::new(processor);
        let (to, scope) = (processor.clone(), InstrumentationScope::builder("league-gateway").build());
        let first = trace::send_to(move |span| to.on_end(data(span, scope.clone())));
        anyhow::ensure!(first, "spans are exported already in this process");
        Ok(Self { processor })
    }

    /// Sends what waits, and ends.
    pub async fn stop(self) {
        let ended = tokio::task::spawn_blocking(move || self.processor.shutdown_with_timeout(LAST)).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

/// A span as the library exports it.
fn data(span: Span, scope: InstrumentationScope) -> SpanData {
    let trace = TraceId::of(&span.request_id);
    let root = SpanId::from(trace.root());
    let is_root = span.name == Span::RECEIVED;
    let own = if is_root { root } else { RandomIdGenerator::default().new_span_id() };
    let context = SpanContext::new(trace.number().into(), own, TraceFlags::SAMPLED, false, TraceState::NONE);
    let mut attributes = vec![KeyValue::new("league.request_id", span.request_id)];
    attributes.extend(span.fields.into_iter().map(|(key, value)| KeyValue::new(key, value)));
    SpanData {
        span_context: context,
        parent_span_id: if is_root { SpanId::INVALID } else { root },
        parent_span_is_remote: !is_root,
        span_kind: match span.role {
            Role::Internal => SpanKind::Internal,
            Role::Client => SpanKind::Client,
            Role::Consumer => SpanKind::Consumer,
        },
        name: span.name.into(),
        start_time: span.began.into(),
        end_time: span.ended.into(),
        attributes,
        dropped_attributes_count: 0,
        events: Default::default(),
        links: Default::default(),
        status: span.failed.map_or(Status::Unset, Status::error),
        instrumentation_scope: scope,
    }
}

/// The way to the collector. The library waits for answers on a thread of its own, outside of our runtime.
#[derive(Debug)]
struct Collector {
    transport: Transport,
    runtime: Handle,
    fails: Arc<AtomicBool>,
}

impl Collector {
    fn new(endpoint: &Endpoint) -> Result<Self, TransportError> {
        Ok(Self {
            transport: Transport::new(endpoint)?,
            runtime: Handle::current(),
            fails: Arc::new(AtomicBool::new(false)),
        })
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let headers = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        let request = WireRequest {
            method: Method::Post,
            target: head.uri.path().to_owned(),
            headers: headers.collect(),
            body: body.to_vec(),
        };
        let transport = self.transport.clone();
        let answer = self.runtime.spawn(async move { transport.send(&request).await }).await?;
        let fault = match &answer {
            Ok(answer) if (200..300).contains(&answer.status) => None,
            Ok(answer) => Some(format!("HTTP {}", answer.status)),
            Err(error) => Some(error.to_string()),
        };
        // Said once, not with every batch.
        if self.fails.swap(fault.is_some(), Ordering::Relaxed) != fault.is_some() {
            match fault {
                Some(error) => tracing::warn!(error, "the collector takes no spans: they are dropped"),
                None => tracing::info!("the collector takes spans again"),
            }
        }
        let answer = answer?;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(Bytes::from(answer.body))?)
    }
}
