//! Reads the feed for one address and posts what it wants to know.

use super::{ALARMING, Target, message};
use crate::alarm::AlarmKind;
use crate::clock::Clock;
use crate::notify::Bell;
use crate::retry::Schedule;
use crate::store::{FeedEvent, Leads, Store, StoreError, Tx, WebhookRow, despite_races};
use crate::telemetry::{Role, Span, TraceId, record};
use crate::transport::{SendError, Transport};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use league_contract::WireResponse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// So many events are read at a time.
const PAGE: u32 = 200;
/// So many are posted side by side, no two of them about one transfer.
const SIDE_BY_SIDE: usize = 8;
/// After a failure: in five seconds, doubled each time, at last every hour. What is not taken waits in the feed.
const SCHEDULE: Schedule = Schedule { initial: Duration::from_secs(5), max: Duration::from_secs(3600) };

/// Tells one address.
pub struct Sender {
    target: Target,
    transport: Transport,
    store: Store,
    clock: Clock,
    bell: Bell,
    /// All addresses of the configuration: the alarm is over when none of them fails.
    names: Arc<[String]>,
    /// What was taken though something before it was not; a restart forgets it, and sends it again.
    ahead: BTreeSet<i64>,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Everything is told.
    UpToDate,
    /// There is more at once.
    More,
    /// The address failed: nothing is sent before.
    Waits(Timestamp),
    /// An operator must resume it.
    Disabled,
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) why: String,
    /// The address will never take anything again, it says.
    gone: bool,
    not_before: Option<Timestamp>,
}

/// What became of a page.
#[derive(Default)]
struct Told {
    /// Whether something was posted and taken: events that nobody asked for are passed over.
    any: bool,
    taken: BTreeSet<i64>,
    refused: BTreeMap<i64, Refusal>,
}

impl Sender {
    /// For one address; `names` are those of all.
    #[must_use]
    pub fn new(
        target: Target,
        transport: Transport,
        names: Arc<[String]>,
        (store, clock, bell): (Store, Clock, Bell),
    ) -> Self {
        Self { target, transport, store, clock, bell, names, ahead: BTreeSet::new() }
    }

    /// Tells what there is to tell until told to stop, while this daemon leads.
    pub async fn run(mut self, leads: Leads, poll: SignedDuration, stop: CancellationToken) {
        let mut rung = self.bell.listen();
        while !stop.is_cancelled() {
            let round = if leads.yes() {
                self.round().await
            } else {
                // Whoever leads tells how long events have waited.
                self.waiting(None, self.clock.now());
                Ok(Round::UpToDate)
            };
            let round = round.unwrap_or_else(|error| {
                tracing::error!(webhook = self.target.name, %error, "events could not be told: trying again");
                Round::UpToDate
            });
            let now = self.clock.now();
            let longest = match round {
                Round::More => continue,
                Round::UpToDate | Round::Disabled => poll,
                // An operator's word is not waited for until then.
                Round::Waits(until) => until.duration_since(now).clamp(SignedDuration::ZERO, poll),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = rung.wait(&self.clock, longest) => {}
            }
        }
    }

    /// Posts a page of events, and moves the cursor behind what was taken without a gap.
    ///
    /// # Errors
    /// [`StoreError`]; what was taken is then told again.
    pub async fn round(&mut self) -> Result<Round, StoreError> {
        let mut tx = self.store.read("webhook").await?;
        let Some(before) = tx.webhook(&self.target.name).await? else {
            drop(tx);
            despite_races(async || {
                let mut tx = self.store.write("begin webhook").await?;
                tx.begin_webhook(&self.target.name).await?;
                tx.commit().await
            })
            .await?;
            return Ok(Round::More);
        };
        let now = self.clock.now();
        if before.disabled.is_some() {
            return Ok(Round::Disabled);
        }
        if let Some(until) = before.next_attempt_at.filter(|until| *until > now) {
            return Ok(Round::Waits(until));
        }
        let mut events = tx.feed(before.cursor, PAGE).await?;
        drop(tx);
        let full = events.len() == PAGE as usize;
        if before.failures > 0 {
            // One event shows whether the address is well again.
            let first = events.iter().position(|event| self.is_to_be_told(event));
            events.truncate(first.map_or(events.len(), |first| first + 1));
        }
        let Some(last) = events.last().map(|event| event.cursor) else {
            self.waiting(None, now);
            return Ok(Round::UpToDate);
        };
        let told = self.tell(&events).await;
        let after = self.after(&before, &events, &told);
        let first_left = events.iter().find(|event| event.cursor > after.cursor);
        self.waiting(first_left.map(|event| event.at), now);
        self.ahead.extend(told.taken);
        self.ahead.retain(|cursor| *cursor > after.cursor);
        if !despite_races(|| self.save(&before, &after)).await? {
            // Another daemon led, or an operator spoke meanwhile.
            return Ok(Round::More);
        }
        Ok(match (&after.disabled, after.next_attempt_at) {
            (Some(_), _) => Round::Disabled,
            (None, Some(until)) => Round::Waits(until),
            (None, None) if full || after.cursor < last || before.failures > 0 => Round::More,
            (None, None) => Round::UpToDate,
        })
    }

    fn is_to_be_told(&self, event: &FeedEvent) -> bool {
        self.target.wants(&event.kind) && !self.ahead.contains(&event.cursor)
    }

    /// Posts events: those of one transfer one after the other, those of several side by side. The first refusal ends it.
    async fn tell(&self, events: &[FeedEvent]) -> Told {
        let mut lanes: BTreeMap<Option<&str>, Vec<&FeedEvent>> = BTreeMap::new();
        for event in events {
            lanes.entry(event.request_id.as_deref()).or_default().push(event);
        }
        let (told, over) = (Mutex::new(Told::default()), AtomicBool::new(false));
        futures_util::stream::iter(lanes.into_values())
            .for_each_concurrent(SIDE_BY_SIDE, async |lane| {
                for event in lane {
                    let posted = self.is_to_be_told(event);
                    if posted && over.load(Ordering::Relaxed) {
                        return;
                    }
                    let answer = if posted { self.post(event).await } else { Ok(()) };
                    let Ok(mut told) = told.lock() else { return };
                    match answer {
                        Ok(()) => {
                            told.any |= posted;
                            told.taken.insert(event.cursor);
                        }
                        Err(refusal) => {
                            over.store(true, Ordering::Relaxed);
                            told.refused.insert(event.cursor, refusal);
                            return;
                        }
                    }
                }
            })
            .await;
        told.into_inner().unwrap_or_default()
    }

    async fn post(&self, event: &FeedEvent) -> Result<(), Refusal> {
        let now = self.clock.now();
        let request = message::of(event, &self.target.path, &self.target.secrets.now(), now);
        let answer = self.transport.send(&request).await;
        let outcome = match &answer {
            Ok(response) if (200..300).contains(&response.status) => "taken",
            Ok(_) => "refused",
            Err(SendError::Unclear(_)) => "unclear",
            Err(SendError::NotSent(_)) => "not_sent",
        };
        metrics::counter!("league_gateway_webhook_posts_total", "webhook" => self.target.name.clone(), "outcome" => outcome)
            .increment(1);
        let judged = judge(answer, &self.target, now);
        if let Some(request_id) = &event.request_id {
            self.put_on_record(request_id, event, now, &judged);
        }
        judged
    }

    fn put_on_record(
        &self,
        request_id: &str,
        event: &FeedEvent,
        began: Timestamp,
        judged: &Result<(), Refusal>,
    ) {
        let webhook = &self.target.name;
        let failed = judged.as_ref().err().map(|refusal| refusal.why.clone());
        tracing::debug!(request_id, trace_id = %TraceId::of(request_id), webhook, cursor = event.cursor,
            error = failed, "upstream told");
        record(|| Span {
            request_id: request_id.to_owned(),
            name: "tell upstream",
            role: Role::Client,
            began,
            ended: self.clock.now(),
            fields: vec![("league.webhook", webhook.clone()), ("league.cursor", event.cursor.to_string())],
            failed,
        });
    }

    /// The address after a page.
    fn after(&self, before: &WebhookRow, events: &[FeedEvent], told: &Told) -> WebhookRow {
        let now = self.clock.now();
        let taken = events.iter().map(|event| event.cursor).take_while(|cursor| told.taken.contains(cursor));
        let cursor = taken.last().unwrap_or(before.cursor);
        let mut after = WebhookRow { cursor, ..before.clone() };
        if told.any {
            after.last_success_at = Some(now);
        }
        if let Some((_, refusal)) = told.refused.first_key_value() {
            after.failures = before.failures.saturating_add(1);
            // As the database keeps it.
            let next = SCHEDULE.next(after.failures, now, refusal.not_before).as_millisecond();
            after.next_attempt_at = Timestamp::from_millisecond(next).ok();
            after.last_error = Some(refusal.why.clone());
            after.disabled = told.refused.values().find(|one| one.gone).map(|gone| gone.why.clone());
        } else if told.any {
            (after.failures, after.next_attempt_at, after.last_error) = (0, None, None);
        }
        after
    }

    /// Whether it was written: nothing is where somebody else wrote meanwhile.
    async fn save(&self, before: &WebhookRow, after: &WebhookRow) -> Result<bool, StoreError> {
        let mut tx = self.store.write("webhook").await?;
        if !tx.save_webhook(&self.target.name, before, after).await? {
            return Ok(false);
        }
        if before.is_failing() != after.is_failing() {
            alarm(&mut tx, &self.names, (&self.target.name, after), self.clock.now()).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// How long the oldest event has waited.
    fn waiting(&self, since: Option<Timestamp>, now: Timestamp) {
        let seconds = since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
        metrics::gauge!("league_gateway_webhook_oldest_seconds", "webhook" => self.target.name.clone())
            .set(seconds);
    }
}

impl WebhookRow {
    /// Whether somebody must look at it.
    pub(super) fn is_failing(&self) -> bool {
        self.disabled.is_some() || self.failures >= ALARMING
    }
}

/// Raises the alarm where an address is failing; clears it where none of the configuration's is.
pub(super) async fn alarm(
    tx: &mut Tx,
    names: &[String],
    (name, row): (&str, &WebhookRow),
    now: Timestamp,
) -> Result<(), StoreError> {
    if row.is_failing() {
        let why = row.disabled.as_ref().or(row.last_error.as_ref()).cloned().unwrap_or_default();
        let detail = [format!("{name}：{why}"), format!("{name}: {why}")];
        tx.raise_alarm(None, AlarmKind::Webhook, detail, now).await?;
    } else if !tx.webhooks().await?.iter().any(|(name, row)| names.contains(name) && row.is_failing()) {
        tx.clear_alarm(None, AlarmKind::Webhook, None, now).await?;
    }
    Ok(())
}

/// What an answer says, after the specification: only 2xx takes the event, 410 wants nothing any more.
pub(super) fn judge(
    answer: Result<WireResponse, SendError>,
    target: &Target,
    now: Timestamp,
) -> Result<(), Refusal> {
    // The address may hold a secret of its own.
    let hidden = |error: SendError| error.to_string().replace(target.path.as_str(), "/…");
    let response = answer.map_err(|error| Refusal { why: hidden(error), gone: false, not_before: None })?;
    match response.status {
        200..=299 => Ok(()),
        status => Err(Refusal {
            why: format!("HTTP {status}"),
            gone: status == 410,
            not_before: response.header("retry-after").and_then(|text| retry_after(text, now)),
        }),
    }
}

/// `Retry-After`, in seconds or as a date (RFC 9110).
fn retry_after(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return now.checked_add(SignedDuration::from_secs(i64::from(seconds))).ok();
    }
    jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Endpoint;
    use crate::webhook::Secrets;

    fn target() -> Target {
        let endpoint = Endpoint {
            origin: "http://127.0.0.1:9".to_owned(),
            timeout: Duration::from_secs(1),
            ca_file: None,
            client_identity: None,
            carrier: None,
        };
        Target {
            name: "a".to_owned(),
            endpoint,
            path: "/hook?key=geheim".to_owned(),
            secrets: Secrets::default(),
            kinds: Vec::new(),
        }
    }

    fn judged(answer: Result<WireResponse, SendError>) -> Result<(), Refusal> {
        judge(answer, &target(), Timestamp::UNIX_EPOCH)
    }

    fn answer(status: u16, headers: &[(&str, &str)]) -> Result<WireResponse, SendError> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(WireResponse { status, headers, body: Vec::new() })
    }

    #[test]
    fn only_a_2xx_takes_an_event() {
        for status in [200, 202, 204] {
            assert_eq!(judged(answer(status, &[])), Ok(()));
        }
        for status in [101, 301, 400, 404, 500, 503] {
            let refusal = judged(answer(status, &[])).expect_err("refused");
            assert_eq!((refusal.why, refusal.gone), (format!("HTTP {status}"), false));
        }
        assert!(judged(answer(410, &[])).expect_err("refused").gone);
        let lost =
            SendError::NotSent("error sending request for url (http://127.0.0.1:9/hook?key=geheim)".into());
        let refusal = judged(Err(lost)).expect_err("refused");
        assert!(!refusal.why.contains("geheim") && refusal.why.contains("127.0.0.1"), "{}", refusal.why);
    }

    #[test]
    fn a_retry_after_is_heard_in_both_forms() {
        let later = |text| judged(answer(503, &[("Retry-After", text)])).expect_err("refused").not_before;
        assert_eq!(later("120"), Timestamp::from_second(120).ok());
        assert_eq!(later("Thu, 01 Jan 1970 01:00:00 GMT"), Timestamp::from_second(3600).ok());
        assert_eq!(later("soon"), None);
    }
}
