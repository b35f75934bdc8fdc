//! `[http]`: where to listen, and what callers may take.

use super::reader::Reader;
use crate::listener::{Address, TlsFiles};

/// Where to listen, and what callers may take.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Upstream's address, and everybody's who has none of their own.
    pub upstream: Address,
    /// The partners' callbacks' own.
    pub callbacks: Option<Address>,
    /// The operators' own.
    pub operator: Option<Address>,
    /// Connections at a time, on each address.
    pub max_connections: u32,
    /// Requests of one token in a second.
    pub rate_per_second: u32,
}

impl HttpSettings {
    /// All addresses, upstream's first.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        [Some(&self.upstream), self.callbacks.as_ref(), self.operator.as_ref()].into_iter().flatten()
    }
}

pub(super) fn read(reader: &mut Reader) -> Option<HttpSettings> {
    let upstream = address(reader, "http");
    let [callbacks, operator] = ["http.callbacks", "http.operator"].map(|section| {
        let is_written = reader.is_written(&format!("{section}.listen"));
        is_written.then(|| address(reader, section))
    });
    let max_connections = reader.count("http.max_connections", 1..=1_000_000);
    let rate_per_second = reader.count("http.rate_per_second", 1..=1_000_000);
    // One that is wrong is a problem, not one that is missing.
    Some(HttpSettings {
        upstream: upstream?,
        callbacks: callbacks.map_or(Some(None), |address| address.map(Some))?,
        operator: operator.map_or(Some(None), |address| address.map(Some))?,
        max_connections: max_connections?,
        rate_per_second: rate_per_second?,
    })
}

fn address(reader: &mut Reader, section: &str) -> Option<Address> {
    let key = |name: &str| format!("{section}.{name}");
    let what = "an address and port, like 127.0.0.1:8080";
    let listen = reader.parsed(&key("listen"), what, |text| text.parse().ok());
    let [certificate, private_key, client_ca] =
        ["tls_cert", "tls_key", "client_ca"].map(|name| reader.existing_file(&key(name)));
    if certificate.is_some() != private_key.is_some() {
        let written = if certificate.is_some() { "tls_cert" } else { "tls_key" };
        reader.report(&key(written), "tls_cert and tls_key go together");
    }
    if client_ca.is_some() && certificate.is_none() {
        reader
            .report(&key("client_ca"), "needs tls_cert and tls_key: without TLS nobody shows a certificate");
    }
    let tls = certificate.zip(private_key);
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key, client_ca });
    Some(Address { listen: listen?, tls })
}
