//! The laws of `league-contract`, as one test that every adapter runs over its fixtures.
//!
//! ```ignore
//! #[test]
//! fn keeps_the_laws() {
//!     check(&Profile { registration: &REGISTRATION, fixtures_root: &root(), signed_answers: true });
//! }
//! ```
//!
//! With `BLESS=1` in the environment it writes what the adapter produces into the fixtures instead.

mod coverage;
mod damage;
mod notary;
mod privacy;

use crate::case::{Case, Exchange, Expected, Kind, Opened, Push};
use crate::load::{Fixtures, load_system};
use crate::replay::{bless, replay};
use jiff::SignedDuration;
use league_contract::{
    Adapter, CLOCK_WINDOW_SECONDS, Call, CallContext, CallbackError, Capabilities, EncodeError, EventSource,
    Nonce, Notary, Operation, ProvinceCode, Registration, RequestId, System,
};
use std::path::Path;

/// What is to be checked.
#[derive(Clone, Copy)]
pub struct Profile<'a> {
    /// The adapter.
    pub registration: &'a Registration,
    /// The folder that holds `config.toml`.
    pub fixtures_root: &'a Path,
    /// Whether the partner signs its answers: a changed byte of one may then never change what it says.
    pub signed_answers: bool,
}

/// Checks every law.
///
/// # Panics
/// With every breach, one a paragraph.
pub fn check(profile: &Profile<'_>) {
    let breaches = breaches(profile).unwrap_or_else(|problem| vec![problem]);
    assert!(breaches.is_empty(), "{} breaches of the contract\n\n{}", breaches.len(), breaches.join("\n\n"));
}

/// Every breach; the error is what keeps the laws from being checked at all.
fn breaches(profile: &Profile<'_>) -> Result<Vec<String>, String> {
    let system = System::named(profile.registration.system);
    let fixtures = load_system(profile.fixtures_root, &system).map_err(|error| error.to_string())?;
    let config = fixtures.configs.get(&system).cloned();
    let config = config.ok_or_else(|| format!("config.toml: [{system}] is missing"))?;
    let notary = (profile.registration.notary)(config.clone()).map_err(|error| error.to_string())?;
    let adapter = (profile.registration.build)(config).map_err(|error| error.to_string())?;
    if blessing() {
        let failed = fixtures.cases.iter().filter_map(|case| {
            bless(case, adapter.as_ref()).err().map(|error| format!("{}: {error}", case.name))
        });
        return Ok(failed.collect());
    }
    let (adapter, notary) = (adapter.as_ref(), notary.as_ref());
    let mut book = Book { profile, adapter, notary, fixtures: &fixtures, breaches: Vec::new() };
    book.check_all();
    Ok(book.breaches)
}

#[expect(clippy::disallowed_methods, reason = "a switch of the test harness, no setting of the program")]
fn blessing() -> bool {
    std::env::var("BLESS").is_ok_and(|value| value == "1")
}

/// What is checked, and what was found.
struct Book<'a> {
    profile: &'a Profile<'a>,
    adapter: &'a dyn Adapter,
    notary: &'a dyn Notary,
    fixtures: &'a Fixtures,
    breaches: Vec<String>,
}

impl Book<'_> {
    fn breach(&mut self, text: impl Into<String>) {
        self.breaches.push(text.into());
    }

    fn check_all(&mut self) {
        self.coverage();
        self.unsupported_operations();
        let fixtures = self.fixtures;
        for case in &fixtures.cases {
            self.replays(case);
            match &case.kind {
                Kind::Exchange(exchange) => {
                    self.encodes_steadily(case, exchange);
                    self.verifies_requests(case, exchange);
                    self.signs_answers_anew(case, exchange);
                    self.survives_damaged_answers(case, exchange);
                }
                Kind::Callback(push) => {
                    self.refuses_another_time(case, push);
                    self.signs_pushes_anew(case, push);
                    self.survives_damaged_callbacks(case, push);
                }
            }
        }
        self.keeps_quiet();
    }

    fn replays(&mut self, case: &Case) {
        let differences = replay(case, self.adapter);
        if !differences.is_empty() {
            let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
            self.breach(format!("{} ({})\n{}", case.name, case.title, lines.join("\n")));
        }
    }

    /// The same call, instant and nonce give the same bytes; another nonce gives others.
    fn encodes_steadily(&mut self, case: &Case, exchange: &Exchange) {
        if matches!(exchange.expected, Expected::EncodeError(_)) {
            return;
        }
        let at = case.context();
        let other = CallContext { nonce: Nonce(at.nonce.0.map(|byte| !byte)), ..at };
        let first = self.adapter.encode(&exchange.call, &at);
        if first != self.adapter.encode(&exchange.call, &at) {
            self.breach(format!("{}: encoding twice gives different requests", case.name));
        }
        if first == self.adapter.encode(&exchange.call, &other) {
            self.breach(format!("{}: another nonce gives the same request", case.name));
        }
    }

    /// What the capabilities deny, `encode` refuses by name.
    fn unsupported_operations(&mut self) {
        let capabilities = self.adapter.capabilities();
        let Some(case) = self.fixtures.cases.first() else { return };
        let at = case.context();
        let (Some(province_code), Some(request_id)) =
            (ProvinceCode::parse("320000"), RequestId::parse("BJ-1"))
        else {
            return;
        };
        let calls = [
            Call::CheckOrganization { province_code, full_name: "共青团南京大学委员会".to_owned() },
            Call::Query { request_id: request_id.clone() },
            Call::Withdraw { request_id, reason: "本人申请".to_owned() },
            Call::ListChanges { after: 0, limit: 10 },
        ];
        for call in calls {
            let operation = call.operation();
            let refused =
                self.adapter.encode(&call, &at).err() == Some(EncodeError::Unsupported { operation });
            if refused == offers(capabilities, operation) {
                let wanted = if refused { "offered, but refused" } else { "not offered, but not refused" };
                self.breach(format!("{operation} is {wanted} as unsupported"));
            }
        }
    }

    /// A message that was in time is stale when the clock has moved by more than the window is wide.
    fn refuses_another_time(&mut self, case: &Case, push: &Push) {
        if !matches!(push.opened, Opened::Event { .. }) {
            return;
        }
        for seconds in [-2 * CLOCK_WINDOW_SECONDS - 1, 2 * CLOCK_WINDOW_SECONDS + 1] {
            let moved = case.now + SignedDuration::from_secs(seconds);
            match self.adapter.open_callback(&push.request, moved) {
                Err(CallbackError::Stale(_)) => {}
                other => self.breach(format!(
                    "{}: {seconds} s from its time it must be stale, but is {other:?}",
                    case.name
                )),
            }
        }
    }
}

/// Whether a system of these capabilities has an operation.
fn offers(capabilities: Capabilities, operation: Operation) -> bool {
    match operation {
        Operation::CheckOrganization => capabilities.organization_check,
        Operation::SearchOrganizations | Operation::Submit => true,
        Operation::Query => capabilities.query,
        Operation::Withdraw => capabilities.withdraw,
        Operation::ListChanges => matches!(capabilities.events, EventSource::Feed { .. }),
    }
}
