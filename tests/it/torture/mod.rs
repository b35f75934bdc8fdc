//! Torture: daemons that are killed, partners and machines that fail, and books that must agree in the end.
//!
//! The tests in here are the short form. `scripts/torture` runs the long one for as long as it is told, and reports.
//! What is tried follows from a seed; `LEAGUE_TORTURE_SEED` gives another one than the usual.

mod database;
mod faults;
mod fleet;
mod judge;
mod kill;
mod long;
mod machine;
mod people;

mod report;
mod upstream;
mod world;

/// The seed of a test: its own, or the one that the environment names.
fn seed(own: u64) -> u64 {
    variable("LEAGUE_TORTURE_SEED").and_then(|text| text.parse().ok()).unwrap_or(own)
}

#[expect(clippy::disallowed_methods, reason = "the tests' own switches, not the gateway's settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
