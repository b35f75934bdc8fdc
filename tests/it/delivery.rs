//! The way out and back: every ending, every fault, and one effective transfer at most.

mod crash;
mod endings;
mod faults;
mod feed;
mod intake;
mod postgres;
