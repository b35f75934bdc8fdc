//! The one integration test binary: a file a theme.

mod support;

mod api;
mod callbacks;
mod delivery;
mod privacy;
mod settings;
mod store_laws;
mod tidy;
mod whole_process;
