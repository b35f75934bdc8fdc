//! The contract between the gateway and the external systems that it carries members to.
//!
//! An **adapter** speaks one system's profile. It is *pure*: it turns a [`Call`] into a [`WireRequest`], a
//! [`WireResponse`] into a [`Reply`], and a pushed [`WireRequest`] into a [`Callback`]. The clock and the nonce are
//! given to it in a [`CallContext`]; it has no network, no clock, no randomness and no storage, and its `Cargo.toml`
//! cannot reach any. That is why a fixture replays byte for byte, and why an adapter is tested without a socket.
//!
//! # What an adapter must do
//!
//! 1. [`Adapter::encode`] is a function of its arguments: the same call at the same instant with the same nonce gives
//!    the same bytes. What the profile cannot express is an [`EncodeError`], never a silent omission.
//! 2. [`Adapter::decode`] checks that an answer belongs to the request and is genuine (signature, nonce, window)
//!    before it reads anything else of it. What it cannot read is a [`DecodeError`]; it never guesses.
//! 3. Every code of the profile's table stands in `codes.rs`, a line a code, and maps to one [`Reply`].
//! 4. [`Adapter::open_callback`] verifies the signature over the raw bytes, then the time window, then decodes.
//!    Replay of a nonce is for the caller to refuse: [`Callback::replay_key`] is what it remembers.
//! 5. [`Adapter::answer_callback`] signs the partner's own form of answer. It cannot fail, whatever the request was.
//! 6. Additions in an answer are no error; a missing required field is one.
//! 7. No personal data in any error, in `Debug` or in `Display`.
//! 8. Beside it stands a [`Notary`], by which recordings are verified and signed anew: what it verifies it signed over
//!    these bytes, and what it signs the adapter takes for genuine.
//!
//! `league-replay` holds these as laws that every adapter's `tests/conformance.rs` runs.
//!
//! # Words
//!
//! The crate speaks of *partners* (the external systems) and *upstream* (the Beijing system). Its [`Transfer`] is
//! the canonical form of a request; [`document`] reads and writes it as the JSON of the upstream interface.

pub mod adapter;
pub mod call;
pub mod callback;
pub mod document;
pub mod identity;
pub mod mask;
pub mod notary;
pub mod organization;
pub mod problem;
pub mod province;
pub mod reason;
pub mod reply;
pub mod secret;
pub mod status;
pub mod system;
pub mod text;
pub mod transfer;
pub mod wire;

pub use adapter::{
    Adapter, AdapterConfig, Capabilities, Completion, ConfigError, EventSource, OpenFields, Registration,
};
pub use call::{Call, CallContext, EncodeError, Nonce, Operation};
pub use callback::{Callback, CallbackError, CallbackVerdict};
pub use notary::{Notary, NotaryError};
pub use organization::{Organization, OrganizationCheck, OrganizationKind, OrganizationPage};
pub use problem::{Problem, ProblemCode};
pub use province::ProvinceCode;
pub use reply::{
    Answer, Blockage, ChangePage, DecodeError, Receipt, Record, Refusal, Remark, Reply, UnreadableChange,
    Words,
};
pub use secret::Secret;
pub use status::{EventKind, PartnerStatus, StatusEvent};
pub use system::System;
pub use transfer::{RequestId, Transfer};
pub use wire::{Method, WireRequest, WireResponse};

/// How far a partner's clock may be from ours, in seconds, either way (every profile fixes the same window).
pub const CLOCK_WINDOW_SECONDS: i64 = 300;

/// How long an accepted nonce is remembered, in seconds: longer than the window is wide.
pub const NONCE_MEMORY_SECONDS: i64 = 600;

/// The largest body that a partner sends or takes, in bytes (every profile fixes 1 MiB).
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
