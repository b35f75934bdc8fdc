//! An address that the daemon listens on: TLS where it is configured, client certificates where they are asked for, and a
//! bound on connections.

mod idle;

use axum::Router;
use axum::extract::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;
use idle::Idle;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::future::{Ready, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::Layer as _;

/// How long a connection may take to say what it wants: the head of a request, from its first byte on.
const HEAD: Duration = Duration::from_secs(20);

/// How long nobody may say anything on a connection: longer than any request waits for its answer.
const STILL: Duration = Duration::from_secs(90);

/// Where to listen, and how.
#[derive(Debug, Clone)]
pub struct Address {
    /// Address and port.
    pub listen: SocketAddr,
    /// TLS, if it is spoken.
    pub tls: Option<TlsFiles>,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Our certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of which each client must show a certificate, if it must.
    pub client_ca: Option<PathBuf>,
}

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It is taken, or not this machine's.
    #[error("can't listen on {address}")]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the configuration can't be used.
    #[error("{}: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// An address that is the daemon's. Nothing is answered on it yet.
pub struct Bound {
    listener: TcpListener,
    certificates: Option<Certificates>,
    address: SocketAddr,
}

/// The certificates of an address, which can be read anew.
#[derive(Debug, Clone)]
pub struct Certificates {
    files: TlsFiles,
    config: RustlsConfig,
}

/// Takes a connection if there is room for it, and counts it until it ends.
#[derive(Clone)]
struct Counted(Arc<Semaphore>);

impl<S> Accept<TcpStream, S> for Counted {
    type Stream = Idle<TcpStream>;
    type Service = AddExtension<S, Arc<OwnedSemaphorePermit>>;
    type Future = Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(match self.0.clone().try_acquire_owned() {
            // The permit lives as long as the connection's service.
            Ok(permit) => {
                let service = Extension(Arc::new(permit)).layer(service);
                stream.set_nodelay(true).map(|()| (Idle::new(stream, STILL), service))
            }
            Err(_) => {
                metrics::counter!("league_gateway_connections_refused_total").increment(1);
                Err(io::ErrorKind::ConnectionRefused.into())
            }
        })
    }
}

impl Bound {
    /// Takes an address. Certificates are read.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(address: &Address) -> Result<Self, ListenError> {
        let wrong = |source| ListenError::Address { address: address.listen, source };
        let certificates = address.tls.clone().map(Certificates::read).transpose()?;
        let listener = TcpListener::bind(address.listen).map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, certificates, address })
    }

    /// The address, with the port that was given.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Its certificates, to be read anew.
    #[must_use]
    pub fn certificates(&self) -> Option<Certificates> {
        self.certificates.clone()
    }

    /// Answers until told to stop, then lets what is under way end. There are no more `connections` than that at a time.
    ///
    /// # Errors
    /// The operating system takes the listener away.
    pub async fn serve(self, router: Router, connections: u32, stop: CancellationToken) -> io::Result<()> {
        let handle = Handle::new();
        let stopping = {
            let handle = handle.clone();
            async move {
                stop.cancelled().await;
                handle.graceful_shutdown(None);
                std::future::pending().await
            }
        };
        let server = bounded(axum_server::from_tcp(self.listener)?).handle(handle);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let counted = Counted(Arc::new(Semaphore::new(connections as usize)));
        let serving = async {
            match self.certificates {
                None => server.acceptor(counted).serve(service).await,
                Some(Certificates { config, .. }) => {
                    server.acceptor(RustlsAcceptor::new(config).acceptor(counted)).serve(service).await
                }
            }
        };
        tokio::select! {
            served = serving => served,
            () = stopping => Ok(()),
        }
    }
}

/// What one connection may take: time to say what it wants, and exchanges at once.
fn bounded(mut server: Server<SocketAddr>) -> Server<SocketAddr> {
    let builder = server.http_builder();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100);
    server.first_request_timeout(HEAD)
}

impl Certificates {
    fn read(files: TlsFiles) -> Result<Self, ListenError> {
        let config = RustlsConfig::from_config(server_config(&files)?);
        Ok(Self { files, config })
    }

    /// Whether files can be used together.
    ///
    /// # Errors
    /// [`ListenError::File`].
    pub fn check(files: &TlsFiles) -> Result<(), ListenError> {
        server_config(files).map(drop)
    }

    /// The file with our certificate.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.files.certificate
    }

    /// Reads the files anew, for connections from now on. What can't be used leaves the old ones in place.
    ///
    /// # Errors
    /// [`ListenError::File`].
    pub fn reload(&self) -> Result<(), ListenError> {
        self.config.reload_from_config(server_config(&self.files)?);
        Ok(())
    }
}

fn server_config(files: &TlsFiles) -> Result<Arc<ServerConfig>, ListenError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, error))?;
    let builder = ServerConfig::builder();
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| wrong(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder(roots.into()).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| wrong(path, error))?)
        }
    };
    let mut config =
        builder.with_single_cert(chain, key).map_err(|error| wrong(&files.certificate, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ListenError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|error| wrong(path, error))?;
    if chain.is_empty() { Err(wrong(path, "holds no certificate (PEM)")) } else { Ok(chain) }
}

fn wrong(path: &Path, problem: impl std::fmt::Display) -> ListenError {
    ListenError::File { path: path.to_owned(), problem: problem.to_string() }
}
