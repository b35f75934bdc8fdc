//! The organizations of the League's systems, several million of them, in one file that is mapped into memory.
//!
//! [`import`] makes the file of a list in CSV. [`Directory`] answers from it: whether an organization of exactly this
//! name exists ([`Directory::check`]), which were probably meant where none does ([`Directory::suggest`]), and which
//! have these words in their names ([`Directory::search`]). [`name`] says when two spellings are one name.
//!
//! Nothing here waits, asks a clock or keeps a thread. An answer takes microseconds to a millisecond of processor time.

mod bytes;
mod directory;
mod facts;
mod format;
pub mod import;
pub mod name;
mod postings;
mod search;
mod suggest;
mod table;

pub use directory::{Directory, Facts, Found, ListFacts, OpenError, Organization};
pub use search::{Hits, Page};
pub use suggest::Suggestion;
