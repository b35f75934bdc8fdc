//! Status events that a partner pushes, and our answers to them.

use crate::StatusEvent;

/// A pushed message whose signature and time hold, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The message's nonce or serial number. The caller refuses one that it has accepted in the last
    /// [`crate::NONCE_MEMORY_SECONDS`] seconds.
    pub replay_key: String,
    /// What it says.
    pub event: StatusEvent,
}

/// Why a pushed message is refused. None of these texts holds anything of the message but the names of fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Signature or identity wrong or missing.
    #[error("the signature does not hold: {0}")]
    Unauthenticated(&'static str),
    /// Genuine, but more than the window away from our clock.
    #[error("the message is {0} s away from our clock")]
    Stale(i64),
    /// Genuine, but not readable.
    #[error("the message can't be read: {0}")]
    Malformed(String),
}

/// What the gateway made of a pushed message, for [`crate::Adapter::answer_callback`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackVerdict {
    /// Durably stored (a repeat counts).
    Stored,
    /// Signature or identity wrong.
    Unauthenticated,
    /// Outside the time window, or a nonce that was used before.
    Stale,
    /// A nonce that was accepted before.
    Replayed,
    /// Not readable.
    Malformed,
    /// Over [`crate::MAX_BODY_BYTES`].
    TooLarge,
    /// It can't be stored now: send it again later.
    Unavailable,
}

impl From<&CallbackError> for CallbackVerdict {
    fn from(error: &CallbackError) -> Self {
        match error {
            CallbackError::Unauthenticated(_) => Self::Unauthenticated,
            CallbackError::Stale(_) => Self::Stale,
            CallbackError::Malformed(_) => Self::Malformed,
        }
    }
}
