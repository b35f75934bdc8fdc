//! The laws of the contract, over `fixtures/smart-league` and `fixtures/callbacks/smart-league`.

use league_replay::conformance::{Profile, check};
use league_smart_league::REGISTRATION;
use std::path::Path;

#[test]
fn keeps_the_laws() {
    let fixtures_root = &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    check(&Profile { registration: &REGISTRATION, fixtures_root, signed_answers: true });
}
