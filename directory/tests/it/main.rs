//! The organization directory from outside: quality on a generated list, imports, damage, and laws.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

mod answers;
mod damage;
mod importing;
mod laws;
mod quality;
mod support;
