//! The bench's own client: as plain as the comparison wants it.

use anyhow::Context as _;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// Keeps its connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http(reqwest::Client);

/// What is posted.
#[derive(Clone)]
pub(super) struct Letter {
    /// Where.
    pub(super) url: String,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its bytes.
    pub(super) body: Vec<u8>,
}

impl Letter {
    /// A letter with headers by name and value.
    pub(super) fn new<'a>(
        url: String,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: Vec<u8>,
    ) -> anyhow::Result<Self> {
        let headers = headers.into_iter().map(|(name, value)| {
            Ok::<_, anyhow::Error>((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
        });
        Ok(Self { url, headers: headers.collect::<Result<_, _>>()?, body })
    }
}

impl Http {
    pub(super) fn new() -> anyhow::Result<Self> {
        let builder =
            reqwest::Client::builder().no_proxy().tcp_nodelay(true).timeout(Duration::from_secs(60));
        Ok(Self(builder.build()?))
    }

    /// Posts, reads the whole answer, and gives back its status.
    pub(super) async fn post(&self, letter: Letter) -> anyhow::Result<u16> {
        let request = self.0.post(&letter.url).headers(letter.headers).body(letter.body);
        let response = send(request).await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok(status)
    }

    /// The text at a URL.
    pub(super) async fn get(&self, url: &str) -> anyhow::Result<String> {
        let response = send(self.0.get(url)).await?.error_for_status()?;
        response.text().await.with_context(|| format!("reading {url}"))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bench plays upstream and the peers: it is no part of the gateway"
)]
async fn send(request: reqwest::RequestBuilder) -> reqwest::Result<reqwest::Response> {
    request.send().await
}
