//! The profile's words and ours, a line each.

use league_contract::identity::Gender;
use league_contract::reason::Reason;
use league_contract::transfer::Initiator;
use league_contract::{Blockage, Operation, PartnerStatus, Refusal};

/// What a fault means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// They have no such request.
    NotReceived,
    /// The feed's cursor is gone.
    CursorExpired,
    /// Their no.
    Refused(Refusal),
    /// Come again, not before `retryAfterSeconds`.
    TryLater {
        /// No attempt is counted.
        maintenance: bool,
    },
    /// Nothing of ours would pass.
    Blocked(Blockage),
    /// It may have been done.
    Unclear,
}

/// One line of the table: the code, where it is an answer, and what it means there. Elsewhere it says nothing that
/// can be relied upon, so that it is "any other fault".
struct Line(&'static str, &'static [Operation], Meaning);

const ANY: &[Operation] = &[
    Operation::SearchOrganizations,
    Operation::Submit,
    Operation::Query,
    Operation::Withdraw,
    Operation::ListChanges,
];

const TABLE: [Line; 11] = [
    Line("DUPLICATE_CONFLICT", &[Operation::Submit], Meaning::Refused(Refusal::Conflict)),
    Line("NOT_FOUND", &[Operation::Query, Operation::Withdraw], Meaning::NotReceived),
    Line("ORG_NOT_FOUND", &[Operation::Submit], Meaning::Refused(Refusal::OrganizationNotFound)),
    Line("INVALID_DATA", ANY, Meaning::Refused(Refusal::InvalidData)),
    Line("TOO_LATE", &[Operation::Withdraw], Meaning::Refused(Refusal::TooLate)),
    Line("AUTHENTICATION_FAILED", ANY, Meaning::Blocked(Blockage::Authentication)),
    Line("MESSAGE_EXPIRED", ANY, Meaning::Blocked(Blockage::ClockSkew)),
    Line("BUSY", ANY, Meaning::TryLater { maintenance: false }),
    Line("MAINTENANCE", ANY, Meaning::TryLater { maintenance: true }),
    Line("INTERNAL", ANY, Meaning::Unclear),
    Line("CURSOR_EXPIRED", &[Operation::ListChanges], Meaning::CursorExpired),
];

/// Every fault code of the profile's table.
pub(crate) const CODES: [&str; TABLE.len()] = {
    let mut codes = [""; TABLE.len()];
    let mut line = 0;
    while line < TABLE.len() {
        codes[line] = TABLE[line].0;
        line += 1;
    }
    codes
};

/// What a fault's code means as the answer to an operation; an unknown one is unclear, as the profile says.
pub(crate) fn meaning(code: &str, operation: Operation) -> Meaning {
    TABLE
        .iter()
        .find(|Line(known, operations, _)| *known == code && operations.contains(&operation))
        .map_or(Meaning::Unclear, |Line(_, _, meaning)| *meaning)
}

/// What `status` and `type` say; `None` where it is none of the profile's words.
pub(crate) fn status(word: &str) -> Option<PartnerStatus> {
    match word {
        "ACCEPTED" => Some(PartnerStatus::AwaitingCheckIn),
        "CHECKED_IN" => Some(PartnerStatus::CheckedIn),
        "REJECTED" => Some(PartnerStatus::Rejected),
        "OVERDUE" => Some(PartnerStatus::Overdue),
        "WITHDRAWN" => Some(PartnerStatus::Withdrawn),
        _ => None,
    }
}

/// `reason`.
pub(crate) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Education => "EDUCATION",
        Reason::Employment => "EMPLOYMENT",
        Reason::WorkTransfer => "WORK_TRANSFER",
        Reason::Abroad => "ABROAD",
        Reason::Residence => "RESIDENCE",
        Reason::Other => "OTHER",
    }
}

/// `gender`.
pub(crate) const fn gender(gender: Gender) -> &'static str {
    match gender {
        Gender::Male => "MALE",
        Gender::Female => "FEMALE",
    }
}

/// `initiator`.
pub(crate) const fn initiator(initiator: Initiator) -> &'static str {
    match initiator {
        Initiator::Member => "MEMBER",
        Initiator::Branch => "BRANCH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_out_of_its_place_is_unclear() {
        assert_eq!(meaning("NOT_FOUND", Operation::Query), Meaning::NotReceived);
        assert_eq!(meaning("NOT_FOUND", Operation::Submit), Meaning::Unclear);
        assert_eq!(meaning("CURSOR_EXPIRED", Operation::Submit), Meaning::Unclear);
        assert_eq!(meaning("TOO_LATE", Operation::Query), Meaning::Unclear);
        assert_eq!(meaning("SURPRISE", Operation::Submit), Meaning::Unclear);
        assert_eq!(meaning("busy", Operation::Submit), Meaning::Unclear);
    }

    #[test]
    fn every_code_stands_once() {
        let mut codes = CODES.to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), TABLE.len());
    }
}
