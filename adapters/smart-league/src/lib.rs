//! The national Smart League system, as a pure adapter.
