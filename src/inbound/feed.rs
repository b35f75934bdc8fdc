//! A partner's change feed, read from a durable cursor.

use super::apply::{Arrival, Arrived, InboundError, Sealed, keep_all, set_aside};
use crate::clock::Clock;
use crate::gate::{Gate, gate};
use crate::notify::Bells;
use crate::partner::{Exchange, Outcome, Partner};
use crate::seal::Sealer;
use crate::store::{CallbackVerdict, Leads, Store, StoreError, despite_races};
use crate::suspension::note;
use crate::transfer::Cause;
use league_contract::{Answer, Blockage, Call, ChangePage, EventSource, Reply};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Reads one system's feed.
pub struct Feed {
    /// Whose.
    pub partner: Arc<Partner>,
    /// Where events and the cursor are kept.
    pub store: Store,
    /// What seals them.
    pub sealer: Arc<Sealer>,
    /// What time it is.
    pub clock: Clock,
    /// Rung when something was applied.
    pub bells: Bells,
    /// The last look brought nothing: that is said once, not at every look.
    pub failing: AtomicBool,
}

/// What a look at the feed brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polled {
    /// All there is now.
    UpToDate,
    /// There is more at once.
    More,
    /// The partner refuses our credentials.
    Blocked(Blockage),
    /// No answer, or none that can be used.
    Unavailable,
    /// The gate before the system is closed.
    Stopped,
}

impl Feed {
    /// Polls until told to stop, while this daemon leads: one reader asks as often as the partner agreed to.
    pub async fn run(self, leads: Leads, stop: CancellationToken) {
        loop {
            let polled = if leads.yes() { self.poll().await } else { Ok(Polled::UpToDate) };
            let polled = match polled {
                Ok(polled) => polled,
                Err(error) => {
                    tracing::error!(system = %self.partner.system, %error, "the change feed could not be stored: it is read again");
                    Polled::Unavailable
                }
            };
            if polled == Polled::More {
                if stop.is_cancelled() {
                    return;
                }
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.clock.sleep(self.partner.policy.feed_interval) => {}
            }
        }
    }

    /// Reads one page: its changes and the cursor behind them are one transaction, so a crash loses none and a repeat
    /// does no harm.
    ///
    /// # Errors
    /// [`InboundError`] where the page could not be stored; the cursor then stays.
    pub async fn poll(&self) -> Result<Polled, InboundError> {
        let system = &self.partner.system;
        let EventSource::Feed { page_limit } = self.partner.capabilities().events else {
            return Ok(Polled::UpToDate);
        };
        let row = self.store.glance("feed", |mut tx| async move { tx.system(system).await }).await?;
        // What deliveries use up of the rate does not stop the feed: it is the only way to hear of them.
        let gate = gate(&row.asked(&self.partner.limits), self.clock.now(), 0);
        if !matches!(gate, Gate::Open { .. }) {
            return Ok(Polled::Stopped);
        }
        let call = Call::ListChanges { after: row.feed_cursor, limit: page_limit };
        let exchange = match self.partner.ask(call, &self.clock).await {
            Ok(exchange) => exchange,
            Err(error) => {
                return Ok(self.unavailable(&error.to_string()));
            }
        };
        despite_races(|| self.note(&exchange)).await?;
        let raw = exchange.response.map(|response| response.body).unwrap_or_default();
        match exchange.outcome {
            Outcome::Reply(Reply::Answered(Answer::Changes(page))) => {
                self.read_page(&page, row.feed_cursor, &raw).await
            }
            Outcome::Reply(Reply::Answered(Answer::CursorExpired)) => self.start_over(row.feed_cursor).await,
            Outcome::Reply(Reply::Blocked { why, .. }) => Ok(Polled::Blocked(why)),
            outcome @ (Outcome::Reply(_) | Outcome::NotSent(_) | Outcome::NoAnswer(_)) => {
                let (code, words) = outcome.told();
                // The feed names no single transfer: its words are starred out by their digits alone.
                let words = league_contract::mask::digits(&words.unwrap_or_default());
                Ok(self.unavailable(&format!("{} {words}", code.unwrap_or_default())))
            }
        }
    }

    /// What the answer says about the system. An answer says something new only after failures.
    async fn note(&self, exchange: &Exchange) -> Result<(), StoreError> {
        let Exchange { outcome, finished_at, .. } = exchange;
        let system = &self.partner.system;
        let mut tx = self.store.write("feed's sign").await?;
        let mut row = tx.system(system).await?;
        let before = row.clone();
        note(&mut tx, &self.partner, &mut row, outcome, *finished_at).await?;
        if row != before {
            tx.save_system(system, &row).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    fn unavailable(&self, why: &str) -> Polled {
        if !self.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(system = %self.partner.system, why, "the change feed gives nothing: it is asked again and again");
        }
        Polled::Unavailable
    }

    fn available(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!(system = %self.partner.system, "the change feed answers again");
        }
    }

    async fn read_page(&self, page: &ChangePage, before: i64, raw: &[u8]) -> Result<Polled, InboundError> {
        self.available();
        if page.changes.is_empty() && page.unreadable.is_empty() && page.last == before {
            return Ok(Polled::UpToDate);
        }
        if !despite_races(|| self.store_page(page, before, raw)).await? {
            // Another daemon read on: what it stored stands.
            tracing::debug!(system = %self.partner.system, "the feed was read by another daemon meanwhile");
            return Ok(Polled::UpToDate);
        }
        self.bells.changed();
        Ok(if page.more { Polled::More } else { Polled::UpToDate })
    }

    /// Whether the page was stored: nothing is changed where the feed has been read on.
    async fn store_page(&self, page: &ChangePage, before: i64, raw: &[u8]) -> Result<bool, InboundError> {
        let system = &self.partner.system;
        let at = self.clock.now();
        let mut tx = self.store.write("feed").await?;
        // First: the system's row is locked before its transfers, as deliveries do it.
        if !tx.move_feed_cursor(system, before, page.last).await? {
            return Ok(false);
        }
        let following = self.partner.policy.following;
        let arrival = Arrival { system, following, cause: Cause::Feed, at };
        // The page is kept with its first change; the others keep what was decoded of them.
        let pages = std::iter::once(raw).chain(std::iter::repeat(&[][..]));
        let sealed = page.changes.iter().zip(pages);
        let sealed = sealed.map(|(event, page)| Sealed::new(&self.sealer, event, page));
        let sealed = sealed.collect::<Result<Vec<_>, _>>()?;
        let arrived = page.changes.iter().zip(&sealed);
        let arrived: Vec<_> = arrived.map(|(event, sealed)| Arrived { arrival, event, sealed }).collect();
        keep_all(&mut tx, &self.sealer, &arrived).await?;
        // Nothing was decoded of these, so the first that is new has the page once more, for whoever looks.
        let mut whole = raw;
        for change in &page.unreadable {
            let verdict = set_aside(&mut tx, &self.sealer, (system, at), whole, change).await?;
            if verdict == CallbackVerdict::Refused {
                whole = &[];
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The partner has forgotten our place: every open transfer is queried, and the feed read from its beginning.
    async fn start_over(&self, before: i64) -> Result<Polled, InboundError> {
        let system = &self.partner.system;
        let open = despite_races(async || {
            let mut tx = self.store.write("feed cursor expired").await?;
            if !tx.move_feed_cursor(system, before, 0).await? {
                return Ok(None);
            }
            let open = tx.query_all_open(system, self.clock.now()).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(Some(open))
        });
        let Some(open) = open.await? else { return Ok(Polled::UpToDate) };
        tracing::warn!(%system, open, "the feed no longer has our cursor: open transfers are queried, the feed is read from 0");
        self.bells.changed();
        // 0 is always valid by the profile; a partner that refuses it is asked at the usual pace.
        Ok(if before == 0 { Polled::Unavailable } else { Polled::More })
    }
}
