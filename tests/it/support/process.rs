//! The program as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command};

/// The program, in English, without our environment.
pub(crate) fn program() -> Command {
    program_in("en")
}

/// The same in a language.
pub(crate) fn program_in(lang: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_league-gateway"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).arg("--lang").arg(lang);
    command
}

/// Where a daemon says that it listens; nothing if it ended before it could. Blocks until then.
pub(crate) fn address(stdout: ChildStdout) -> Option<String> {
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).ok()?;
    line.trim().strip_prefix("listening on ").map(str::to_owned)
}

/// Sends a signal, such as `-TERM`.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}
