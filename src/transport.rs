//! The one place that sends bytes to a system. It decides nothing but one thing: whether a request that failed can
//! have arrived.

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use league_contract::{MAX_BODY_BYTES, Method, WireRequest, WireResponse};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a system is reached.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Scheme and host, without a path.
    pub origin: String,
    /// The longest that one exchange may take, connecting included.
    pub timeout: Duration,
    /// PEM file of the certification authorities to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// What carries requests in place of connections; the configuration never names one.
    pub carrier: Option<Arc<dyn Carrier>>,
}

/// Carries requests in place of connections: the seam for a simulated network, and for whoever wants to record one.
/// (A simulated runtime in place of this seam would not do: reqwest and sqlx bring sockets and threads of their own.)
pub trait Carrier: std::fmt::Debug + Send + Sync {
    /// As [`Transport::send`], its errors included. The endpoint's timeout is the carrier's to keep.
    fn carry(&self, request: WireRequest) -> BoxFuture<'static, Result<WireResponse, SendError>>;
}

/// The way to one system.
#[derive(Debug, Clone)]
pub struct Transport {
    way: Way,
    timeout: Duration,
}

#[derive(Debug, Clone)]
enum Way {
    Connections { client: reqwest::Client, origin: String },
    Carried(Arc<dyn Carrier>),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No byte of the request went out.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The request may have arrived.
    #[error("no answer: {0}")]
    Unclear(String),
}

/// Why a transport can't be made: a file of the configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct TransportError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl Transport {
    /// Prepares the connections; makes none yet.
    ///
    /// # Errors
    /// [`TransportError`] with the certificate file that can't be used.
    pub fn new(endpoint: &Endpoint) -> Result<Self, TransportError> {
        let way = match &endpoint.carrier {
            Some(carrier) => Way::Carried(carrier.clone()),
            None => Way::Connections { client: client(endpoint)?, origin: endpoint.origin.clone() },
        };
        Ok(Self { way, timeout: endpoint.timeout })
    }

    /// The longest that one exchange takes.
    #[must_use]
    pub fn longest(&self) -> SignedDuration {
        SignedDuration::try_from(self.timeout).unwrap_or(SignedDuration::MAX)
    }

    /// Sends a request and reads the whole answer, up to [`MAX_BODY_BYTES`].
    ///
    /// # Errors
    /// [`SendError`]: only a connection that was never made counts as not sent.
    pub async fn send(&self, request: &WireRequest) -> Result<WireResponse, SendError> {
        let (client, origin) = match &self.way {
            Way::Connections { client, origin } => (client, origin),
            Way::Carried(carrier) => return carrier.carry(request.clone()).await,
        };
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let mut sending = client.request(method, format!("{origin}{}", request.target)).timeout(self.timeout);
        for (name, value) in &request.headers {
            sending = sending.header(name, value);
        }
        #[expect(clippy::disallowed_methods, reason = "the one place that sends")]
        let answered = sending.body(request.body.clone()).send().await;
        let response = answered.map_err(|error| {
            let text = chain(&error);
            if error.is_connect() || error.is_builder() {
                SendError::NotSent(text)
            } else {
                SendError::Unclear(text)
            }
        })?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let mut body = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| SendError::Unclear(chain(&error)))?;
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(SendError::Unclear("the answer is over 1 MiB".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(WireResponse { status, headers, body })
    }
}

fn client(endpoint: &Endpoint) -> Result<reqwest::Client, TransportError> {
    let mut builder = reqwest::Client::builder()
        // A redirect or a proxy would carry a member's data to somebody the profile does not name.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .retry(reqwest::retry::never())
        .connect_timeout(endpoint.timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .tcp_nodelay(true)
        .user_agent(concat!("league-gateway/", env!("CARGO_PKG_VERSION")));
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| TransportError { path: path.clone(), problem: error.to_string() })
    };
    if let Some(path) = &endpoint.ca_file {
        let certificates = reqwest::Certificate::from_pem_bundle(&read(path)?)
            .map_err(|error| TransportError { path: path.clone(), problem: error.to_string() })?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = &endpoint.client_identity {
        let pem = [read(certificate)?, read(key)?].concat();
        let identity = reqwest::Identity::from_pem(&pem)
            .map_err(|error| TransportError { path: certificate.clone(), problem: error.to_string() })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| TransportError {
        // Its authorities were read before: what does not fit then is our certificate and its key.
        path: endpoint
            .client_identity
            .as_ref()
            .map(|(certificate, _)| certificate.clone())
            .unwrap_or_default(),
        problem: chain(&error),
    })
}

/// An error and its causes in one line. `reqwest` names the URL, whose path may hold a request id but no person.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
