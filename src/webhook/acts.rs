//! What an operator sees of the addresses, and does to them.

use super::sender::{alarm, judge};
use super::{Target, message};
use crate::clock::Clock;
use crate::seal::Sealer;
use crate::store::{Author, Deed, Store, StoreError, WebhookRow, despite_races};
use crate::transport::Transport;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// What waits is counted so far.
const MOST_COUNTED: i64 = 10_000;

/// How an address stands.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct WebhookView {
    /// Its name in the configuration.
    pub name: String,
    /// Scheme and host; the path may hold a secret.
    pub origin: String,
    /// Which events it is told of.
    pub events: Vec<String>,
    /// `ready`; `waiting`, after a failure; `disabled`, until it is resumed.
    pub state: &'static str,
    /// Every event up to here is told.
    pub cursor: i64,
    /// How many events of the feed come after that, counted up to 10,000, those that it is not told of included.
    pub behind: i64,
    /// Failures in a row.
    pub failures: u32,
    /// Nothing is sent before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// The last failure, until something is taken again.
    pub last_error: Option<String>,
    /// When it took something last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success_at: Option<Timestamp>,
}

/// What an operator does to addresses. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// Where they stand.
    pub store: Store,
    /// The audit log's key.
    pub sealer: Arc<Sealer>,
    /// What time it is.
    pub clock: Clock,
    /// The addresses of the configuration.
    pub targets: Arc<[Target]>,
}

/// What an act came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Sending goes on at once.
    Resumed,
    /// One event was stepped over: this one.
    Skipped(i64),
    /// There was nothing to do.
    Nothing,
}

impl Desk {
    /// The address of a name.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// All addresses of the configuration.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self) -> Result<Vec<WebhookView>, StoreError> {
        let mut tx = self.store.read("webhooks").await?;
        let mut views = Vec::new();
        for target in self.targets.iter() {
            let row = tx.webhook(&target.name).await?;
            let behind = match &row {
                Some(row) => tx.feed_behind(row.cursor, MOST_COUNTED).await?,
                None => 0,
            };
            views.push(view(target, row, behind));
        }
        Ok(views)
    }

    /// Sends to an address again, and at once, whatever it did before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn resume(&self, target: &Target, reason: &str, author: &Author) -> Result<Done, StoreError> {
        self.change(target, ("resume_webhook", reason, author), |row, _| {
            if row.failures == 0 && row.disabled.is_none() {
                return Done::Nothing;
            }
            (row.failures, row.next_attempt_at, row.disabled, row.last_error) = (0, None, None, None);
            Done::Resumed
        })
        .await
    }

    /// Steps over the event that an address does not take. The feed keeps it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn skip(&self, target: &Target, reason: &str, author: &Author) -> Result<Done, StoreError> {
        self.change(target, ("skip_webhook_event", reason, author), |row, next| {
            let Some(next) = next.filter(|_| row.failures > 0) else { return Done::Nothing };
            row.cursor = next;
            row.next_attempt_at = None;
            Done::Skipped(next)
        })
        .await
    }

    /// Posts a message that tells of nothing.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn test(&self, target: &Target) -> Result<(), String> {
        let transport = Transport::new(&target.endpoint).map_err(|error| format!("{error:#}"))?;
        let now = self.clock.now();
        let request = message::test(&target.path, &target.secrets.now(), now);
        judge(transport.send(&request).await, target, now).map_err(|refusal| refusal.why)
    }

    async fn change(
        &self,
        target: &Target,
        (act, reason, author): (&'static str, &str, &Author),
        change: impl Fn(&mut WebhookRow, Option<i64>) -> Done,
    ) -> Result<Done, StoreError> {
        despite_races(async || {
            let mut tx = self.store.write(act).await?;
            let Some(before) = tx.webhook(&target.name).await? else { return Ok(Done::Nothing) };
            // Nobody asks for what the address is not told of.
            let events = tx.feed(before.cursor, 1000).await?;
            let next = events.iter().find(|event| target.wants(&event.kind)).map(|event| event.cursor);
            let mut after = before.clone();
            let done = change(&mut after, next);
            if done == Done::Nothing || !tx.save_webhook(&target.name, &before, &after).await? {
                return Ok(Done::Nothing);
            }
            let now = self.clock.now();
            if before.is_failing() != after.is_failing() {
                let names: Vec<String> = self.targets.iter().map(|target| target.name.clone()).collect();
                alarm(&mut tx, &names, (&target.name, &after), now).await?;
            }
            let outcome = match done {
                Done::Skipped(cursor) => format!("event {cursor} is not told"),
                Done::Resumed | Done::Nothing => "resumed".to_owned(),
            };
            let subject = format!("webhook:{}", target.name);
            tx.audit(&self.sealer, Deed { author, act, subject, reason, outcome: &outcome, at: now }).await?;
            tx.commit().await?;
            Ok(done)
        })
        .await
    }
}

fn view(target: &Target, row: Option<WebhookRow>, behind: i64) -> WebhookView {
    let state = match &row {
        Some(row) if row.disabled.is_some() => "disabled",
        Some(row) if row.failures > 0 => "waiting",
        Some(_) | None => "ready",
    };
    let row = row.as_ref();
    WebhookView {
        name: target.name.clone(),
        origin: target.endpoint.origin.clone(),
        events: target.kinds.clone(),
        state,
        cursor: row.map_or(0, |row| row.cursor),
        behind,
        failures: row.map_or(0, |row| row.failures),
        next_attempt_at: row.and_then(|row| row.next_attempt_at),
        last_error: row.and_then(|row| row.last_error.clone()),
        last_success_at: row.and_then(|row| row.last_success_at),
    }
}
