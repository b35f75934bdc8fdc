//! Sealing everything anew with the first key, beside daemons that work on, so that an older key can go. In small pieces: it may
//! be stopped at any time, and whoever takes it up again passes over what is done.

use crate::seal::{SealError, Sealer};
use crate::store::{SealedValue, Store, StoreError, Walk, despite_races};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A step looks at the values of so many keys of a table, and seals so many anew in one transaction.
const SPAN: i64 = 1_000;
const MOST: usize = 250;

/// Seals everything anew.
#[derive(Clone)]
pub struct Rotation {
    /// The outbox.
    pub store: Store,
    /// The keys.
    pub sealer: Arc<Sealer>,
}

/// What one step found and did.
#[derive(Debug, Default)]
pub struct Rotated {
    /// Values under each key, by its id, as they were found; what shows none stands under `?`.
    pub found: BTreeMap<String, u64>,
    /// Values that are sealed anew.
    pub resealed: u64,
    /// Values that don't open, though their key is there.
    pub damaged: u64,
    /// How many keys of tables it passed over, for who shows progress.
    pub passed: u64,
    /// Where to go on.
    pub next: Option<Walk>,
}

impl Rotation {
    /// How many keys of tables there are to pass over in all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn extent(&self) -> Result<u64, StoreError> {
        self.store.read("sealed values").await?.sealed_extent().await
    }

    /// Counts some values by their key; changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look(&self, walk: Walk) -> Result<Rotated, StoreError> {
        Ok(self.heads(walk).await?.0)
    }

    /// Seals some values anew that are under an older key.
    ///
    /// # Errors
    /// [`StoreError`]; what was committed before stays.
    pub async fn step(&self, walk: Walk) -> Result<Rotated, StoreError> {
        let (mut rotated, old) = self.heads(walk).await?;
        for keys in old.chunks(MOST) {
            let (resealed, damaged) = despite_races(|| self.reseal(walk, keys)).await?;
            rotated.resealed += resealed;
            rotated.damaged += damaged;
        }
        Ok(rotated)
    }

    /// What some values are under, and the keys of those that an older key that we have opens.
    async fn heads(&self, walk: Walk) -> Result<(Rotated, Vec<i64>), StoreError> {
        let seen = self.store.read("sealed values").await?.sealed_heads(walk, SPAN).await?;
        let mut rotated = Rotated { passed: seen.passed, next: seen.next, ..Rotated::default() };
        let mut old = Vec::new();
        for (key, head) in seen.heads {
            let id = Sealer::key_of(&head).unwrap_or("?");
            if self.sealer.has_key(id) && !self.sealer.seals_with(id) {
                old.push(key);
            }
            *rotated.found.entry(id.to_owned()).or_default() += 1;
        }
        Ok((rotated, old))
    }

    async fn reseal(&self, walk: Walk, keys: &[i64]) -> Result<(u64, u64), StoreError> {
        let mut tx = self.store.write("seal anew").await?;
        let values = tx.sealed_values(walk, keys).await?;
        let mut damaged = 0;
        let mut fresh = Vec::with_capacity(values.len());
        for value in values {
            match self.anew(&value) {
                Ok(sealed) => fresh.push((value, sealed)),
                Err(error) => {
                    tracing::error!(column = walk.name(), row = value.key, %error, "a value can't be sealed anew: it stays as it is");
                    damaged += 1;
                }
            }
        }
        let resealed = tx.reseal(walk, &fresh).await?;
        tx.commit().await?;
        Ok((resealed, damaged))
    }

    fn anew(&self, value: &SealedValue) -> Result<Vec<u8>, SealError> {
        let clear = self.sealer.open(value.context, &value.owner, &value.sealed)?;
        self.sealer.seal(value.context, &value.owner, &clear)
    }
}
