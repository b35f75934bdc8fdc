//! Guangdong's league system, as a pure adapter.
