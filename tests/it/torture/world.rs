//! A world: the strict sandbox, a database, daemons as processes of their own, and upstream.

use super::database::Kind;
use super::fleet::Fleet;
use super::people;
use super::upstream::Upstream;
use crate::support::Dice;
use crate::support::{Database, base_config, organizations, program, until};
use league_sandbox::{Faults, Pace, Retries, Sandbox, SandboxConfig, Script, Urls};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// How a world begins.
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) database: Kind,
    pub(super) daemons: usize,
    pub(super) faults: Faults,
    /// More configuration.
    pub(super) config: String,
    /// Words of a shell that come before a daemon takes its place.
    pub(super) shell: &'static str,
}

impl Setting {
    /// One daemon, and nothing goes wrong.
    pub(super) fn calm(seed: u64, database: Kind) -> Self {
        Self { seed, database, daemons: 1, faults: Faults::default(), config: String::new(), shell: ":" }
    }
}

pub(super) struct World {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) database: Arc<Database>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) dice: Dice,
    folder: TempDir,
}

/// Short times, so that much happens in little of it.
const BRISK: &str = r#"
[delivery]
lease = "6s"
poll_interval = "50ms"
shutdown_grace = "10s"
"#;

fn brisk(system: &str) -> String {
    format!(
        "[systems.{system}]\ntimeout = \"400ms\"\nbackoff_initial = \"20ms\"\nbackoff_max = \"200ms\"\n\
         max_attempts = 1000\nconcurrency = 8\nrate_per_second = 1000\n"
    )
}

impl World {
    /// Everything is there, and no daemon runs yet.
    pub(super) async fn make(setting: Setting) -> Self {
        Self::make_behind(setting, async |urls, url| (urls, url)).await
    }

    /// The same with something in between: `detour` gets the partners' and the database's address, and gives those that
    /// the daemons are told.
    pub(super) async fn make_behind(
        setting: Setting,
        detour: impl AsyncFnOnce(Urls, String) -> (Urls, String),
    ) -> Self {
        let mut dice = Dice::new(setting.seed);
        let folder = tempfile::tempdir().expect("a folder");
        let database = Arc::new(setting.database.make(folder.path()).await);
        let sandbox = Arc::new(sandbox(setting.faults).await);
        let (urls, url) = detour(sandbox.urls(), database.url.clone()).await;
        let systems = ["smart_league", "guangdong", "fujian"].map(brisk).concat();
        let files = [base_config(&urls, &url), systems + BRISK, setting.config];
        let files: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(at, text)| {
                let path = folder.path().join(format!("{at}.toml"));
                std::fs::write(&path, text).expect("a file of the configuration");
                path
            })
            .collect();
        let command = move |at: usize| {
            let mut command = program();
            files.iter().for_each(|file| {
                command.arg("--config").arg(file);
            });
            command.env("LEAGUE_GATEWAY__DELIVERY__WORKER_ID", format!("daemon-{at}"));
            command
        };
        told(command(0), &["db", "migrate"]).await;
        let roles = ["--role", "submit", "--role", "view"];
        let token = told(command(0), &[["tokens", "create", "--name", "upstream"], roles].concat()).await;
        let run = move |at| {
            let mut command = command(at);
            command.arg("run");
            through_a_shell(setting.shell, &command)
        };
        let fleet = Fleet::new(setting.daemons, folder.path().to_owned(), sandbox.clone(), run);
        let upstream = Upstream::new(fleet.clone(), database.clone(), &token, dice.fork());
        Self { sandbox, database, fleet, upstream, dice, folder }
    }

    /// All daemons run, and upstream listens.
    pub(super) async fn begin(&self) {
        self.fleet.start_all();
        until("the daemons to listen", || self.fleet.all_listen() || !self.fleet.fallen().is_empty()).await;
        assert_eq!(self.fleet.fallen(), Vec::<String>::new());
        self.upstream.follow();
    }

    /// Keeps what the daemons said, for people.
    pub(super) fn keep(self) -> std::path::PathBuf {
        self.folder.keep()
    }
}

async fn sandbox(faults: Faults) -> Sandbox {
    let retries = Retries {
        first: vec![Duration::from_millis(10)],
        then: Duration::from_millis(50),
        during: Duration::from_secs(3600),
    };
    let pace = Pace {
        review: Duration::from_millis(5),
        between: Duration::from_millis(2),
        late: Duration::from_millis(200),
        push_timeout: Duration::from_secs(2),
        smart_league_retries: retries.clone(),
        guangdong_retries: retries,
    };
    let config = SandboxConfig {
        organizations: organizations(),
        script: Script { rules: people::rules() },
        faults,
        pace,
        ..SandboxConfig::default()
    };
    Sandbox::start(config).await.expect("the sandbox starts")
}

/// What a command says; it must succeed. It may speak to what this process serves, so no thread of the runtime waits for it.
async fn told(mut command: Command, arguments: &[&str]) -> String {
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The same process in the end, but a shell has set the stage for it.
fn through_a_shell(words: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{words}; exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("none is removed"));
    }
    shell
}
