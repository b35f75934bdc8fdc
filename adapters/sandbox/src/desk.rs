//! The desk of a partner: a verified call goes in, what became of it comes out. The same for all three.

use crate::Partner;
use crate::faults::{Fault, FaultKind};
use crate::organizations::Found;
use crate::partner::{Call, Done, Refusal};
use crate::shared::Shared;
use jiff::SignedDuration;

/// Counts the call and finds the fault that strikes it. A submit is in doubt until [`answered`].
pub(crate) fn receive(shared: &Shared, partner: Partner, call: &Call) -> Option<Fault> {
    let mut state = shared.state();
    if let Call::Submit(submission) = call {
        let tallies = &mut state.books[partner as usize].tallies;
        let tally = tallies.entry(submission.request_id.clone()).or_default();
        tally.submits += 1;
        tally.blind_submits += u32::from(tally.in_doubt);
        tally.in_doubt = true;
        tally.founded = std::mem::take(&mut tally.told_absent);
    }
    state.faults.strike(partner, call)
}

/// What a clear answer to a call settles: the `request_id` of a submit or a query.
pub(crate) fn settles(call: &Call) -> Option<String> {
    match call {
        Call::Submit(submission) => Some(submission.request_id.clone()),
        Call::Query { request_id } => Some(request_id.clone()),
        Call::Check { .. } | Call::Search { .. } | Call::Withdraw { .. } | Call::Changes { .. } => None,
    }
}

/// The answer is about to go out, and the gateway can know what became of its transfer.
pub(crate) fn answered(shared: &Shared, partner: Partner, request_id: &str) {
    shared.book(partner, |book| {
        if let Some(tally) = book.tallies.get_mut(request_id) {
            tally.in_doubt = false;
        }
    });
}

/// A refusal that a fault brings about, in place of the call.
pub(crate) fn trouble(shared: &Shared, fault: &Fault) -> Option<Refusal> {
    let seconds = fault.retry_after.unwrap_or(1);
    match fault.kind? {
        FaultKind::Maintenance => {
            let until = shared.now() + SignedDuration::from_secs(i64::from(seconds));
            Some(Refusal::Maintenance { seconds, until, http_date: fault.http_date })
        }
        FaultKind::TooMany => Some(Refusal::Busy { seconds }),
        FaultKind::DataRefused => Some(Refusal::Invalid("姓名与证件号码不符".into())),
        FaultKind::Authentication => Some(Refusal::Unauthenticated("按故障设定".into())),
        FaultKind::CursorExpired => Some(Refusal::CursorExpired),
        FaultKind::Internal => Some(Refusal::Internal),
        FaultKind::DropBefore
        | FaultKind::DropAfter
        | FaultKind::Status500
        | FaultKind::Garbage
        | FaultKind::WrongSignature
        | FaultKind::Hang => None,
    }
}

/// Does what is asked. The second value is the `request_id` of a transfer that this call made.
pub(crate) fn perform(
    shared: &Shared,
    partner: Partner,
    call: Call,
) -> (Result<Done, Refusal>, Option<String>) {
    let now = shared.now();
    let find = |province_code: &str, full_name: &str| {
        if partner.holds(province_code) {
            shared.directory.find(province_code, full_name)
        } else {
            Found::None
        }
    };
    let answer = match call {
        Call::Submit(submission) => {
            let request_id = submission.request_id.clone();
            let found = find(&submission.province_code, &submission.full_name);
            return match shared.book(partner, |book| book.submit(*submission, &found, now)) {
                Ok((done, made)) => (Ok(done), made.then_some(request_id)),
                Err(refusal) => (Err(refusal), None),
            };
        }
        Call::Check { province_code, .. } if !partner.holds(&province_code) => Err(Refusal::NoOrganization),
        Call::Check { province_code, full_name } => Ok(Done::Organization(find(&province_code, &full_name))),
        Call::Search { province_code, .. } if !partner.holds(&province_code) => match partner {
            Partner::SmartLeague => Err(Refusal::NoOrganization),
            Partner::Guangdong | Partner::Fujian => Ok(Done::Organizations { total: 0, items: Vec::new() }),
        },
        Call::Search { province_code, keyword, skip, take } => {
            let (total, items) = shared.directory.search(&province_code, &keyword, skip, take);
            Ok(Done::Organizations { total, items })
        }
        Call::Query { request_id } => shared.book(partner, |book| match book.record(&request_id) {
            Some(record) => Ok(Done::Record(record.clone())),
            None => {
                if let Some(tally) = book.tallies.get_mut(&request_id) {
                    tally.told_absent = true;
                }
                Err(Refusal::NoSuchRequest)
            }
        }),
        Call::Withdraw { request_id } => {
            shared.book(partner, |book| book.withdraw(&request_id, now)).map(Done::Record)
        }
        Call::Changes { after, limit } => {
            shared.book(partner, |book| book.changes(after, limit)).map(Done::Changes)
        }
    };
    (answer, None)
}
