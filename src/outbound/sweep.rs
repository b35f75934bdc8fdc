//! What time brings: leases that ran out.

use crate::clock::Clock;
use crate::notify::Bell;
use crate::partner::Partners;
use crate::store::{Rescued, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Takes back what nobody works on any more.
pub struct Sweeper {
    /// The outbox.
    pub store: Store,
    /// The systems.
    pub partners: Arc<Partners>,
    /// What time it is.
    pub clock: Clock,
    /// Rung when something was taken back.
    pub bell: Bell,
    /// How often to look.
    pub interval: SignedDuration,
}

impl Sweeper {
    /// Sweeps until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(self.interval) => {}
            }
            if let Err(error) = self.rescue(self.clock.now()).await {
                tracing::error!(%error, "abandoned leases could not be taken back: trying again");
            }
        }
    }

    /// Takes back every lease: on SQLite, a daemon that has just started is the only one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rescue_all(&self) -> Result<Rescued, StoreError> {
        let rescued = self.rescue(Timestamp::MAX).await?;
        // A transfer that a callback moved on while it was being sent has no lease, but its exchange may be open yet.
        let mut tx = self.store.write("close abandoned exchanges").await?;
        tx.abandon_all_attempts(self.clock.now()).await?;
        tx.commit().await?;
        Ok(rescued)
    }

    /// Takes back the leases that ended before an instant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rescue(&self, expired_before: Timestamp) -> Result<Rescued, StoreError> {
        let mut all = Rescued::default();
        loop {
            let before = all;
            let mut tx = self.store.write("rescue").await?;
            // A system that is no longer configured keeps its transfers until it is back.
            for (system, partner) in self.partners.iter() {
                let following = partner.policy.following;
                let rescued = tx.rescue(system, following, expired_before, self.clock.now()).await?;
                all.queued += rescued.queued;
                all.unconfirmed += rescued.unconfirmed;
                all.freed += rescued.freed;
            }
            // Also without a rescue: a damaged row may have been set aside.
            tx.commit().await?;
            if all == before {
                break;
            }
        }
        if all != Rescued::default() {
            tracing::warn!(
                queued = all.queued,
                unconfirmed = all.unconfirmed,
                freed = all.freed,
                "abandoned work taken back"
            );
            self.bell.ring();
        }
        Ok(all)
    }
}
