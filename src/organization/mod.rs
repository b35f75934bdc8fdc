//! Organizations' full names: when two are the same, and whether one exists. The first is pure, the second asks.

pub mod check;
pub mod normalize;
