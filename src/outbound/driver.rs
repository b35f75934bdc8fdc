//! One system's queue: claims only as many as can start now, and lets them run side by side.

use super::send::Delivery;
use crate::partner::Partner;
use crate::store::{Claimant, Lease, StoreError};
use jiff::SignedDuration;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Drives one system's deliveries. Each system has its own: one that is slow costs the others nothing.
pub struct Driver {
    /// What the work needs.
    pub delivery: Delivery,
    /// Which system.
    pub partner: Arc<Partner>,
    /// The longest between two looks.
    pub poll_interval: SignedDuration,
}

impl Driver {
    /// Claims and delivers until told to stop; then lets what is in flight finish.
    pub async fn run(self, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.partner.policy.concurrency as usize));
        let tracker = TaskTracker::new();
        let mut bell = self.delivery.bell.listen();
        while !stop.is_cancelled() {
            let free = slots.available_permits();
            let leases = if free == 0 { Vec::new() } else { self.claim_logged(free).await };
            let full = free > 0 && leases.len() == free;
            for lease in leases {
                let Ok(slot) = slots.clone().acquire_owned().await else { break };
                let (delivery, partner) = (self.delivery.clone(), self.partner.clone());
                tracker.spawn(async move {
                    work(&delivery, &partner, lease).await;
                    drop(slot);
                    delivery.bell.ring();
                });
            }
            // Register came first (`listen`), then the look; only now the sleep.
            if !full {
                let wait = self.until_next_due().await;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = bell.wait(&self.delivery.clock, wait) => {}
                }
            } else {
                tokio::select! {
                    () = stop.cancelled() => {}
                    freed = slots.acquire() => drop(freed),
                }
            }
        }
        tracker.close();
        tracker.wait().await;
    }

    /// Claims and finishes what is due now, once; returns how many there were. For tests and for draining.
    ///
    /// # Errors
    /// [`StoreError`] of the claim.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let leases = self.claim(self.partner.policy.concurrency as usize).await?;
        let count = leases.len();
        let tracker = TaskTracker::new();
        for lease in leases {
            let (delivery, partner) = (self.delivery.clone(), self.partner.clone());
            tracker.spawn(async move { work(&delivery, &partner, lease).await });
        }
        tracker.close();
        tracker.wait().await;
        Ok(count)
    }

    async fn claim_logged(&self, free: usize) -> Vec<Lease> {
        match self.claim(free).await {
            Ok(leases) => leases,
            Err(error) => {
                tracing::error!(system = %self.partner.system, error = %error, source = source(&error), "nothing could be claimed: trying again");
                Vec::new()
            }
        }
    }

    /// The first commit.
    async fn claim(&self, free: usize) -> Result<Vec<Lease>, StoreError> {
        let delivery = &self.delivery;
        let now = delivery.clock.now();
        let system = &self.partner.system;
        let mut look = delivery.store.read("look").await?;
        let row = look.system(system).await?;
        let due = look.next_due(system).await?;
        drop(look);
        // A look costs no write lock; most looks find nothing.
        if row.suspended.is_some() || row.paused.is_some() || due.is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        let until = now.saturating_add(delivery.lease).unwrap_or(now);
        let claimant = Claimant { worker: &delivery.worker, now, until };
        let mut tx = delivery.store.write("claim").await?;
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        let leases = tx.claim(system, self.partner.policy.following, limit, claimant).await?;
        tx.commit().await?;
        Ok(leases)
    }

    async fn until_next_due(&self) -> SignedDuration {
        let due = match self.delivery.store.read("look").await {
            Ok(mut tx) => tx.next_due(&self.partner.system).await.ok().flatten(),
            Err(_) => None,
        };
        let now = self.delivery.clock.now();
        // What is due already but was not claimed (suspended, no slot) is looked at again at the usual pace.
        let wait = due.map(|due| due.duration_since(now)).filter(|wait| wait.is_positive());
        wait.map_or(self.poll_interval, |wait| wait.min(self.poll_interval))
    }
}

async fn work(delivery: &Delivery, partner: &Arc<Partner>, lease: Lease) {
    let request_id = lease.stored.entry.request_id.clone();
    let done = delivery.work(partner, lease).await;
    if let Err(error) = done {
        tracing::error!(%request_id, system = %partner.system, error = %error, source = source(&error),
            "the work on a transfer could not be finished: its lease runs out, and what may have been sent is queried");
    }
}

fn source(error: &dyn std::error::Error) -> Option<String> {
    error.source().map(ToString::to_string)
}
