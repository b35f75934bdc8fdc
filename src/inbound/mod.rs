//! The way in: a status event, pushed or from a feed, is verified, kept, matched and applied in one transaction, and
//! answered only after its commit.

pub(crate) mod apply;
mod feed;
mod receive;

pub use apply::InboundError;
pub use apply::apply_waiting;
pub use feed::{Feed, Polled};
pub use receive::Receiver;
