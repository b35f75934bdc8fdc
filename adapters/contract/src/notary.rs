//! The signatures of a profile, for whoever keeps and plays recordings.
//!
//! Delivery needs none of this. A recording whose persons were replaced must be signed anew; one that is played to
//! somebody must bear the listener's nonce and the time of day; and a request that is compared by its fields must still
//! have been signed over its own bytes. The profile knows how, so the adapter's crate says it.

use crate::{CallContext, WireRequest, WireResponse};
use jiff::Timestamp;

/// One profile's signatures, made and verified with the configured secrets: pure, like the adapter.
pub trait Notary: Send + Sync {
    /// Whether a request of ours is signed over exactly its bytes, at a time within the window around `now`, and
    /// whether whatever else follows from time and nonce is what the profile makes of them: a field that no signature
    /// covers is called verified by this, too.
    ///
    /// # Errors
    /// [`NotaryError`] with what does not hold.
    fn verify(&self, request: &WireRequest, now: Timestamp) -> Result<(), NotaryError>;

    /// With which time and nonce a request of ours was made, as far as the profile writes the time.
    ///
    /// # Errors
    /// [`NotaryError`] where it bears neither.
    fn moment(&self, request: &WireRequest) -> Result<CallContext, NotaryError>;

    /// An answer as the partner would give it to `request` at `now`: nonce, time and signature fit, all else is as it
    /// was. What bore no signature stays without one.
    ///
    /// # Errors
    /// [`NotaryError`] where the request has no nonce, or the answer no room for a signature.
    fn sign_answer(
        &self,
        request: &WireRequest,
        now: Timestamp,
        answer: WireResponse,
    ) -> Result<WireResponse, NotaryError>;

    /// A message as the partner would push it, with this time and nonce.
    ///
    /// # Errors
    /// [`NotaryError`] where the system does not push, or the message has no room for a signature.
    fn sign_push(&self, message: WireRequest, at: &CallContext) -> Result<WireRequest, NotaryError>;
}

/// What of a signature does not hold or can't be made. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotaryError(pub String);

impl From<&str> for NotaryError {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
