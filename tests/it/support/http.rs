//! An HTTP client with a token.

use serde_json::Value;

/// A client of the gateway.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    token: String,
    http: reqwest::Client,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Asserts that this is a problem document of that status and code, and gives it.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("http://gateway.test/problems/{code}"));
        for text in ["title", "detail", "detail_en"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {problem}");
        }
        problem
    }
}

impl Client {
    pub(crate) fn new(url: String, token: &str) -> Self {
        // A test without an app has none yet.
        drop(rustls::crypto::ring::default_provider().install_default());
        // Connections are not kept: a graceful stop waits for those that are.
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client");
        Self { url, token: token.to_owned(), http }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) fn with_url(&self, url: String) -> Self {
        Self { url, ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().into_bytes()).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", path, &[], body.into()).await
    }

    /// Any request at all; an empty token sends no `Authorization`.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' own client, not the gateway's")]
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let method = method.parse().expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Answer { status, headers, body })
    }
}
