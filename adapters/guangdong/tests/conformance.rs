//! The laws of `league-contract` over `fixtures/guangdong`.

use league_replay::conformance::{Profile, check};
use std::path::Path;

#[test]
fn keeps_the_laws() {
    let fixtures_root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    check(&Profile {
        registration: &league_guangdong::REGISTRATION,
        fixtures_root: &fixtures_root,
        signed_answers: true,
    });
}
