//! The stage: a temporary folder with configuration and database, the sandbox, and the daemon's process.

use super::super::{Context, Done};
use super::samples::{Scenario, organizations};
use crate::access::{Role, create_token};
use crate::app::REGISTRATIONS;
use crate::clock::Clock;
use crate::routing::{BUILT_IN, Routes};
use crate::seal::{Sealer, generate_key};
use crate::settings;
use crate::store::Store;
use crate::transport::{Endpoint, Transport};
use anyhow::Context as _;
use league_contract::Call;
use league_contract::document::read_canonical;
use league_directory::import::{Import, Mode};
use league_sandbox::{Organization, Report, Sandbox, SandboxConfig, Urls};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

pub(super) struct Stage {
    folder: Option<TempDir>,
    config: PathBuf,
    gateway: String,
    token: Zeroizing<String>,
    sandbox: Sandbox,
    daemon: Child,
    restarts: u32,
}

/// Talks to the daemon as upstream would.
pub(super) struct Client {
    pub(super) transport: Transport,
    pub(super) token: Zeroizing<String>,
}

impl Stage {
    /// Builds everything and starts it.
    pub(super) async fn set(scenario: &Scenario) -> anyhow::Result<Self> {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::Builder::new().prefix("league-gateway-demo-").tempdir()?;
        let listen = free_address()?;
        let gateway = format!("http://{listen}");
        let sandbox = Sandbox::start(SandboxConfig {
            gateway: Some(gateway.clone()),
            organizations: organizations(),
            script: scenario.script.clone(),
            faults: scenario.faults.clone(),
            ..SandboxConfig::default()
        })
        .await
        .context("the simulated systems can't be started")?;
        let config = folder.path().join("demo.toml");
        let database = format!("sqlite://{}", folder.path().join("demo.db").display());
        let directory = folder.path().join("organizations.idx");
        let text = configuration(&gateway, listen, &database, &sandbox.urls())?;
        let text = format!("{text}[organizations]\ndirectory = '{}'\n", directory.display());
        std::fs::write(&config, text)?;
        import(&directory, &organizations())?;
        let settings = settings::load(std::slice::from_ref(&config), &REGISTRATIONS);
        let settings = settings.map_err(|_| anyhow::anyhow!("the demo's configuration is not sound"))?;
        let store = Store::connect(&database).await?;
        store.prepare(&Sealer::new(&settings.privacy_keys, &settings.index_key)?).await?;
        let roles = [Role::Submit, Role::View, Role::Operate];
        let token = create_token(&store, "demo", &roles, Clock::Wall.now())
            .await?
            .context("the database is not new")?;
        store.close().await;
        let daemon = spawn(&config, &folder)?;
        Ok(Self { folder: Some(folder), config, gateway, token, sandbox, daemon, restarts: 0 })
    }

    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let endpoint = Endpoint {
            origin: self.gateway.clone(),
            timeout: Duration::from_secs(15),
            ca_file: None,
            client_identity: None,
            carrier: None,
        };
        Ok(Client { transport: Transport::new(&endpoint)?, token: self.token.clone() })
    }

    /// URLs and token, to try by hand.
    pub(super) fn introduce(&self, context: &Context) {
        let out = context.out;
        if out.json {
            return;
        }
        let urls = self.sandbox.urls();
        let pick = |zh, en| out.lang.pick(zh, en);
        out.line(format!(
            "{}  {}   {} {}",
            pick("网关", "gateway"),
            out.good(&self.gateway),
            pick("进程", "process"),
            self.daemon.id().unwrap_or_default()
        ));
        out.line(format!(
            "{}  smart_league {}  guangdong {}  fujian {}",
            pick("模拟系统", "simulated"),
            urls.smart_league,
            urls.guangdong,
            urls.fujian
        ));
        out.line(format!("{}  {}", pick("令牌", "token"), self.token.as_str()));
        out.line(format!("{}  {}", pick("配置", "configuration"), self.config.display()));
        out.line(out.dim(&format!(
            "curl -H 'Authorization: Bearer {}' {}/v1/transfers/SL-ACCOUNT",
            self.token.as_str(),
            self.gateway
        )));
        out.line(
            out.dim(&format!("league-gateway --config {} outbox show SL-ANSWER-LOST", self.config.display())),
        );
        out.line("");
    }

    /// It goes on until Ctrl-C.
    pub(super) fn invite(&self, context: &Context) {
        let text = context.out.lang.pick(
            "网关仍在运行，可用上面的地址和令牌试用；Ctrl-C 结束。",
            "The gateway still runs: try it with the URL and token above; Ctrl-C ends it.",
        );
        context.out.line(text);
        // The table has pushed the first lines off the screen.
        self.introduce(context);
    }

    /// Starts the daemon again if its process is gone, whoever ended it.
    pub(super) fn revive(&mut self) -> anyhow::Result<()> {
        if let (Some(status), Some(folder)) = (self.daemon.try_wait()?, &self.folder) {
            self.restarts += 1;
            anyhow::ensure!(
                self.restarts <= 20,
                "the daemon ended again and again ({status}):\n{}",
                self.log_tail()
            );
            self.daemon = spawn(&self.config, folder)?;
        }
        Ok(())
    }

    /// `kill -9`, as a power cut would.
    pub(super) async fn kill(&mut self, context: &Context) -> anyhow::Result<()> {
        self.daemon.kill().await?;
        if !context.out.json {
            context.out.line(context.out.bad(context.out.lang.pick(
                "✗ 网关进程被强制结束（kill -9），重新启动……",
                "✗ the daemon was killed (kill -9); starting it again…",
            )));
        }
        self.revive()
    }

    /// What the partners saw, once they have nothing more to push.
    pub(super) async fn report(&self) -> Report {
        drop(tokio::time::timeout(Duration::from_secs(10), self.sandbox.pushes_idle()).await);
        self.sandbox.report()
    }

    /// Submits a document as an earlier gateway did, whose database was then restored from a backup.
    pub(super) async fn submit_before(&self, document: &Value) -> anyhow::Result<()> {
        let settings = settings::load(std::slice::from_ref(&self.config), &REGISTRATIONS)
            .map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let sealer = Sealer::new(&settings.privacy_keys, &settings.index_key)?;
        let partners = crate::app::partners(&settings, &sealer)?;
        let transfer = read_canonical(document).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        let system = Routes::parse(BUILT_IN)?
            .system(transfer.destination.province_code)
            .map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let partner = partners.get(&system).context("the system is not configured")?;
        partner.ask(Call::Submit(Box::new(transfer)), &Clock::Wall).await?;
        Ok(())
    }

    /// Leaves the folder where it is, for whoever looks into a failure.
    pub(super) fn keep(&mut self, context: &Context) {
        if let Some(folder) = self.folder.take() {
            let kept = folder.keep();
            context.out.line(format!(
                "{} {}",
                context.out.lang.pick("现场保留在", "left for inspection:"),
                kept.display()
            ));
        }
    }

    /// Stops everything softly.
    pub(super) async fn strike(mut self) -> Done {
        if let Some(id) = self.daemon.id() {
            let stopped = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
            let waited = tokio::time::timeout(Duration::from_secs(8), self.daemon.wait()).await;
            if stopped.is_err() || waited.is_err() {
                self.daemon.kill().await?;
            }
        }
        self.sandbox.stop().await;
        Ok(())
    }

    fn log_tail(&self) -> String {
        let path = self.config.with_file_name("daemon.log");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// The daemon's configuration: quick, since everything is near and nobody wants to wait.
fn configuration(gateway: &str, listen: SocketAddr, database: &str, urls: &Urls) -> anyhow::Result<String> {
    let (key, index) = (generate_key()?, generate_key()?);
    let quick = "timeout = '3s'\nbackoff_initial = '200ms'\nbackoff_max = '2s'\nreconcile_after = '3s'";
    let system = |name: &str, url: &str, secrets: &str| {
        format!("[systems.{name}]\nbase_url = '{url}'\n{secrets}\n{quick}\n")
    };
    let national = system("smart_league", &urls.smart_league, "secrets = ['sandbox-smart-league-secret']");
    let guangdong = system("guangdong", &urls.guangdong, "secrets = ['sandbox-guangdong-secret']");
    let fujian = "passwords = ['sandbox-fujian-password']\nfeed_interval = '300ms'";
    let fujian = system("fujian", &urls.fujian, fujian);
    Ok(format!(
        "# Made by `league-gateway demo`; gone when it ends.\n\
         [http]\nlisten = '{listen}'\npublic_url = '{gateway}'\n\
         [database]\nurl = '{database}'\n\
         [privacy]\nkeys = ['demo:{}']\nindex_key = '{}'\n\
         [delivery]\npoll_interval = '200ms'\nlease = '20s'\nshutdown_grace = '5s'\n\
         {national}{guangdong}{fujian}",
        key.as_str(),
        index.as_str(),
    ))
}

/// What the simulated systems know stands in the local directory, too.
fn import(directory: &std::path::Path, organizations: &[Organization]) -> anyhow::Result<()> {
    let mut list = csv::Writer::from_writer(Vec::new());
    list.write_record(["province_code", "org_id", "full_name", "kind"])?;
    for Organization { province_code, org_id, full_name, kind } in organizations {
        list.write_record([province_code, org_id, full_name, kind])?;
    }
    let import = Import {
        mode: Mode::Full,
        out: directory,
        allow_removal: false,
        imported_at: Clock::Wall.now().as_millisecond(),
        known_province: None,
    };
    import.run(list.into_inner()?.as_slice(), &mut |_| ())?;
    Ok(())
}

fn spawn(config: &std::path::Path, folder: &TempDir) -> anyhow::Result<Child> {
    let log = std::fs::File::options().create(true).append(true).open(folder.path().join("daemon.log"))?;
    let program = std::env::current_exe().context("this program can't find itself")?;
    let mut command = Command::new(program);
    command.arg("--config").arg(config).arg("--color").arg("never").arg("run");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log)).kill_on_drop(true);
    // Ctrl-C is for the demo, which then stops the daemon in its turn.
    command.process_group(0);
    command.spawn().context("the daemon can't be started")
}

/// A free port of loopback. The daemon needs the same one after a restart, so it is chosen here: not among those that systems
/// give out by themselves (from 32768 on), where any outgoing connection could take it while the daemon is away.
fn free_address() -> anyhow::Result<SocketAddr> {
    for _ in 0..100 {
        let [high, low, ..] =
            getrandom::u32().context("the operating system gave no randomness")?.to_be_bytes();
        let port = 16_384 + u16::from_be_bytes([high, low]) % 16_384;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    anyhow::bail!("no port from 16384 to 32767 is free on 127.0.0.1")
}
