//! The way out and back: every ending, every fault, and one effective transfer at most.

mod clocks;
mod crash;
mod endings;
mod faults;
mod feed;
mod gate;
mod intake;
mod postgres;
mod restore;
mod turns;
