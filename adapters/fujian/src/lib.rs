//! Fujian's league system, as a pure adapter.
