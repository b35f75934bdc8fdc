//! Fixtures of adapters: format, replay, comparison, and the laws every adapter keeps.
//!
//! A fixture is one folder. `fixtures/<system>/<case>/` holds an exchange (we call), and
//! `fixtures/callbacks/<system>/<case>/` a message that the partner pushed. `fixtures/README.md` has the format for
//! its authors. In short:
//!
//! | file | exchange | callback |
//! |---|---|---|
//! | `case.toml` | title, clock, nonce, call, expected reply | title, clock, nonce, expected event, verdict |
//! | `request.http` | what `encode` must produce, byte for byte | what the partner sent |
//! | `response.http` | what the partner answered | what `answer_callback` must produce, byte for byte |
//!
//! Adapters are pure, so [`replay`] needs no network and no clock, and names every field that differs; [`examine`] also
//! says which fields are volatile and verified.
//! [`conformance::check`] is the written contract of `league-contract` as a test; an adapter's
//! `tests/conformance.rs` calls it and nothing else. With `BLESS=1` in the environment the same test writes the
//! files that the adapter produces ([`bless`]) instead of checking them.

mod case;
mod compare;
pub mod conformance;
mod disguise;
mod dress;
mod drift;
mod examine;
mod file;
mod http;
mod leaks;
mod lint;
mod load;
mod people;
mod play;
mod record;
mod replay;
mod report;
mod save;

pub use case::{Case, DecodeFault, EncodeFault, Exchange, Expected, Kind, OpenFault, Opened, Push};
pub use compare::Difference;
pub use disguise::Disguise;
pub use drift::{Drift, Shape, meaning, recorded_shape};
pub use examine::{Examined, examine};
pub use http::{parse_request, parse_response, write_request, write_response};
pub use leaks::{Leak, Personal, leaks};
pub use lint::{Finding, Rule, lint};
pub use load::{FixtureError, Fixtures, load, load_system, survey};
pub use people::People;
pub use play::{Played, Player};
pub use record::{Naming, NotKept, Taken, Tree};
pub use replay::{bless, replay};
pub use report::{Ran, junit};
pub use save::{call_text, read_call, save};
