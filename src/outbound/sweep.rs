//! What time brings: leases that ran out, the work of daemons that are gone, alarms.

use super::{Upkeep, clocks};
use crate::clock::Clock;
use crate::inbound::apply_waiting;
use crate::notify::Bells;
use crate::partner::Partners;
use crate::seal::Sealer;
use crate::store::{Abandoned, Presence, Rescued, Store, StoreError, despite_races};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So old an event may be that missed its transfer, and so many are applied in a look: what is older, the reconciling query
/// finds out.
const MISSED: SignedDuration = SignedDuration::from_hours(1);
const MOST_MISSED: i64 = 100;

/// The least between two looks at queues and deadlines.
const BETWEEN_LOOKS: SignedDuration = SignedDuration::from_secs(10);

/// Takes back what nobody works on any more, and looks after the alarms.
pub struct Sweeper {
    /// The outbox.
    pub store: Store,
    /// The systems.
    pub partners: Arc<Partners>,
    /// Opens the events that waited.
    pub sealer: Arc<Sealer>,
    /// What time it is.
    pub clock: Clock,
    /// Rung when something was taken back.
    pub bells: Bells,
    /// How often to look.
    pub interval: SignedDuration,
    /// What else whoever leads does.
    pub upkeep: Upkeep,
}

impl Sweeper {
    /// Shows this daemon's sign of life, and sweeps while it leads, until told to stop and `drivers` have ended: as
    /// long as they hold leases, others must be able to tell whether this daemon lives.
    pub async fn run(mut self, mut presence: Presence, stop: CancellationToken, drivers: TaskTracker) {
        let ended = async {
            stop.cancelled().await;
            drivers.wait().await;
        };
        let mut ended = std::pin::pin!(ended);
        let mut looked = None;
        loop {
            tokio::select! {
                () = &mut ended => break,
                () = self.clock.sleep(self.interval) => {}
            }
            if let Err(error) = self.sweep(&mut presence).await {
                tracing::error!(%error, "abandoned work could not be taken back: trying again");
            }
            if !presence.leads().yes() {
                clocks::show_nothing(&self.partners);
            }
            let now = self.clock.now();
            // A clock that was set back must not silence the alarms.
            let due = looked.is_none_or(|at: Timestamp| now.duration_since(at).abs() >= BETWEEN_LOOKS);
            if due && presence.leads().yes() {
                looked = Some(now);
                if let Err(error) = self.look().await {
                    tracing::error!(%error, "alarms could not be looked after: trying again");
                }
                if let Err(error) = self.upkeep.look(now).await {
                    tracing::error!(%error, "what is old could not be looked after: trying again");
                }
            }
        }
        if let Err(error) = presence.leave(&self.store).await {
            tracing::warn!(%error, "this daemon could not say good-bye: another one, or its next start, looks after it");
        }
    }

    /// One look: this daemon lives, and if it leads, nothing stays with those that do not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self, presence: &mut Presence) -> Result<(), StoreError> {
        presence.beat(&self.store, self.clock.now()).await?;
        if presence.leads().yes() {
            self.rescue_gone(presence).await?;
            self.rescue(Abandoned::Before(self.clock.now())).await?;
        } else {
            presence.watch(&self.store, self.clock.now()).await?;
        }
        Ok(())
    }

    /// Looks at queues and deadlines, raises and clears their alarms, forgets old nonces, and applies events that missed their
    /// transfer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look(&self) -> Result<(), StoreError> {
        clocks::look(&self.store, &self.partners, self.clock.now()).await?;
        self.apply_missed().await
    }

    /// A transfer and its event may have been committed at the same time, neither seeing the other.
    async fn apply_missed(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let since = now.saturating_sub(MISSED).unwrap_or(Timestamp::MIN);
        let missed = self
            .store
            .glance("missed events", |mut tx| async move { tx.matched(since, MOST_MISSED).await })
            .await?;
        for (system, id) in missed {
            let partner = self.partners.iter().find(|(known, _)| known.as_str() == system);
            let Some((_, partner)) = partner else { continue };
            let following = partner.policy.following;
            let applied = despite_races(async || {
                let mut tx = self.store.write("missed events").await?;
                apply_waiting(&mut tx, &self.sealer, following, id, now).await?;
                tx.commit().await
            });
            match applied.await {
                Ok(()) => self.bells.changed(),
                // It stops nothing but itself.
                Err(error @ StoreError::BadRow { .. }) => {
                    tracing::error!(id, %error, "an event that missed its transfer can't be applied");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes back every lease: on SQLite, a daemon that has just started is the only one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rescue_all(&self) -> Result<Rescued, StoreError> {
        let rescued = self.rescue(Abandoned::Before(Timestamp::MAX)).await?;
        self.close_attempts(None).await?;
        Ok(rescued)
    }

    /// Takes back the work of daemons that are gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rescue_gone(&self, presence: &mut Presence) -> Result<(), StoreError> {
        for instance in presence.gone(&self.store, self.clock.now()).await? {
            self.bury(&instance).await?;
        }
        Ok(())
    }

    /// Takes back the work of one daemon, which is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bury(&self, instance: &str) -> Result<(), StoreError> {
        self.rescue(Abandoned::Of(instance)).await?;
        self.close_attempts(Some(instance)).await?;
        despite_races(async || {
            let mut tx = self.store.write("forget a daemon").await?;
            tx.forget_daemon(instance).await?;
            tx.commit().await
        })
        .await
    }

    /// A transfer that a callback moved on while it was being sent has no lease, but its exchange may be open yet.
    async fn close_attempts(&self, instance: Option<&str>) -> Result<(), StoreError> {
        despite_races(async || {
            let mut tx = self.store.write("close abandoned exchanges").await?;
            tx.abandon_all_attempts(instance, self.clock.now()).await?;
            tx.commit().await
        })
        .await
    }

    /// Takes back abandoned leases.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn rescue(&self, abandoned: Abandoned<'_>) -> Result<Rescued, StoreError> {
        let mut all = Rescued::default();
        loop {
            let rescued = despite_races(|| self.rescue_some(abandoned)).await?;
            if rescued == Rescued::default() {
                break;
            }
            all += rescued;
        }
        if all != Rescued::default() {
            tracing::warn!(
                queued = all.queued,
                unconfirmed = all.unconfirmed,
                freed = all.freed,
                "abandoned work taken back"
            );
            self.bells.changed();
        }
        Ok(all)
    }

    async fn rescue_some(&self, abandoned: Abandoned<'_>) -> Result<Rescued, StoreError> {
        let mut all = Rescued::default();
        let mut tx = self.store.write("rescue").await?;
        // A system that is no longer configured keeps its transfers until it is back.
        for (system, partner) in self.partners.iter() {
            let following = partner.policy.following;
            all += tx.rescue(system, following, abandoned, self.clock.now()).await?;
        }
        // Also without a rescue: a damaged row may have been set aside.
        tx.commit().await?;
        Ok(all)
    }
}
