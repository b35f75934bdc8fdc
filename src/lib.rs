//! league-gateway carries members of the Beijing Communist Youth League online system to organizations in other
//! systems, each transfer once in effect.
//!
//! `ARCHITECTURE.md` leads through the house; in short, from the ground up: the pure core ([`transfer`], [`routing`],
//! [`organization`], [`retry`], [`gate`], [`clock`]), its effects ([`store`], [`seal`], [`transport`], [`partner`]), the two paths
//! ([`outbound`], [`inbound`]) with the door in ([`intake`]), the faces ([`api`], [`cli`]), and [`app`], which puts
//! them together.

pub mod access;
pub mod alarm;
pub mod api;
pub mod app;
pub mod cli;
pub mod clock;
pub mod gate;
pub mod inbound;
pub mod intake;
pub mod lifecycle;
pub mod listener;
pub mod listing;
pub mod notify;
pub mod operator;
pub mod organization;
pub mod outbound;
pub mod partner;
pub mod reach;
pub mod retention;
pub mod retry;
pub mod rotation;
pub mod routing;
pub mod seal;
pub mod settings;
pub mod store;
pub mod supervised;
pub mod suspension;
pub mod telemetry;
pub mod transfer;
pub mod transport;
pub mod view;
pub mod webhook;

/// All memory, SQLite's too. The C library's allocator took a fifth of a drain's processor time.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
