//! The way out, in turns: claim what is due, settle what ended meanwhile, put on record what begins, send. No
//! transaction is ever open while a partner is waited for.

mod clocks;
mod driver;
mod exchange;
mod ready;
mod settle;
mod step;
mod sweep;
mod turn;
mod upkeep;

pub use driver::{Desk, Driver};
pub use settle::{Consequence, Situation, consequence};
pub use sweep::Sweeper;
pub use upkeep::Upkeep;

use crate::clock::Clock;
use crate::notify::Bells;
use crate::organization::check::Organizations;
use crate::seal::Sealer;
use crate::store::Store;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// What every piece of work needs. Cheap to clone.
#[derive(Clone)]
pub struct Delivery {
    /// The outbox.
    pub store: Store,
    /// What opens documents and seals exchanges.
    pub sealer: Arc<Sealer>,
    /// What time it is.
    pub clock: Clock,
    /// Heard where something may be due; rung for the news of every turn.
    pub bells: Bells,
    /// Answers about organizations.
    pub organizations: Organizations,
    /// This run of this daemon, as it stands in leases and attempts.
    pub worker: Arc<str>,
    /// How long a claim lasts without being renewed.
    pub lease: SignedDuration,
}

impl Delivery {
    fn lease_from(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.lease).unwrap_or(Timestamp::MAX)
    }
}
