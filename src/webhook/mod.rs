//! The event feed, pushed: each event posted to upstream's addresses, signed after
//! [Standard Webhooks](https://www.standardwebhooks.com/), until it is taken.
//!
//! An address reads the feed by a cursor of its own. What it does not take waits for it, and is sent again: at least once,
//! events of one transfer in their order. `webhook-id` is the same at every try, so that upstream can tell a repeat.

mod acts;
mod message;
mod sender;

pub use acts::{Desk, Done, WebhookView};
pub use message::{Secret, SecretProblem, Secrets};
pub use sender::{Round, Sender};

use crate::transport::Endpoint;

/// The kinds of events that the feed has.
pub const KINDS: [&str; 3] = ["state_changed", "milestone", "alarm"];
/// After so many failures in a row an address counts as failing: an alarm is raised.
pub const ALARMING: u32 = 5;

/// An address of upstream's that is told of events.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name in the configuration.
    pub name: String,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// Path and query of its address.
    pub path: String,
    /// Every one of them signs, so that either side can change to another at its own time.
    pub secrets: Secrets,
    /// Which of [`KINDS`] it is told of.
    pub kinds: Vec<String>,
}

impl Target {
    /// Whether it is told of events of a kind.
    fn wants(&self, kind: &str) -> bool {
        self.kinds.iter().any(|wanted| wanted == kind)
    }
}
