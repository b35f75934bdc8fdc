//! The profile's table of codes, a line a code.

use league_contract::{Blockage, Operation, Refusal};

/// What a code means, for the calls that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Done; the body has the answer.
    Success,
    /// They had the same transfer already; the body has the first receipt.
    Duplicate,
    /// They have no such transfer.
    NotReceived,
    /// Their no.
    Refused(Refusal),
    /// Not with these credentials, or not with this clock.
    Blocked(Blockage),
    /// Too busy now.
    Busy,
    /// Not before the time in the body.
    Maintenance,
    /// Perhaps.
    Unclear,
}

const ANY: &[Operation] =
    &[Operation::SearchOrganizations, Operation::Submit, Operation::Query, Operation::Withdraw];
const SUBMIT: &[Operation] = &[Operation::Submit];
const KNOWN: &[Operation] = &[Operation::Query, Operation::Withdraw];
const WITHDRAW: &[Operation] = &[Operation::Withdraw];

const TABLE: [(&str, Meaning, &[Operation]); 12] = [
    ("0000", Meaning::Success, ANY),
    ("1001", Meaning::Duplicate, SUBMIT),
    ("1002", Meaning::Refused(Refusal::Conflict), SUBMIT),
    ("1003", Meaning::NotReceived, KNOWN),
    ("1004", Meaning::Refused(Refusal::TooLate), WITHDRAW),
    ("2001", Meaning::Refused(Refusal::OrganizationNotFound), SUBMIT),
    ("2002", Meaning::Refused(Refusal::InvalidData), ANY),
    ("3001", Meaning::Blocked(Blockage::Authentication), ANY),
    ("3002", Meaning::Blocked(Blockage::ClockSkew), ANY),
    ("4001", Meaning::Busy, ANY),
    ("5000", Meaning::Unclear, ANY),
    ("9001", Meaning::Maintenance, ANY),
];

/// Every code of the table.
pub(crate) const CODES: [&str; TABLE.len()] = {
    let mut codes = [""; TABLE.len()];
    let mut line = 0;
    while line < TABLE.len() {
        codes[line] = TABLE[line].0;
        line += 1;
    }
    codes
};

/// What a code means as an answer to this call; `None` where the profile does not have it there.
pub(crate) fn meaning(code: &str, operation: Operation) -> Option<Meaning> {
    let line = TABLE.iter().find(|(known, _, answers)| *known == code && answers.contains(&operation));
    line.map(|(_, meaning, _)| *meaning)
}
