//! Fixtures of adapters: format, replay, comparison, and the laws every adapter keeps.
