//! Damaged messages: cut short anywhere, or with a byte changed. None may panic, and none may say something else.

use super::Book;
use crate::case::{Case, Exchange, Expected, Opened, Push};
use league_contract::{
    Blockage, Callback, CallbackError, DecodeError, Remark, Reply, WireRequest, WireResponse, Words,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bodies up to this size are damaged at every byte, longer ones at about this many places.
const EVERY_BYTE_UP_TO: usize = 768;

impl Book<'_> {
    pub(super) fn survives_damaged_answers(&mut self, case: &Case, exchange: &Exchange) {
        let Some(response) = &exchange.response else { return };
        let decode = |damaged: &WireResponse| {
            calm(|| self.adapter.decode(&exchange.call, &case.answer_context(), damaged))
        };
        for damage in damages(response.body.len()) {
            let mut damaged = response.clone();
            damage.apply(&mut damaged.body);
            let problem = match decode(&damaged) {
                Err(panic) => Some(panic),
                Ok(outcome) => self.judge_answer(damage, &exchange.expected, outcome),
            };
            if let Some(problem) = problem {
                return self.breach(format!("{}: response body, {damage}: {problem}", case.name));
            }
        }
        // Some headers stand outside every signature: what is left to ask is that none makes it panic.
        for (place, headers) in damaged_headers(&response.headers) {
            if let Err(panic) = decode(&WireResponse { headers, ..response.clone() }) {
                return self.breach(format!("{}: response {place}: {panic}", case.name));
            }
        }
    }

    /// What is wrong with what became of a damaged answer.
    fn judge_answer(
        &self,
        damage: Damage,
        expected: &Expected,
        outcome: Result<Reply, DecodeError>,
    ) -> Option<String> {
        let (reply, Expected::Reply(expected)) = (outcome.ok()?, expected) else {
            // What made an answer unreadable may lie outside its signed part, and be undone by the damage.
            return None;
        };
        let must_not_differ = self.profile.signed_answers || matches!(damage, Damage::Cut(_));
        (must_not_differ && meaning(expected) != meaning(&reply))
            .then(|| format!("it still reads, but as another reply: {reply:?}"))
    }

    pub(super) fn survives_damaged_callbacks(&mut self, case: &Case, push: &Push) {
        let expected = match &push.opened {
            Opened::Event { event, replay_key } => {
                Some(Callback { replay_key: replay_key.clone(), event: event.clone() })
            }
            Opened::Refused(_) => None,
        };
        let bodies = damages(push.request.body.len()).map(|damage| {
            let mut damaged = push.request.clone();
            damage.apply(&mut damaged.body);
            (format!("body, {damage}"), damaged)
        });
        let headers = damaged_headers(&push.request.headers)
            .map(|(place, headers)| (place, WireRequest { headers, ..push.request.clone() }));
        for (place, damaged) in bodies.chain(headers) {
            if let Some(problem) = self.judge_callback(case, push, expected.as_ref(), &damaged) {
                return self.breach(format!("{}: {place}: {problem}", case.name));
            }
        }
    }

    fn judge_callback(
        &self,
        case: &Case,
        push: &Push,
        expected: Option<&Callback>,
        damaged: &WireRequest,
    ) -> Option<String> {
        let open = || -> Result<Callback, CallbackError> {
            // Our answer is made from the damaged message too.
            drop(self.adapter.answer_callback(damaged, push.verdict, &case.answer_context()));
            self.adapter.open_callback(damaged, case.now)
        };
        match calm(open) {
            Err(panic) => Some(panic),
            Ok(Err(_)) => None,
            Ok(Ok(opened)) => expected
                .is_some_and(|expected| opened != *expected)
                .then(|| format!("it still opens, but as another message: {opened:?}")),
        }
    }
}

/// A way to break a message.
#[derive(Clone, Copy)]
enum Damage {
    /// Only so many bytes arrived.
    Cut(usize),
    /// The byte there was XORed with the mask.
    Flip(usize, u8),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cut(length) => write!(f, "cut to {length} bytes"),
            Self::Flip(at, mask) => write!(f, "byte {at} XOR {mask:#04x}"),
        }
    }
}

impl Damage {
    fn apply(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Cut(length) => bytes.truncate(length),
            Self::Flip(at, mask) => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                }
            }
        }
    }
}

/// Every cut and one flip a byte, with a mask that moves through the bits; of long messages a sample.
fn damages(length: usize) -> impl Iterator<Item = Damage> {
    let places = (0..length).step_by(length.div_ceil(EVERY_BYTE_UP_TO).max(1));
    places.flat_map(|at| [Damage::Cut(at), Damage::Flip(at, 1 << (at % 8))])
}

/// Headers with the value of one of them damaged, and which; what is no text afterwards is left out.
fn damaged_headers(
    headers: &[(String, String)],
) -> impl Iterator<Item = (String, Vec<(String, String)>)> + '_ {
    headers.iter().enumerate().flat_map(move |(at, (name, value))| {
        damages(value.len()).filter_map(move |damage| {
            let mut bytes = value.clone().into_bytes();
            damage.apply(&mut bytes);
            let mut damaged = headers.to_vec();
            damaged[at].1 = String::from_utf8(bytes).ok()?;
            Some((format!("header {name}, {damage}"), damaged))
        })
    })
}

/// Runs it; a panic becomes a breach that names the place.
pub(super) fn calm<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| "it panics".to_owned())
}

/// What a reply means for the transfer: all of it, but the partner's words (some profiles do not sign them), and
/// for what is blocked just that it is.
fn meaning(reply: &Reply) -> Reply {
    let nothing = || Remark { code: String::new(), message: Words::new("") };
    let coded = |remark: &Remark| Remark { code: remark.code.clone(), ..nothing() };
    match reply {
        Reply::Answered(answer) => Reply::Answered(answer.clone()),
        Reply::Refused { why, remark } => Reply::Refused { why: *why, remark: coded(remark) },
        Reply::TryLater { not_before, maintenance, remark } => {
            Reply::TryLater { not_before: *not_before, maintenance: *maintenance, remark: coded(remark) }
        }
        Reply::Unclear { remark } => Reply::Unclear { remark: coded(remark) },
        Reply::Blocked { .. } => Reply::Blocked { why: Blockage::Authentication, remark: nothing() },
    }
}
