//! The upstream API, over real sockets.

mod changes;
mod feed;
mod input;
mod operator;
mod organizations;
mod refusals;
