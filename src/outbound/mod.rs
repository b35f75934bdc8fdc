//! The way out: claim, check, send, settle. Three commits around a remote call, never one across it.

mod driver;
mod send;
mod settle;
mod sweep;

pub use driver::Driver;
pub use send::{Delivery, WorkError};
pub use settle::{Consequence, consequence};
pub use sweep::Sweeper;
