//! What the daemon that leads does beside its work, a little at a time: once a day it erases personal data whose retention is
//! over, and after its start it seals anew what is under an older key.

use crate::alarm::AlarmKind;
use crate::retention::{Old, Retention};
use crate::rotation::Rotation;
use crate::store::{Author, StoreError, Walk, despite_races};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// From one erasure to the next.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Why the daemon erases.
const RETENTION: &str = "privacy.retention";

/// So many steps of each are done in a look: nobody's turn to write is taken for long.
const STEPS: usize = 4;

/// What is to be done, and how far it has come.
pub struct Upkeep {
    retention: Retention,
    rotation: Rotation,
    author: Author,
    erase_at: Timestamp,
    erased: Old,
    erased_to: i64,
    walk: Option<Walk>,
    resealed: u64,
    missing: BTreeMap<String, u64>,
    /// Whether the walk's end was told.
    told: bool,
}

impl Upkeep {
    /// Nothing is done yet. `instance` is the daemon's run, for the audit log.
    #[must_use]
    pub fn new(retention: Retention, rotation: Rotation, instance: &str) -> Self {
        let author = Author { name: "league-gateway".to_owned(), origin: instance.to_owned() };
        Self {
            retention,
            rotation,
            author,
            erase_at: Timestamp::MIN,
            erased: Old::default(),
            erased_to: 0,
            walk: Some(Walk::default()),
            resealed: 0,
            missing: BTreeMap::new(),
            told: false,
        }
    }

    /// Does a little of what is to be done.
    ///
    /// # Errors
    /// [`StoreError`]; the next look goes on where this one stopped.
    pub async fn look(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.erase(now).await?;
        self.rotate(now).await
    }

    async fn erase(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if now < self.erase_at {
            return Ok(());
        }
        for _ in 0..STEPS {
            let (step, next) = self.retention.step(self.erased_to, (&self.author, RETENTION), now).await?;
            self.erased += step;
            let Some(next) = next else {
                let old = std::mem::take(&mut self.erased);
                self.erased_to = 0;
                self.erase_at = now.saturating_add(DAY).unwrap_or(Timestamp::MAX);
                if !old.is_nothing() {
                    tracing::info!(
                        transfers = old.transfers,
                        events = old.events,
                        refused_rows = old.refused_rows,
                        bulk_acts = old.bulk_acts,
                        "personal data was erased: its retention is over"
                    );
                    self.retention.store.empty_log().await?;
                }
                return Ok(());
            };
            self.erased_to = next;
        }
        Ok(())
    }

    /// Raised while keys are missing; the walk after the next start finds whether they are back.
    async fn alarm(&self, now: Timestamp) -> Result<(), StoreError> {
        let missing = &self.missing;
        let mut tx = self.retention.store.write("missing keys").await?;
        if missing.is_empty() {
            tx.clear_alarm(None, AlarmKind::Keys, None, now).await?;
        } else {
            let keys: Vec<&str> = missing.keys().map(String::as_str).collect();
            let (keys, values) = (keys.join(", "), missing.values().sum::<u64>());
            let detail = [
                format!("缺少密钥 {keys}，涉及 {values} 项：放回 privacy.keys 第一个之后，再重启"),
                format!(
                    "{keys}, for {values} values: put it back behind the first of privacy.keys, and restart"
                ),
            ];
            tx.raise_alarm(None, AlarmKind::Keys, detail, now).await?;
        }
        tx.commit().await
    }

    async fn rotate(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..STEPS {
            let Some(walk) = self.walk else { break };
            let rotated = self.rotation.step(walk).await?;
            self.resealed += rotated.resealed;
            for (id, count) in rotated.found {
                if !self.rotation.sealer.has_key(&id) {
                    *self.missing.entry(id).or_default() += count;
                }
            }
            self.walk = rotated.next;
        }
        if self.walk.is_none() && !self.told {
            despite_races(|| self.alarm(now)).await?;
            self.told = true;
            for (key, values) in &self.missing {
                tracing::error!(
                    key,
                    values,
                    "sealed with a key that is not among privacy.keys: put it back behind the first"
                );
            }
            let values = std::mem::take(&mut self.resealed);
            if values > 0 {
                tracing::info!(values, "what was under an older key is sealed anew: see `keys status`");
                self.retention.store.empty_log().await?;
            }
        }
        Ok(())
    }
}
