//! Start and stop: tasks under one tracker, a soft stop that lets exchanges finish, and a hard one that does not wait.

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a daemon.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    /// Cancelled by the soft stop.
    pub stop: CancellationToken,
    tracker: TaskTracker,
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
    /// Runs a task until it ends by itself after the soft stop.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Waits for SIGTERM or SIGINT, then stops softly, and hard after the grace time or at a second signal.
    ///
    /// # Errors
    /// Where the operating system gives no signal handlers.
    pub async fn until_signal(&self, grace: Duration) -> std::io::Result<Ended> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            () = self.stop.cancelled() => {}
        }
        tracing::info!(grace = ?grace, "stopping: no more claims, exchanges in flight may finish");
        let second = async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        };
        tokio::select! {
            ended = self.finish(grace) => Ok(ended),
            () = second => Ok(Ended::Hard),
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
