//! Pushes status events to the gateway, and judges its answers.

use crate::book::Tally;
use crate::partner::Event;
use crate::shared::{Busy, Shared, pause};
use crate::wire::{Answer, Message, Verdict};
use crate::{Partner, Retries, guangdong, smart_league};
use std::sync::Arc;

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
    let Some(gateway) = shared.state().gateway.clone() else { return Verdict::Again };
    let (path, nonce, message) = match partner {
        Partner::SmartLeague => smart_league::push::message(shared, event),
        Partner::Guangdong => guangdong::push::message(shared, event),
        // Its events wait in the feed.
        Partner::Fujian => return Verdict::Stored,
    };
    count(shared, partner, event, |tally| tally.callbacks_sent += 1);
    let verdict = match send(shared, &format!("{}{path}", gateway.trim_end_matches('/')), message).await {
        None => Verdict::Again,
        Some(answer) if answer.status >= 500 => Verdict::Again,
        Some(answer) if partner == Partner::SmartLeague => smart_league::push::judge(shared, &nonce, &answer),
        Some(answer) => guangdong::push::judge(shared, &nonce, &answer),
    };
    match &verdict {
        Verdict::Stored => count(shared, partner, event, |tally| tally.callbacks_answered += 1),
        Verdict::Again => tracing::debug!(%partner, request_id = event.request_id, "a push was not taken"),
        Verdict::Wrong(what) => shared.violation(partner, format!("回调应答：{what}")),
    }
    verdict
}

fn count(shared: &Shared, partner: Partner, event: &Event, change: impl FnOnce(&mut Tally)) {
    shared.book(partner, |book| change(book.tallies.entry(event.request_id.clone()).or_default()));
}

#[expect(clippy::disallowed_methods, reason = "the partners' own client, not the gateway's")]
async fn send(shared: &Shared, url: &str, message: Message) -> Option<Answer> {
    let mut request = shared.http.post(url).body(message.body);
    for (name, value) in message.headers {
        request = request.header(name, value);
    }
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.ok()?.to_vec();
    Some(Answer { status, headers, body })
}
