//! The league gateway.

fn main() {}
