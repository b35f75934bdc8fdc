//! The way to a partner's server, step by step, for who looks for what is wrong with it: name, connection, certificate. Nothing
//! of ours is sent.

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io::{Error, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub tls: bool,
}

/// What a server shows of itself, and asks of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// How long its certificate holds.
    pub validity: Validity,
    /// Why the authorities that were given do not vouch for it; nothing where none were given, or they do.
    pub distrust: Option<String>,
    /// Whether it asks for a certificate of ours.
    pub asks: bool,
}

/// From when until when a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first instant.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Validity {
    /// Whether it holds at an instant.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl Place {
    /// The place of a URL's scheme and authority.
    #[must_use]
    pub fn of(origin: &str) -> Option<Self> {
        let (scheme, rest) = origin.split_once("://")?;
        let tls = scheme == "https";
        let authority = rest.split('/').next()?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (!host.is_empty()).then_some(Self { host, port, tls })
    }

    /// The addresses of its name.
    ///
    /// # Errors
    /// Whatever the resolver says.
    pub async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect();
        if found.is_empty() {
            Err(Error::new(ErrorKind::NotFound, "the name has no address"))
        } else {
            Ok(found)
        }
    }

    /// Connects to the first of some addresses that answers, and lets go of it again; says which.
    ///
    /// # Errors
    /// What the last address said.
    pub async fn connect(&self, addresses: &[SocketAddr], limit: Duration) -> std::io::Result<SocketAddr> {
        let mut last = Error::from(ErrorKind::NotFound);
        for address in addresses {
            match tokio::time::timeout(limit, tokio::net::TcpStream::connect(address)).await {
                Ok(Ok(_)) => return Ok(*address),
                Ok(Err(error)) => last = error,
                Err(_) => last = ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    /// What a server shows, whether anybody trusts it or not; `ca_file` has the authorities that should vouch for it.
    ///
    /// # Errors
    /// Why there was no handshake, in words.
    pub async fn certificate(
        &self,
        address: SocketAddr,
        ca_file: Option<PathBuf>,
        limit: Duration,
    ) -> Result<Shown, String> {
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let look = tokio::task::spawn_blocking(move || shown(name, address, ca_file.as_deref(), limit));
        look.await.map_err(|error| error.to_string())?
    }
}

/// How long the certificate in a file holds, the first where there are several.
///
/// # Errors
/// Why it can't be read, in words.
pub fn certificate_in(path: &Path) -> Result<Validity, String> {
    let der = CertificateDer::from_pem_file(path).map_err(|error| error.to_string())?;
    validity(&der)
}

fn shown(
    name: ServerName<'static>,
    address: SocketAddr,
    ca_file: Option<&Path>,
    limit: Duration,
) -> Result<Shown, String> {
    let provider = CryptoProvider::get_default().ok_or("no cryptography is installed")?.clone();
    let judge = ca_file.map(|path| judge(path, &provider)).transpose()?;
    let viewer = Arc::new(Viewer { provider: provider.clone(), judge, shown: Mutex::default() });
    let asked = Arc::new(Asked::default());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(viewer.clone())
        .with_client_cert_resolver(asked.clone());
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut stream = TcpStream::connect_timeout(&address, limit).map_err(|error| error.to_string())?;
    let limited = stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(limit)));
    limited.map_err(|error| error.to_string())?;
    let mut ended = Ok(());
    while connection.is_handshaking() && ended.is_ok() {
        ended = connection.complete_io(&mut stream).map(drop);
    }
    // A server that wants ours ends the handshake, and has shown its own before.
    let certificate = viewer.shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (certificate, ended) {
        (Some((der, distrust)), _) => {
            Ok(Shown { validity: validity(&der)?, distrust, asks: asked.0.load(Ordering::Relaxed) })
        }
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(())) => Err("it showed no certificate".to_owned()),
    }
}

fn validity(der: &[u8]) -> Result<Validity, String> {
    let certificate =
        Certificate::from_der(der).map_err(|error| format!("its certificate can't be read: {error}"))?;
    let validity = certificate.tbs_certificate.validity;
    let at = |time: x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
    };
    Ok(Validity { from: at(validity.not_before), until: at(validity.not_after) })
}

/// The authorities of a file, as a call trusts them.
fn judge(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
    builder.build().map_err(|error| wrong(&error))
}

/// Notes whether a server asks for a certificate of ours, and shows none.
#[derive(Debug, Default)]
struct Asked(AtomicBool);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Looks at a certificate and refuses none. What authorities that are not given would say, the call that follows finds out.
#[derive(Debug)]
struct Viewer {
    provider: Arc<CryptoProvider>,
    judge: Option<Arc<WebPkiServerVerifier>>,
    shown: Mutex<Option<(Vec<u8>, Option<String>)>>,
}

impl ServerCertVerifier for Viewer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.judge.as_ref().and_then(|judge| {
            judge.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).err()
        });
        let distrust = judged.map(|error| error.to_string());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some((end_entity.to_vec(), distrust));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_origins() {
        let place = |host: &str, port, tls| Some(Place { host: host.to_owned(), port, tls });
        assert_eq!(Place::of("https://a.example.org"), place("a.example.org", 443, true));
        assert_eq!(Place::of("http://a.example.org:8080"), place("a.example.org", 8080, false));
        assert_eq!(Place::of("https://[::1]:9443"), place("::1", 9443, true));
        assert_eq!(Place::of("http://[::1]"), place("::1", 80, false));
        assert_eq!(Place::of("http://a:port"), None);
    }
}
