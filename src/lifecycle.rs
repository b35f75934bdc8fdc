//! Start and stop: tasks under one tracker, a soft stop that lets exchanges finish, and a hard one that does not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// A task ended by a panic.
    failed: Arc<AtomicBool>,
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

/// SIGHUP, caught from the moment that this exists.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Begins to catch it.
    ///
    /// # Errors
    /// Where the operating system gives no signal handler.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything finished.
    Clean,
    /// A part of the daemon ended by a panic, and the rest was stopped with it.
    Failed,
    /// The grace time ran out, or a second signal came: what was in flight is taken back at the next start.
    Hard,
}

impl Lifecycle {
    /// No tasks yet; `stop` is what ends them.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, tracker: TaskTracker::new(), failed: Arc::default() }
    }

    /// Runs a task until it ends by itself after the soft stop. A panic in it stops the daemon, which would look alive
    /// and do only a part of its work: whoever supervises it starts it again.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, failed) = (self.stop.clone(), self.failed.clone());
        let task = tokio::spawn(task);
        self.tracker.spawn(async move {
            if let Err(error) = task.await {
                tracing::error!(%error, "a part of the daemon failed: it stops");
                failed.store(true, Ordering::Relaxed);
                stop.cancel();
            }
        });
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
            _ if self.failed.load(Ordering::Relaxed) => Ended::Failed,
            Ok(()) => Ended::Clean,
            Err(_) => Ended::Hard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_part_stops_the_whole() {
        let lifecycle = Lifecycle::new(CancellationToken::new());
        let stop = lifecycle.stop.clone();
        lifecycle.spawn(async move { stop.cancelled().await });
        lifecycle.spawn(async { panic!("a defect") });
        lifecycle.stop.cancelled().await;
        assert_eq!(lifecycle.finish(Duration::from_secs(30)).await, Ended::Failed);
    }

    #[tokio::test]
    async fn parts_that_end_by_themselves_are_no_failure() {
        let lifecycle = Lifecycle::new(CancellationToken::new());
        lifecycle.spawn(async {});
        assert_eq!(lifecycle.finish(Duration::from_secs(30)).await, Ended::Clean);
    }
}
