//! The sandbox from outside: real sockets, requests signed by hand.
#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

mod faults;
mod fixtures;
mod fujian;
mod guangdong;
mod script;
mod smart_league;
mod support;
