//! What the fixtures must show.

use super::{Book, offers};
use crate::case::{Case, Expected, Kind};
use league_contract::{Operation, Reply};

/// The fewest cases of a system.
const LEAST_CASES: usize = 15;

const OPERATIONS: [Operation; 6] = [
    Operation::CheckOrganization,
    Operation::SearchOrganizations,
    Operation::Submit,
    Operation::Query,
    Operation::Withdraw,
    Operation::ListChanges,
];

impl Book<'_> {
    pub(super) fn coverage(&mut self) {
        let cases = &self.fixtures.cases;
        if cases.len() < LEAST_CASES {
            self.breach(format!("there are {} cases, at least {LEAST_CASES} are needed", cases.len()));
        }
        let capabilities = self.adapter.capabilities();
        for operation in OPERATIONS.into_iter().filter(|operation| offers(capabilities, *operation)) {
            if !cases.iter().any(|case| answers(case, operation)) {
                self.breach(format!("no case shows {operation} answered"));
            }
        }
        for code in self.profile.registration.codes {
            if !cases.iter().any(|case| case.codes.iter().any(|shown| shown == code)) {
                self.breach(format!("no case shows the code {code}"));
            }
        }
        for case in cases {
            for code in &case.codes {
                if !self.profile.registration.codes.contains(&code.as_str()) {
                    self.breach(format!("{}: the profile has no code {code}", case.name));
                }
            }
        }
    }
}

fn answers(case: &Case, operation: Operation) -> bool {
    match &case.kind {
        Kind::Exchange(exchange) => {
            exchange.call.operation() == operation
                && matches!(exchange.expected, Expected::Reply(Reply::Answered(_)))
        }
        Kind::Callback(_) => false,
    }
}
