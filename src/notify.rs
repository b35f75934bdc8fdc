//! Wake-ups inside the daemon. A wake-up carries no data: register, look, sleep, and poll anyway.

use crate::clock::Clock;
use jiff::SignedDuration;
use tokio::sync::watch;

/// Rings when something changed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bell(watch::Sender<u64>);

/// A bell for each kind of change, so that nobody looks in vain. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    /// Something may be due: those who deliver look.
    pub work: Bell,
    /// The event feed has more: those who tell upstream look.
    pub news: Bell,
    /// Upstream put rows into its table.
    pub intake: Bell,
    /// An act on many was begun, paused, resumed or cancelled: by this process, or perhaps by another one that announced something.
    pub acts: Bell,
}

impl Bells {
    /// The outbox changed: something may be due, and the feed tells of it.
    pub fn changed(&self) {
        self.work.ring();
        self.news.ring();
    }
}

/// Somebody who listens. What rang since the last wait is not missed.
#[derive(Debug)]
pub struct Listener(watch::Receiver<u64>);

impl Default for Bell {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Bell {
    /// Wakes everybody who listens.
    pub fn ring(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Registers; do it before you look.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

impl Listener {
    /// Waits for the bell, or for a while.
    pub async fn wait(&mut self, clock: &Clock, longest: SignedDuration) {
        tokio::select! {
            // A bell that is gone rings no more: the poll is left.
            rung = self.0.changed() => if rung.is_err() { clock.sleep(longest).await },
            () = clock.sleep(longest) => {}
        }
    }
}
