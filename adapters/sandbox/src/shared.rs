//! What the three partners share while they run.

use crate::book::Book;
use crate::faults::Faults;
use crate::organizations::Directory;
use crate::report::{Report, TransferReport, Violation};
use crate::script::Script;
use crate::{Identity, Pace, Partner, SandboxConfig};
use jiff::Timestamp;
use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How far a sender's clock may be from ours, in seconds.
pub(crate) const WINDOW_SECONDS: i64 = 300;
/// How long a nonce is remembered, in seconds.
const MEMORY_SECONDS: i64 = 600;

pub(crate) struct Shared {
    pub(crate) identities: [Identity; 3],
    pub(crate) directory: Directory,
    pub(crate) pace: Pace,
    pub(crate) http: reqwest::Client,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Random once, so that no two runs give out the same nonces and ids.
    run: [u8; 8],
    counter: AtomicU64,
    state: Mutex<State>,
    busy: watch::Sender<usize>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

pub(crate) struct State {
    pub(crate) books: [Book; 3],
    pub(crate) script: Script,
    pub(crate) faults: Faults,
    pub(crate) gateway: Option<String>,
    nonces: [Nonces; 3],
    violations: Vec<Violation>,
}

/// The nonces that one partner has accepted lately.
#[derive(Debug, Default)]
struct Nonces {
    known: HashSet<String>,
    order: VecDeque<(Timestamp, String)>,
}

impl Nonces {
    fn accept(&mut self, nonce: &str, now: Timestamp) -> bool {
        while let Some((at, _)) = self.order.front()
            && now.as_second() - at.as_second() > MEMORY_SECONDS
            && let Some((_, old)) = self.order.pop_front()
        {
            self.known.remove(&old);
        }
        let fresh = self.known.insert(nonce.to_owned());
        if fresh {
            self.order.push_back((now, nonce.to_owned()));
        }
        fresh
    }
}

/// While it lives, the sandbox has something ahead of it.
pub(crate) struct Busy(watch::Sender<usize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Shared {
    pub(crate) fn new(config: SandboxConfig) -> io::Result<Self> {
        let mut run = [0; 8];
        getrandom::fill(&mut run).map_err(io::Error::other)?;
        let prefix = hex::encode(&run[..4]);
        let identities =
            [config.credentials.smart_league, config.credentials.guangdong, config.credentials.fujian];
        Ok(Self {
            identities,
            directory: Directory::new(config.organizations),
            http: client(config.pace.push_timeout)?,
            pace: config.pace,
            clock: config.clock,
            run,
            counter: AtomicU64::new(0),
            state: Mutex::new(State {
                books: Partner::ALL.map(|partner| Book::new(partner, &prefix)),
                script: config.script,
                faults: config.faults,
                gateway: config.gateway,
                nonces: Default::default(),
                violations: Vec::new(),
            }),
            busy: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        })
    }

    /// Now, to the millisecond: no profile knows less.
    pub(crate) fn now(&self) -> Timestamp {
        let now = (self.clock)();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Nanoseconds since the epoch.
    pub(crate) fn precise_now(&self) -> i128 {
        (self.clock)().as_nanosecond()
    }

    /// Sixteen bytes that no other call and no other run gets.
    pub(crate) fn fresh(&self) -> [u8; 16] {
        let number = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        std::array::from_fn(|at| if at < 8 { self.run[at] } else { number[at - 8] })
    }

    pub(crate) fn identity(&self, partner: Partner) -> &Identity {
        &self.identities[partner as usize]
    }

    /// The secret to sign with, or one that nobody has.
    pub(crate) fn signing_secret(&self, partner: Partner, genuine: bool) -> &str {
        let own = self.identity(partner).secrets.first().map_or("", String::as_str);
        if genuine { own } else { "a secret that nobody has" }
    }

    /// The lock is never held over an await. A panic under it leaves nothing half-written that matters here.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a partner's books, alone.
    pub(crate) fn book<T>(&self, partner: Partner, act: impl FnOnce(&mut Book) -> T) -> T {
        act(&mut self.state().books[partner as usize])
    }

    pub(crate) fn violation(&self, system: Partner, what: String) {
        tracing::warn!(%system, what, "the gateway broke the profile");
        self.state().violations.push(Violation { system, what, at: self.now() });
    }

    /// Remembers a nonce; false when it had been accepted before.
    pub(crate) fn accept_nonce(&self, partner: Partner, nonce: &str) -> bool {
        let now = self.now();
        self.state().nonces[partner as usize].accept(nonce, now)
    }

    /// Whether an instant is outside the window around now, and by how much.
    pub(crate) fn skew(&self, instant: Timestamp) -> Option<String> {
        let seconds = self.now().duration_since(instant).as_secs();
        let outside = seconds.abs() > WINDOW_SECONDS;
        outside.then(|| format!("{seconds} 秒"))
    }

    pub(crate) fn busy(&self) -> Busy {
        self.busy.send_modify(|count| *count += 1);
        Busy(self.busy.clone())
    }

    /// Resolves when no life has a step ahead and no push waits for its answer.
    pub(crate) async fn idle(&self) {
        let mut count = self.busy.subscribe();
        // The sender lives as long as self: the wait can't fail.
        count.wait_for(|count| *count == 0).await.ok();
    }

    /// Runs a task until it ends or the sandbox stops; `None` says that it was stopped.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let stop = self.stop.clone();
        self.tasks.spawn(async move { stop.run_until_cancelled(task).await })
    }

    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn stop(&self) {
        self.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(crate) fn report(&self) -> Report {
        let state = self.state();
        let transfers = Partner::ALL.into_iter().zip(&state.books).flat_map(|(system, book)| {
            book.lines().map(move |(request_id, tally, effective, status)| TransferReport {
                system,
                request_id: request_id.clone(),
                submits: tally.submits,
                effective,
                blind_submits: tally.blind_submits,
                resubmits: tally.resubmits,
                status,
                callbacks_sent: tally.callbacks_sent,
                callbacks_answered: tally.callbacks_answered,
            })
        });
        Report { transfers: transfers.collect(), violations: state.violations.clone() }
    }
}

/// The sandbox speaks plain HTTP on loopback: the TLS settings exist only because the client asks for some.
fn client(timeout: Duration) -> io::Result<reqwest::Client> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).timeout(timeout).no_proxy();
    client.build().map_err(io::Error::other)
}

/// Waits, unless there is nothing to wait for.
pub(crate) async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
