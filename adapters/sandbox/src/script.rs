//! What happens to a transfer once a partner has it.

use crate::Partner;
use serde::Deserialize;

/// Rules in order; the first that matches decides. Where none does, the national system approves, and with Guangdong
/// and Fujian the member checks in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// The life of some transfers. A condition that is left out always holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Only this partner's.
    pub system: Option<Partner>,
    /// Only this `request_id`; one that ends in `*` matches every id that begins so.
    pub request_id: Option<String>,
    /// Only transfers to the organization of this full name.
    pub destination: Option<String>,
    /// What happens, in order, each after the pace's review time. An empty list is `["none"]`.
    pub steps: Vec<Step>,
    /// How the gateway is told.
    pub callbacks: Vec<Manner>,
}

/// One thing that happens to a transfer. A step that its state no longer allows is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is approved; with Guangdong and Fujian the same as `check_in`.
    Approve,
    /// The national system makes an account for the member.
    AccountCreated,
    /// It is refused, in these words.
    Reject(String),
    /// Nobody reviews it in time; with Guangdong and Fujian the same as `overdue`.
    Expire,
    /// The member checks in; with the national system the same as `approve`.
    CheckIn,
    /// Nobody checks in in time; with the national system the same as `expire`.
    Overdue,
    /// Nothing, forever.
    None,
}

/// A disorder of callbacks. With Fujian it is the feed that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// Each event twice, under the same id.
    Duplicate,
    /// All happens first, then the events come last to first.
    Reorder,
    /// All happens, and is told, before the submit is answered.
    BeforeAnswer,
    /// The books change on time, the events come after the pace's `late`.
    Late,
    /// After a final event, another with a new id that says the opposite. The books do not change.
    Conflicting,
}

impl Script {
    /// The steps and manners for a transfer.
    #[must_use]
    pub(crate) fn find(
        &self,
        partner: Partner,
        request_id: &str,
        destination: &str,
    ) -> (Vec<Step>, Vec<Manner>) {
        let rule = self.rules.iter().find(|rule| {
            rule.system.is_none_or(|one| one == partner)
                && rule.request_id.as_deref().is_none_or(|pattern| matches(pattern, request_id))
                && rule.destination.as_deref().is_none_or(|name| name == destination)
        });
        rule.map_or_else(
            || (vec![Step::Approve], Vec::new()),
            |rule| (rule.steps.clone(), rule.callbacks.clone()),
        )
    }
}

/// Whether an id is the pattern, or begins with what stands before its closing `*`.
pub(crate) fn matches(pattern: &str, request_id: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == request_id, |prefix| request_id.starts_with(prefix))
}
