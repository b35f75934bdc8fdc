//! The profile's table of codes, a line a code.

use league_contract::{Blockage, Operation, Refusal};

/// What a code means.
#[derive(Clone, Copy)]
pub(crate) enum Meaning {
    /// `data` is the answer.
    Success,
    /// `data` is the first result.
    Duplicate,
    /// Their no.
    Refused(Refusal),
    /// They have no such request.
    NotReceived,
    /// Credentials or clock.
    Blocked(Blockage),
    /// Load.
    Busy,
    /// Maintenance.
    Maintenance,
    /// Perhaps done.
    Unclear,
}

/// One line.
pub(crate) struct Line {
    status: u16,
    code: i64,
    /// The code as text.
    name: &'static str,
    pub(crate) meaning: Meaning,
    /// The operations that it answers; for another it is no answer.
    operations: &'static [Operation],
}

const SUBMIT: &[Operation] = &[Operation::Submit];
const WITHDRAW: &[Operation] = &[Operation::Withdraw];
const BY_ID: &[Operation] = &[Operation::Query, Operation::Withdraw];
const BY_NAME: &[Operation] =
    &[Operation::CheckOrganization, Operation::SearchOrganizations, Operation::Submit];
const ANY: &[Operation] = &[
    Operation::CheckOrganization,
    Operation::SearchOrganizations,
    Operation::Submit,
    Operation::Query,
    Operation::Withdraw,
];

const fn line(
    status: u16,
    code: i64,
    name: &'static str,
    meaning: Meaning,
    operations: &'static [Operation],
) -> Line {
    Line { status, code, name, meaning, operations }
}

#[rustfmt::skip]
const TABLE: [Line; 12] = [
    line(200, 0,     "0",     Meaning::Success,                                ANY),
    line(200, 20901, "20901", Meaning::Duplicate,                              SUBMIT),
    line(400, 40001, "40001", Meaning::Refused(Refusal::InvalidData),          ANY),
    line(400, 40401, "40401", Meaning::Refused(Refusal::OrganizationNotFound), BY_NAME),
    line(404, 40402, "40402", Meaning::NotReceived,                            BY_ID),
    line(409, 40901, "40901", Meaning::Refused(Refusal::Conflict),             SUBMIT),
    line(409, 40902, "40902", Meaning::Refused(Refusal::TooLate),              WITHDRAW),
    line(401, 40101, "40101", Meaning::Blocked(Blockage::Authentication),      ANY),
    line(401, 40102, "40102", Meaning::Blocked(Blockage::ClockSkew),           ANY),
    line(429, 42901, "42901", Meaning::Busy,                                   ANY),
    line(500, 50000, "50000", Meaning::Unclear,                                ANY),
    line(503, 50301, "50301", Meaning::Maintenance,                            ANY),
];

/// Every code of the table.
pub(crate) const CODES: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        names[at] = TABLE[at].name;
        at += 1;
    }
    names
};

/// What `code` under an HTTP status says to an operation; `None` where the profile has no such answer.
pub(crate) fn meaning(status: u16, code: i64, operation: Operation) -> Option<Meaning> {
    let found = TABLE.iter().find(|line| line.status == status && line.code == code)?;
    found.operations.contains(&operation).then_some(found.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_codes() {
        for line in TABLE {
            assert_eq!(line.name, line.code.to_string());
        }
    }

    #[test]
    fn a_code_counts_under_its_status_and_for_its_operations_only() {
        assert!(meaning(200, 0, Operation::Query).is_some());
        assert!(meaning(500, 0, Operation::Query).is_none());
        assert!(meaning(200, 20901, Operation::Query).is_none());
        assert!(meaning(404, 40402, Operation::Submit).is_none());
        assert!(meaning(409, 40902, Operation::Submit).is_none());
        assert!(meaning(418, 41800, Operation::Submit).is_none());
    }
}
