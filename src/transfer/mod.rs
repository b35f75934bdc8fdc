//! The life of a transfer: states, what may happen, and the one table of what follows what. Pure.

mod deadline;
mod entry;
mod event;
mod state;
mod transition;

pub use deadline::{no_later_than, spoken};
pub use entry::{
    Advance, Entry, Facts, Following, Held, LastError, Line, Milestone, Milestones, Withdrawal, advance,
};
pub use event::{Cause, Event};
pub use state::State;
pub use transition::{Verdict, states_table, transition};

#[cfg(test)]
pub(crate) use entry::tests;
