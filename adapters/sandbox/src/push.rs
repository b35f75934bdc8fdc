//! Pushes status events to the gateway, and judges its answers.
//!
//! [`push`] does it over HTTP. Whoever carries pushes in another way signs a [`Push`] and has its answer judged.

use crate::book::Tally;
use crate::partner::Event;
use crate::shared::{Busy, Shared, pause};
use crate::wire::{Answer, Verdict};
use crate::{Partner, Retries, guangdong, smart_league};
use std::sync::Arc;

/// A signed push to `{gateway}{path}`.
#[derive(Debug, Clone)]
pub struct Push {
    /// Where.
    pub path: &'static str,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// Its bytes.
    pub body: Vec<u8>,
    partner: Partner,
    event: Event,
    nonce: String,
}

impl Push {
    /// An event of a partner that pushes, under a fresh nonce and time.
    pub(crate) fn sign(shared: &Shared, partner: Partner, event: Event) -> Self {
        let (path, nonce, message) = match partner {
            Partner::SmartLeague => smart_league::push::message(shared, &event),
            Partner::Guangdong | Partner::Fujian => guangdong::push::message(shared, &event),
        };
        Self { path, headers: message.headers, body: message.body, partner, event, nonce }
    }

    /// The event's own id, which every repeat has.
    #[must_use]
    pub fn event_id(&self) -> &str {
        &self.event.event_id
    }

    /// What the gateway's answer means; a wrong one is a violation.
    pub(crate) fn judge(&self, shared: &Shared, answer: Option<&Answer>) -> Verdict {
        let partner = self.partner;
        count(shared, partner, &self.event, |tally| tally.callbacks_sent += 1);
        let verdict = match answer {
            None => Verdict::Again,
            Some(answer) if answer.status >= 500 => Verdict::Again,
            Some(answer) if partner == Partner::SmartLeague => {
                smart_league::push::judge(shared, &self.nonce, answer)
            }
            Some(answer) => guangdong::push::judge(shared, &self.nonce, answer),
        };
        match &verdict {
            Verdict::Stored => count(shared, partner, &self.event, |tally| tally.callbacks_answered += 1),
            Verdict::Again => {
                tracing::debug!(%partner, request_id = self.event.request_id, "a push was not taken");
            }
            Verdict::Wrong(what) => shared.violation(partner, format!("回调应答：{what}")),
        }
        verdict
    }
}

/// Sends an event; returns after the first try. What is left unanswered is repeated in the background. Without a
/// gateway there is nobody to tell.
pub(crate) async fn push(shared: &Arc<Shared>, partner: Partner, event: &Event) {
    if shared.state().gateway.is_none() {
        return;
    }
    let busy = shared.busy();
    if attempt(shared, partner, event).await == Verdict::Again {
        shared.spawn(repeat(shared.clone(), partner, event.clone(), busy));
    }
}

/// Sends an event, again and again if it must be; returns when it was taken, or given up.
pub(crate) async fn insist(shared: &Arc<Shared>, partner: Partner, event: &Event) {
    if shared.state().gateway.is_some() && attempt(shared, partner, event).await == Verdict::Again {
        repeat(shared.clone(), partner, event.clone(), shared.busy()).await;
    }
}

async fn repeat(shared: Arc<Shared>, partner: Partner, event: Event, busy: Busy) {
    for wait in retries(&shared, partner).waits() {
        pause(wait).await;
        if attempt(&shared, partner, &event).await != Verdict::Again {
            break;
        }
    }
    drop(busy);
}

fn retries(shared: &Shared, partner: Partner) -> &Retries {
    match partner {
        Partner::SmartLeague => &shared.pace.smart_league_retries,
        Partner::Guangdong | Partner::Fujian => &shared.pace.guangdong_retries,
    }
}

/// One push under a fresh nonce and time.
async fn attempt(shared: &Arc<Shared>, partner: Partner, event: &Event) -> Verdict {
    // Fujian's events wait in the feed.
    if partner == Partner::Fujian {
        return Verdict::Stored;
    }
    let Some(gateway) = shared.state().gateway.clone() else { return Verdict::Again };
    let push = Push::sign(shared, partner, event.clone());
    let answer = send(shared, &format!("{}{}", gateway.trim_end_matches('/'), push.path), &push).await;
    push.judge(shared, answer.as_ref())
}

fn count(shared: &Shared, partner: Partner, event: &Event, change: impl FnOnce(&mut Tally)) {
    shared.book(partner, |book| change(book.tallies.entry(event.request_id.clone()).or_default()));
}

#[expect(clippy::disallowed_methods, reason = "the partners' own client, not the gateway's")]
async fn send(shared: &Shared, url: &str, push: &Push) -> Option<Answer> {
    let mut request = shared.http.post(url).body(push.body.clone());
    for (name, value) in &push.headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.ok()?.to_vec();
    Some(Answer { status, headers, body })
}
