//! The addresses that the daemon listens on: TLS, client certificates, addresses of their own, and how much callers may take.

use crate::support::authority::Authority;
use crate::support::{Setup, TestApp, in_time, morning};
use jiff::SignedDuration;
use league_gateway::listener::{Address, Bound, TlsFiles};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An authority, and the files of what it signed.
struct Signed {
    folder: TempDir,
    authority: Authority,
}

impl Signed {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
        std::fs::write(folder.path().join("ca.pem"), &authority.pem).expect("written");
        Self { folder, authority }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).expect("it is there")
    }

    /// Writes `NAME.pem` and `NAME.key`, good for the machine itself.
    fn sign(&self, name: &str) {
        let (certificate, key) = self.authority.sign(2020, 2040);
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).expect("written");
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).expect("written");
    }

    /// What the configuration has of a server.
    fn keys(&self, name: &str) -> String {
        let path = |end: &str| self.file(&format!("{name}.{end}")).display().to_string();
        format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", path("pem"), path("key"))
    }

    /// A client that trusts it, with a certificate of one if that is given.
    fn client(&self, shows: Option<(&Self, &str)>) -> reqwest::Client {
        let roots = reqwest::Certificate::from_pem_bundle(&self.read("ca.pem")).expect("certificates");
        let mut builder =
            reqwest::Client::builder().no_proxy().tls_certs_only(roots).pool_max_idle_per_host(0);
        if let Some((by, name)) = shows {
            let pem = [by.read(&format!("{name}.pem")), by.read(&format!("{name}.key"))].concat();
            builder = builder.identity(reqwest::Identity::from_pem(&pem).expect("an identity"));
        }
        builder.build().expect("a client")
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own client, not the gateway's")]
async fn status(client: &reqwest::Client, url: &str) -> Option<u16> {
    client.get(url).send().await.ok().map(|answer| answer.status().as_u16())
}

async fn health(client: &reqwest::Client, test: &TestApp) -> Option<u16> {
    status(client, &format!("{}/healthz", test.listening()[0].url)).await
}

#[tokio::test]
async fn tls_is_spoken_where_it_is_configured() {
    let authority = Signed::new();
    authority.sign("server");
    let test = Setup::daemon().config(&format!("[http]\n{}", authority.keys("server"))).start().await;
    let url = test.listening()[0].url.clone();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    assert_eq!(health(&authority.client(None), &test).await, Some(200));
    assert_eq!(health(&Signed::new().client(None), &test).await, None, "of another authority");
    let plain = format!("http://{}/healthz", url.trim_start_matches("https://"));
    assert_eq!(status(&authority.client(None), &plain).await, None);
    test.finish().await;
}

#[tokio::test]
async fn without_a_certificate_of_its_authority_nobody_is_heard() {
    let (servers, clients, others) = (Signed::new(), Signed::new(), Signed::new());
    servers.sign("server");
    for authority in [&clients, &others] {
        authority.sign("client");
    }
    let ca = clients.file("ca.pem");
    let config = format!("[http]\n{}client_ca = \"{}\"\n", servers.keys("server"), ca.display());
    let test = Setup::daemon().config(&config).start().await;
    assert_eq!(health(&servers.client(Some((&clients, "client"))), &test).await, Some(200));
    assert_eq!(health(&servers.client(None), &test).await, None);
    assert_eq!(health(&servers.client(Some((&others, "client"))), &test).await, None);
    test.finish().await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let (old, new) = (Signed::new(), Signed::new());
    old.sign("server");
    new.sign("server");
    let test = Setup::daemon().config(&format!("[http]\n{}", old.keys("server"))).start().await;
    let certificates = test.listening()[0].certificates.clone().expect("TLS");
    std::fs::write(old.file("server.pem"), "no certificate").expect("written");
    let problem = certificates.reload().expect_err("it can't be used").to_string();
    assert!(problem.contains("server.pem") && problem.contains("no certificate"), "{problem}");
    assert_eq!(health(&old.client(None), &test).await, Some(200), "the old one is served");
    for name in ["server.pem", "server.key"] {
        std::fs::write(old.file(name), new.read(name)).expect("written");
    }
    certificates.reload().expect("it is taken up");
    assert_eq!(health(&new.client(None), &test).await, Some(200));
    assert_eq!(health(&old.client(None), &test).await, None);
    test.finish().await;
}

#[tokio::test]
async fn what_has_an_address_of_its_own_is_served_there_alone() {
    let authority = Signed::new();
    authority.sign("server");
    let tls = authority.keys("server");
    let config = format!(
        "[http.callbacks]\nlisten = \"127.0.0.1:0\"\n[http.operator]\nlisten = \"127.0.0.1:0\"\n{tls}"
    );
    let test = Setup::daemon().config(&config).start().await;
    let urls: Vec<String> = test.listening().iter().map(|one| one.url.clone()).collect();
    let [upstream, callbacks, operator] = urls.as_slice() else { panic!("{urls:?}") };
    assert!(operator.starts_with("https://") && callbacks.starts_with("http://"), "{urls:?}");
    let client = authority.client(None);
    let get = async |url: &str, path: &str| status(&client, &format!("{url}{path}")).await;
    // 401 is an address that is served, 405 one that takes another method.
    for (path, served) in [
        ("/v1/events", [Some(401), Some(404), Some(404)]),
        ("/callbacks/guangdong", [Some(404), Some(405), Some(404)]),
        ("/v1/operator/audit", [Some(404), Some(404), Some(401)]),
        ("/healthz", [Some(200), Some(200), Some(200)]),
        ("/openapi.json", [Some(200), Some(200), Some(200)]),
    ] {
        let got = [get(upstream, path).await, get(callbacks, path).await, get(operator, path).await];
        assert_eq!(got, served, "{path}");
    }
    test.finish().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed_at_once() {
    let config = "[http]\nmax_connections = 2\n[http.operator]\nlisten = \"127.0.0.1:0\"\n";
    let test = Setup::daemon().config(config).start().await;
    test.cut_callbacks();
    let address = test.listening()[0].url.trim_start_matches("http://").to_owned();
    let ask = async |stream: &mut TcpStream| {
        let request = b"GET /healthz HTTP/1.1\r\nhost: gateway.test\r\n\r\n";
        let mut answer = [0u8; 12];
        let sent = stream.write_all(request).await.is_ok();
        sent && stream.read_exact(&mut answer).await.is_ok() && &answer == b"HTTP/1.1 200"
    };
    let connect = async || TcpStream::connect(&address).await.expect("a connection");
    let (mut one, mut two) = (connect().await, connect().await);
    assert!(ask(&mut one).await && ask(&mut two).await);
    let mut three = connect().await;
    assert!(!in_time("the third to be closed", ask(&mut three)).await);
    let operators = test.listening()[1].url.trim_start_matches("http://").to_owned();
    let mut desk = TcpStream::connect(operators).await.expect("a connection");
    assert!(ask(&mut desk).await, "another address has places of its own");
    drop(one);
    // Its place is free as soon as its end was seen.
    in_time("a place to be free", async {
        while !ask(&mut connect().await).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(two);
    test.finish().await;
}

#[tokio::test]
async fn a_token_that_asks_too_much_waits() {
    let test = Setup::by_hand().config("[http]\nrate_per_second = 20\n").start().await;
    let other = test.client_with("other", &[league_gateway::access::Role::View]).await;
    for _ in 0..2 {
        assert_eq!(test.client.get("/v1/routes").await.status, 200);
    }
    let refused = test.client.get("/v1/routes").await;
    assert_eq!(refused.header("retry-after"), "1");
    refused.problem(429, "too_many_requests");
    assert_eq!(other.get("/v1/routes").await.status, 200, "each has its own");
    assert_eq!(test.client.get("/healthz").await.status, 200, "probes have none");
    test.app.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(test.client.get("/v1/routes").await.status, 200);
    assert!(test.app.clock.now() > morning());
    test.finish().await;
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let authority = Signed::new();
    authority.sign("server");
    let files = |certificate: &str, key: &str| TlsFiles {
        certificate: authority.file(certificate),
        key: authority.file(key),
        client_ca: None,
    };
    let address = |tls| Address { listen: "127.0.0.1:0".parse().expect("an address"), tls: Some(tls) };
    drop(rustls::crypto::ring::default_provider().install_default());
    assert!(Bound::bind(&address(files("server.pem", "server.key"))).is_ok());
    for (certificate, key, at_fault) in [
        ("server.key", "server.key", "server.key"),
        ("server.pem", "ca.pem", "ca.pem"),
        ("ca.pem", "server.key", "ca.pem"),
        ("missing.pem", "server.key", "missing.pem"),
    ] {
        let problem = Bound::bind(&address(files(certificate, key))).err().map(|error| error.to_string());
        assert!(
            problem.as_ref().is_some_and(|text| text.contains(at_fault)),
            "{certificate} {key}: {problem:?}"
        );
    }
}
