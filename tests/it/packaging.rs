//! The Debian package: what is in it, and where.

use crate::support::program;
use std::os::unix::fs::PermissionsExt as _;
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
    // What is compiled in asks to be named in what is handed on.
    let copyright = read("usr/share/doc/league-gateway/copyright");
    assert!(
        copyright.contains("jemalloc") && copyright.contains("Redistributions in binary form"),
        "{copyright}"
    );
}

/// As whoever has installed the package and written the secrets: the configuration that is in it can be read.
#[test]
fn the_packaged_configuration_is_read_with_its_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree");
    output(Command::new("dpkg-deb").arg("--raw-extract").arg(package(folder.path())).arg(&tree));
    let secrets = tree.join("etc/league-gateway/secrets");
    let unit = std::fs::read_to_string(tree.join("usr/lib/systemd/system/league-gateway.service"));
    let unit = unit.expect("the unit");
    let loaded = unit.lines().filter_map(|line| line.strip_prefix("LoadCredential=")?.split(':').next());
    for (n, name) in loaded.enumerate() {
        let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
        let text = match name {
            "privacy-key" => format!("k1:{key}"),
            "index-key" => key.to_owned(),
            _ => format!("a-secret-of-some-length-{n}"),
        };
        std::fs::write(secrets.join(name), text).expect("written");
    }
    let check = || {
        let mut command = program();
        command.arg("--config").arg(tree.join("etc/league-gateway/config.toml")).args(["config", "check"]);
        command
    };
    output(check().env("CREDENTIALS_DIRECTORY", &secrets));
    let alone = check().output().expect("runs");
    let said = String::from_utf8_lossy(&alone.stderr).into_owned() + &String::from_utf8_lossy(&alone.stdout);
    assert_eq!(alone.status.code(), Some(2));
    assert!(said.contains("credential:smart-league") && said.contains("CREDENTIALS_DIRECTORY"), "{said}");
}

/// Stand-ins for systemd's commands tell what they were asked.
#[test]
fn a_command_is_run_as_the_service_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = repository().join("packaging/league-gateway.service");
    for (name, script) in [
        (
            "systemctl",
            format!("#!/bin/sh\n[ \"$1 $2\" = 'cat league-gateway.service' ] && cat {}\n", unit.display()),
        ),
        ("systemd-run", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n".to_owned()),
        ("id", "#!/bin/sh\necho 0\n".to_owned()),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, script).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("changed");
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let script = repository().join("packaging/debian/league-gateway-admin");
    let asked = output(Command::new(script).args(["outbox", "list"]).env_clear().env("PATH", path));
    let asked: Vec<&str> = asked.lines().collect();
    for property in [
        "--property=User=league-gateway",
        "--property=StateDirectory=league-gateway",
        "--property=LoadCredential=privacy-key:/etc/league-gateway/secrets/privacy-key",
    ] {
        assert!(asked.contains(&property), "{property}: {asked:?}");
    }
    let command =
        ["/usr/bin/league-gateway", "--config", "/etc/league-gateway/config.toml", "outbox", "list"];
    assert!(asked.ends_with(&command), "{asked:?}");
}
