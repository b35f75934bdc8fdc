//! Start and stop: tasks under one tracker, a soft stop that lets exchanges finish, and a hard one that does not wait.

use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a daemon.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    /// Cancelled by the soft stop.
    pub stop: CancellationToken,
    tracker: TaskTracker,
}

/// SIGTERM and SIGINT, caught from the moment that this exists.
#[derive(Debug)]
pub struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    /// Where the operating system gives no signal handlers.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything finished.
    Clean,
    /// The grace time ran out, or a second signal came: what was in flight is taken back at the next start.
    Hard,
}

impl Lifecycle {
    /// No tasks yet; `stop` is what ends them.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, tracker: TaskTracker::new() }
    }

    /// Runs a task until it ends by itself after the soft stop.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Waits for a signal, then stops softly, and hard after the grace time or at a second signal.
    pub async fn until_signal(&self, signals: &mut Signals, grace: Duration) -> Ended {
        tokio::select! {
            () = signals.next() => {}
            () = self.stop.cancelled() => {}
        }
        tracing::info!(grace = ?grace, "stopping: no more claims, exchanges in flight may finish");
        tokio::select! {
            ended = self.finish(grace) => ended,
            () = signals.next() => Ended::Hard,
        }
    }

    /// Stops softly and waits for the tasks, no longer than the grace time.
    pub async fn finish(&self, grace: Duration) -> Ended {
        self.stop.cancel();
        self.tracker.close();
        match tokio::time::timeout(grace, self.tracker.wait()).await {
            Ok(()) => Ended::Clean,
            Err(_) => Ended::Hard,
        }
    }
}
