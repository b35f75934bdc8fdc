//! Wake-ups from other processes, where the database carries them. They make things faster, nothing more: whoever waits
//! for a bell looks every now and then anyway.

use super::dialect::{CHANNEL_POSTGRES, INTAKE_WORD};
use super::tx::Store;
use crate::clock::Clock;
use crate::notify::Bells;
use jiff::SignedDuration;
use sqlx::postgres::{PgListener, PgPool};

/// Between two attempts to listen again.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

impl Store {
    /// Rings for what other processes announce, for as long as the store is open; on SQLite nobody announces anything, and it
    /// ends at once. A connection that is lost is made again, and then all of them ring: something may have been missed.
    pub async fn listen(&self, bells: Bells, clock: Clock) {
        let Some(pool) = self.postgres() else { return };
        loop {
            match relay(pool, &bells, &self.announcer).await {
                Ok(()) => tracing::warn!(
                    "the database's wake-ups are cut off: polling goes on, listening again soon"
                ),
                Err(sqlx::Error::PoolClosed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the database's wake-ups can't be heard: polling goes on, listening again soon");
                }
            }
            clock.sleep(PAUSE).await;
        }
    }
}

/// Until the connection is lost.
async fn relay(pool: &PgPool, bells: &Bells, own: &str) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL_POSTGRES).await?;
    bells.intake.ring();
    bells.acts.ring();
    bells.changed();
    while let Some(heard) = listener.try_recv().await? {
        match heard.payload() {
            INTAKE_WORD => bells.intake.ring(),
            // Who delivers here has heard of it without the database; who tells upstream perhaps not.
            announcer if announcer == own => bells.news.ring(),
            _ => {
                bells.changed();
                bells.acts.ring();
            }
        }
    }
    Ok(())
}
