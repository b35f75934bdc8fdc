//! The way out: claim, check, send, settle. Three commits around a remote call, never one across it.

mod driver;
mod send;
mod settle;
mod suspend;
mod sweep;

pub use driver::Driver;
pub use send::{Delivery, Work};
pub use settle::{Consequence, consequence};
pub use suspend::{lift_if_credentials_changed, suspend};
pub use sweep::Sweeper;
