//! Organizations' full names: whether one exists, which was meant, and which there are.
//!
//! What a name is, and the local directory's file, are `league-directory`'s; here is who is asked, and when.

pub mod check;
pub mod directory;
pub mod search;
pub mod suggestion;
