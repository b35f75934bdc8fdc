//! A replay for people: which fields are the same, which are volatile and verified, and which differ.
//!
//! *Volatile* is what changes when nothing but the clock and the nonce does: times, nonces, signatures. Nobody lists
//! these fields: the adapter makes the message once more at another time with another nonce, and what it writes
//! otherwise is volatile. A volatile field is *verified* where the signature holds over the bytes that were sent and
//! their time is inside the window ([`Notary::verify`]), whatever its value.

use crate::case::{Case, Expected, Kind, Opened};
use crate::compare::{self, Difference, Found};
use crate::replay::run;
use jiff::SignedDuration;
use league_contract::{Adapter, CallContext, Nonce, Notary};
use serde::Serialize;
use std::collections::BTreeSet;

/// What became of a case.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Examined {
    /// The volatile fields that hold.
    pub verified: Vec<String>,
    /// The fields that differ. Nothing here: the case passes.
    pub differences: Vec<Difference>,
    /// Bodies that say the same in other bytes: the order of keys, prefixes, white space, the encoding.
    pub restyled: Vec<Difference>,
}

impl Examined {
    /// Whether nothing differs; `exactly` also counts other bytes that say the same.
    #[must_use]
    pub fn passes(&self, exactly: bool) -> bool {
        self.differences.is_empty() && (!exactly || self.restyled.is_empty())
    }
}

/// Runs a case through an adapter, and judges every field.
#[must_use]
pub fn examine(case: &Case, adapter: &dyn Adapter, notary: &dyn Notary) -> Examined {
    let Found { fields, bytes } = run(case, adapter);
    let volatile = volatile(case, adapter);
    let signed = match &case.kind {
        Kind::Exchange(exchange) => match &exchange.request {
            Some(request) => notary.verify(request, case.now).map_err(|error| error.to_string()),
            None => Err("request.http is missing".to_owned()),
        },
        // Of a pushed message the adapter itself says so; our answer to it must be what it makes.
        Kind::Callback(_) => Err("an answer of ours is compared as it is".to_owned()),
    };
    let sends = matches!(&case.kind, Kind::Exchange(exchange) if exchange.request.is_some());
    let differs = |field: &String| fields.iter().any(|one| one.field == *field);
    let mut examined = Examined::default();
    if sends && let Err(problem) = &signed {
        let what = Difference::new("request (signature)", "holds over the recorded bytes", problem);
        examined.differences.push(what);
    }
    let holds = |field: &String| signed.is_ok() || (!sends && !differs(field));
    examined.verified = volatile.iter().filter(|field| holds(field)).cloned().collect();
    if let Kind::Callback(push) = &case.kind
        && matches!(push.opened, Opened::Event { .. })
        && adapter.open_callback(&push.request, case.now).is_ok()
    {
        examined.verified.push("request (signature, time)".to_owned());
    }
    let verified = |field: &String| sends && signed.is_ok() && volatile.contains(field);
    examined.differences.extend(fields.into_iter().filter(|one| !verified(&one.field)));
    examined.restyled = bytes;
    examined
}

/// The fields of our message that change with the clock and the nonce alone.
pub(crate) fn volatile(case: &Case, adapter: &dyn Adapter) -> BTreeSet<String> {
    let (at, answered) = (case.context(), case.answer_context());
    let found = match &case.kind {
        Kind::Exchange(exchange) if matches!(exchange.expected, Expected::EncodeError(_)) => {
            return BTreeSet::new();
        }
        Kind::Exchange(exchange) => {
            let made = |at: &CallContext| adapter.encode(&exchange.call, at).ok();
            made(&at).zip(made(&otherwise(at))).map(|(one, other)| compare::requests(&one, &other))
        }
        Kind::Callback(push) => {
            let made = |at: &CallContext| adapter.answer_callback(&push.request, push.verdict, at);
            Some(compare::responses(&made(&answered), &made(&otherwise(answered))))
        }
    };
    found.unwrap_or_default().fields.into_iter().map(|one| one.field).collect()
}

/// Another time, in every part of it, and another nonce.
fn otherwise(at: CallContext) -> CallContext {
    const OTHER: SignedDuration = SignedDuration::from_millis(((13 * 60 + 7) * 60 + 11) * 1000 + 333);
    CallContext {
        now: at.now.checked_add(OTHER).unwrap_or(at.now),
        nonce: Nonce(at.nonce.0.map(|byte| !byte)),
    }
}
