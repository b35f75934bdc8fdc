//! The one integration test binary: a file a theme.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

mod support;

mod api;
mod callbacks;
mod console;
mod delivery;
mod doctor;
mod fixtures;
mod fourth;
mod gate;
mod listeners;
mod looking;
mod masking;
mod memory;
mod metrics;
mod model;
mod organizations;
mod packaging;
mod privacy;
mod races;
mod reload;
mod settings;
mod simulation;
mod store_laws;
mod tidy;
mod torture;
mod traces;
mod upkeep;
mod webhooks;
mod whole_process;
