//! Work that comes in single pieces and is done in one go: what waits at the same time is one piece of [`Work`].

use super::{Sharing, Store, StoreError, Tx, Work};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// The most that is done in one go: one that fails makes all of them run again alone.
const MOST: usize = 64;

/// Work of which many pieces cost little more than one. Like [`Work`], it may run more than once.
pub trait Together: Clone + Send + Sync + 'static {
    /// What its transactions are called in metrics.
    const NAME: &'static str;

    /// What comes of one.
    type Done: Send + 'static;

    /// Does all of them; what comes of each, in their order.
    fn run_all(all: &[Self], tx: &mut Tx)
    -> impl Future<Output = Result<Vec<Self::Done>, StoreError>> + Send;
}

/// Where pieces wait for each other: while some are being committed, those that come make up the next go.
pub struct Gathering<T: Together> {
    store: Store,
    waiting: Arc<Mutex<Waiting<T>>>,
}

struct Waiting<T: Together> {
    pieces: Vec<Piece<T>>,
    /// Somebody takes them up.
    taken_up: bool,
}

struct Piece<T: Together> {
    piece: T,
    reply: oneshot::Sender<Result<T::Done, StoreError>>,
}

/// All that waited.
struct All<T>(Vec<T>);

impl<T: Together> Work for All<T> {
    const NAME: &'static str = T::NAME;

    type Done = Vec<T::Done>;

    fn sharing(&self) -> Sharing {
        Sharing::Alone
    }

    async fn run(&self, tx: &mut Tx) -> Result<Self::Done, StoreError> {
        T::run_all(&self.0, tx).await
    }
}

impl<T: Together> Gathering<T> {
    /// A place for work in a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, waiting: Arc::new(Mutex::new(Waiting { pieces: Vec::new(), taken_up: false })) }
    }

    /// Does a piece of work together with what waits now; returns after the commit.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it was kept.
    pub async fn run(&self, piece: T) -> Result<T::Done, StoreError> {
        let (reply, done) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.pieces.push(Piece { piece, reply });
            !std::mem::replace(&mut waiting.taken_up, true)
        };
        if first {
            let (store, hand) = (self.store.clone(), Hand(self.waiting.clone()));
            // A task of its own: whoever asked first may go away.
            tokio::spawn(async move { take_up(&store, &hand).await });
        }
        done.await.map_err(|_| StoreError::Closed)?
    }
}

/// Takes up what waits. Dropped, by a panic too, others may.
struct Hand<T: Together>(Arc<Mutex<Waiting<T>>>);

impl<T: Together> Hand<T> {
    /// The next go; without one nobody takes up any more.
    fn next(&self) -> Vec<Piece<T>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever went away is asked for again by whoever sent it: what waits must not grow while a database is gone.
        waiting.pieces.retain(|one| !one.reply.is_closed());
        let most = waiting.pieces.len().min(MOST);
        waiting.taken_up = most > 0;
        waiting.pieces.drain(..most).collect()
    }
}

impl<T: Together> Drop for Hand<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Those that wait are told that it failed.
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.taken_up = false;
            waiting.pieces.clear();
        }
    }
}

async fn take_up<T: Together>(store: &Store, hand: &Hand<T>) {
    loop {
        let go = hand.next();
        if go.is_empty() {
            return;
        }
        let pieces: Vec<T> = go.iter().map(|one| one.piece.clone()).collect();
        match store.grouped(All(pieces)).await {
            Ok(done) => go.into_iter().zip(done).for_each(|(one, done)| drop(one.reply.send(Ok(done)))),
            Err(error) if go.len() == 1 => {
                go.into_iter().zip([error]).for_each(|(one, error)| drop(one.reply.send(Err(error))));
            }
            Err(error) => {
                tracing::warn!(%error, pieces = go.len(), "work that was done in one go failed: each is tried alone");
                let mut gone = error.is_unreachable();
                for Piece { piece, reply } in go {
                    let done = if gone {
                        Err(StoreError::Closed)
                    } else {
                        let done = store.grouped(All(vec![piece])).await;
                        done.and_then(|done| done.into_iter().next().ok_or(StoreError::Closed))
                    };
                    gone = gone || done.as_ref().is_err_and(StoreError::is_unreachable);
                    // Nobody may be waiting any more: the work is done all the same.
                    drop(reply.send(done));
                }
            }
        }
    }
}
