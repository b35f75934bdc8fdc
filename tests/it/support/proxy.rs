//! A TCP proxy on loopback that fails as networks do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// What it does with connections, open ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Carries everything.
    Fair,
    /// Takes connections and requests, and never says a word: what it is sent goes nowhere.
    Silent,
    /// Carries requests, and the first bytes of the answers; then nothing, and the connection stays open.
    Stalls,
    /// Carries requests, and cuts the connection in the middle of the answer.
    Cuts,
    /// Nobody is there: every connection is cut at once.
    Gone,
}

/// So much of an answer comes through before it stalls or is cut.
const BEGINNING: usize = 40;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mood: watch::Sender<Mood>,
    taken: Arc<AtomicUsize>,
    swallowed: Arc<AtomicUsize>,
    _tasks: tokio_util::sync::DropGuard,
}

impl Proxy {
    /// Begins to carry everything to `target`, `host:port`.
    pub(crate) async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (mood, taken) = (watch::Sender::new(Mood::Fair), Arc::<AtomicUsize>::default());
        let swallowed = Arc::<AtomicUsize>::default();
        let silent = swallowed.clone();
        let stop = tokio_util::sync::CancellationToken::new();
        let (changes, count, stopped) = (mood.subscribe(), taken.clone(), stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let tasks = TaskTracker::new();
            loop {
                let (inner, _) = listener.accept().await.expect("a connection");
                count.fetch_add(1, Ordering::Relaxed);
                let carrying = carry(inner, target.clone(), changes.clone(), silent.clone());
                tasks.spawn(stopped.clone().run_until_cancelled_owned(carrying));
            }
        }));
        Self { address, mood, taken, swallowed, _tasks: stop.drop_guard() }
    }

    /// For `base_url`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes for all connections, those that are open included.
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// How many connections came so far.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many connections had a request swallowed: they are silent for good.
    pub(crate) fn swallowed(&self) -> usize {
        self.swallowed.load(Ordering::Relaxed)
    }
}

async fn carry(
    inner: TcpStream,
    target: String,
    mut mood: watch::Receiver<Mood>,
    swallowed: Arc<AtomicUsize>,
) {
    if *mood.borrow_and_update() == Mood::Gone {
        return;
    }
    let Ok(outer) = TcpStream::connect(target).await else { return };
    let (inner_read, inner_write) = inner.into_split();
    let (outer_read, outer_write) = outer.into_split();
    tokio::select! {
        () = requests(inner_read, outer_write, mood.clone(), &swallowed) => {}
        () = answers(outer_read, inner_write, mood.clone()) => {}
        _ = mood.wait_for(|mood| *mood == Mood::Gone) => {}
    }
}

/// A request that was swallowed once leaves its connection silent for good.
async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mood: watch::Receiver<Mood>,
    swallowed: &AtomicUsize,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut silent = false;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !silent && *mood.borrow() == Mood::Silent {
            silent = true;
            swallowed.fetch_add(1, Ordering::Relaxed);
        }
        if !silent && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// So does an answer that has stalled.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mood: watch::Receiver<Mood>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let now = *mood.borrow();
        let carried = match now {
            Mood::Fair => count,
            Mood::Stalls | Mood::Cuts => count.min(BEGINNING),
            Mood::Silent | Mood::Gone => 0,
        };
        if to.write_all(&buffer[..carried]).await.is_err() || now == Mood::Cuts {
            return;
        }
        if now != Mood::Fair {
            return std::future::pending().await;
        }
    }
}
