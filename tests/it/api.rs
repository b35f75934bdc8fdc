//! The upstream API, over real sockets.

mod bulk;
mod changes;
mod feed;
mod inbox;
mod input;
mod look;
mod operator;
mod organizations;
mod refusals;
mod stories;
mod systems;
