//! The partners' side of the three profiles: strict, stateful, with faults.
