//! What allocates, as the program itself tells it.

use crate::support::program;

/// The options that the build gives jemalloc: `.cargo/config.toml` has them.
fn options() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/.cargo/config.toml");
    let text = std::fs::read_to_string(path).expect("it can be read");
    let config: toml::Table = text.parse().expect("it is TOML");
    config["env"]["JEMALLOC_SYS_WITH_MALLOC_CONF"].as_str().expect("a text").to_owned()
}

/// A build that missed them would be as right, and keep ten MiB more.
#[test]
fn the_program_has_its_allocators_options() {
    let output =
        program().env("MALLOC_CONF", "confirm_conf:true").arg("--version").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let built = said.lines().find(|line| line.contains("--with-malloc-conf")).expect("jemalloc allocates");
    assert!(built.contains(&options()), "{said}");
    for option in options().split(',') {
        assert!(said.contains(&format!("Set conf value: {option}")), "{option} is known: {said}");
    }
}
