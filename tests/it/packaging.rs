//! The Debian package: what is in it, and where.

use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A small program stands in for ours: what is packed around it is what is looked at.
fn package(folder: &Path) -> PathBuf {
    let script = repository().join("scripts/package-deb");
    let made =
        output(Command::new(script).args(["--program", "/bin/true", "--fast", "--output"]).arg(folder));
    PathBuf::from(made.trim())
}

#[test]
fn the_package_has_what_the_unit_asks_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = package(folder.path());
    let name = package.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with(&format!("league-gateway_{}_", env!("CARGO_PKG_VERSION"))), "{name}");
    let control = output(Command::new("dpkg-deb").arg("--field").arg(&package));
    assert!(control.contains("libc6") && control.contains("ca-certificates"), "{control}");
    let tree = folder.path().join("tree");
    output(Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&tree));
    let read = |path: &str| {
        std::fs::read_to_string(tree.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let unit = read("usr/lib/systemd/system/league-gateway.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
    for path in start.split(' ').filter(|word| word.starts_with('/')) {
        assert!(tree.join(&path[1..]).is_file(), "{path} is not in the package");
    }
    assert_eq!(read("DEBIAN/conffiles"), "/etc/league-gateway/config.toml\n");
    assert_eq!(
        read("etc/league-gateway/config.toml"),
        std::fs::read_to_string(repository().join("config/production.example.toml")).expect("a sample")
    );
    let listed = output(Command::new("dpkg-deb").arg("--contents").arg(&package));
    let secrets =
        listed.lines().find(|line| line.ends_with("./etc/league-gateway/secrets/")).expect("a folder");
    assert!(secrets.starts_with("drwx------ root/root"), "{secrets}");
    for line in listed.lines() {
        assert!(line.contains(" root/root ") && !line.contains("rw-rw"), "{line}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        // Without systemd each does its part and fails at nothing.
        output(Command::new("sh").arg("-n").arg(tree.join("DEBIAN").join(script)));
    }
    assert!(read("DEBIAN/md5sums").contains("usr/bin/league-gateway"));
}
