//! The command line: one file a command group.
//!
//! Exit codes: 0 done · 1 failed · 2 usage or configuration · 3 not found · 4 refused.

mod alarms;
mod audit;
mod callbacks;
mod config;
mod db;
mod demo;
mod doctor;
mod enqueue;
mod events;
mod fixtures;
mod keys;
mod orgs;
mod outbox;
mod output;
mod routes;
mod run;
mod sandbox;
mod systems;
mod tokens;
mod webhooks;

use crate::app::{App, REGISTRATIONS};
use crate::clock::Clock;
use crate::intake::IntakeError;
use crate::operator::reason;
use crate::settings::{self, ConfigProblem, Settings};
use crate::store::{Author, StoreError};
use clap::{Args, Parser, Subcommand, ValueEnum};
use league_contract::{ProblemCode, mask, text};
pub use output::Lang;
use output::Output;
use std::path::PathBuf;
use std::process::ExitCode;

/// 把团员的转接申请送达外部系统，不丢失，不重复。
/// Carries League members' transfers to organizations in other systems, once in effect.
#[derive(Parser, Debug)]
#[command(name = "league-gateway", version, about, long_about = None, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Debug, Clone)]
struct Global {
    /// A configuration file; repeatable, later ones win
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    json: bool,
    /// The language of messages; by default the environment's (LANG)
    #[arg(long, global = true, value_enum)]
    lang: Option<Lang>,
    /// Colour
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    color: ColorChoice,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the daemon
    Run(run::RunArgs),
    /// Run daemon, simulated systems and sample transfers, to see it work
    Demo(demo::DemoArgs),
    /// Run the three simulated systems alone
    Sandbox(sandbox::SandboxArgs),
    /// Put transfers into the outbox: JSON Lines or CSV
    Enqueue(enqueue::EnqueueArgs),
    /// Look into the outbox
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// The event feed
    #[command(subcommand)]
    Events(events::EventsCommand),
    /// Organizations, through the external systems
    #[command(subcommand)]
    Orgs(orgs::OrgsCommand),
    /// Where transfers go
    #[command(subcommand)]
    Routes(routes::RoutesCommand),
    /// The external systems
    #[command(subcommand)]
    Systems(systems::SystemsCommand),
    /// What the systems reported, and what came of it
    #[command(subcommand)]
    Callbacks(callbacks::CallbacksCommand),
    /// Recorded exchanges of the adapters
    #[command(subcommand)]
    Fixtures(fixtures::FixturesCommand),
    /// Look at everything that the gateway stands on, and say what to mend; changes nothing
    Doctor(doctor::DoctorArgs),
    /// What somebody must look at
    #[command(subcommand)]
    Alarms(alarms::AlarmsCommand),
    /// The configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The database
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Tokens of the HTTP interface
    #[command(subcommand)]
    Tokens(tokens::TokensCommand),
    /// Who did what, and whether the log of it is whole
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Upstream's addresses that are told of events
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Keys that seal personal data
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// Why a command did not do what it was asked; each kind has its exit code.
#[derive(Debug)]
enum Failure {
    /// 1: it was tried and did not work.
    Failed(anyhow::Error),
    /// 2: it can't be tried like this.
    Usage(String),
    /// 2: the configuration is at fault.
    Config(Vec<ConfigProblem>),
    /// 3: there is no such thing.
    NotFound(String),
    /// 4: the gateway says no, and has said why.
    Refused(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

type Done = Result<(), Failure>;

/// What every command works with.
struct Context {
    global: Global,
    out: Output,
}

impl Context {
    fn settings(&self) -> Result<Settings, Failure> {
        settings::load(&self.global.config, &REGISTRATIONS).map_err(Failure::Config)
    }

    /// The application over a database whose schema is this program's.
    async fn app(&self) -> Result<App, Failure> {
        let app = App::open_existing(self.settings()?, Clock::Wall).await.map_err(opened)?;
        app.store.require_current().await.map_err(schema)?;
        Ok(app)
    }

    /// Who acts on this command line, for the audit log. Many read it: it is a name and nothing else.
    fn author(&self, name: &str) -> Result<Author, Failure> {
        name_of(name).map(user).ok_or_else(|| {
            Failure::Usage(match self.out.chinese() {
                true => format!(
                    "操作人（--by，默认为环境变量 USER）须为 1 至 {LONGEST_NAME} 个可显示的字符，不得含不可见字符"
                ),
                false => {
                    format!(
                        "who acts (--by, else $USER) must have 1 to {LONGEST_NAME} printable characters, none of \
                         them invisible"
                    )
                }
            })
        })
    }

    /// A reason that a command demands, as the audit log can hold it.
    fn reason(&self, flag: &str, text: &str) -> Result<String, Failure> {
        reason(text)
            .map_err(|problem| Failure::Usage(format!("{flag}: {}", problem.text(self.out.chinese()))))
    }

    /// A system that is not configured, or another thing that a name does not name.
    fn none_called(&self, (zh, en): (&str, &str), name: &str) -> Failure {
        Failure::NotFound(format!("{}{}{name}", self.out.lang.pick(zh, en), self.out.lang.pick("：", ": ")))
    }
}

/// A name that no system has.
const NO_SYSTEM: (&str, &str) = ("没有配置该系统", "no such system is configured");

/// The longest name of somebody who acts, in characters.
const LONGEST_NAME: usize = 64;

/// The user of this session, where a command does not ask who.
fn session_author() -> Author {
    let name = std::env::var_os("USER").map(|user| user.to_string_lossy().into_owned());
    user(name.as_deref().and_then(name_of).unwrap_or_else(|| "operator".to_owned()))
}

/// A name that the audit log can hold, if it is one.
fn name_of(name: &str) -> Option<String> {
    visible(name).map(|name| mask::digits(&name))
}

/// A name of which every character is seen: two that look alike are the same.
fn visible(name: &str) -> Option<String> {
    text::clean(name, 1, LONGEST_NAME).ok().filter(|name| !name.chars().any(text::invisible))
}

fn user(name: String) -> Author {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Author { name: format!("user:{name}"), origin: format!("cli {}", host.trim()) }
}

/// Why an act was not done, in the language of the console.
fn refusal(context: &Context, error: IntakeError) -> Failure {
    let problems = match error {
        IntakeError::Refused(problems) => problems,
        error @ (IntakeError::Store(_) | IntakeError::Seal(_)) => return error.into(),
    };
    let texts: Vec<&str> = problems.iter().map(|problem| problem.text(context.out.chinese())).collect();
    let not_there = problems.iter().all(|problem| problem.code == ProblemCode::NotFound);
    if not_there { Failure::NotFound(texts.join("; ")) } else { Failure::Refused(texts.join("; ")) }
}

/// A schema that does not fit is the operator's to mend, with the command that the text names.
fn schema(error: StoreError) -> Failure {
    match error {
        StoreError::Schema(text) => Failure::Usage(text),
        error @ (StoreError::Url(_)
        | StoreError::Database { .. }
        | StoreError::Copy(_)
        | StoreError::Backup { .. }
        | StoreError::Owned(_)
        | StoreError::Moved(_)
        | StoreError::Lock { .. }
        | StoreError::BadRow { .. }
        | StoreError::Closed
        | StoreError::LeaseLost(_)) => Failure::Failed(error.into()),
    }
}

/// A database that is not there is the configuration's to name.
fn opened(error: anyhow::Error) -> Failure {
    match error.downcast::<StoreError>() {
        Ok(error) => schema(error),
        Err(error) => Failure::Failed(error),
    }
}

/// Runs a command and reports how it went.
pub async fn run(cli: Cli) -> ExitCode {
    let out = Output::new(cli.global.json, cli.global.lang, cli.global.color);
    let context = Context { global: cli.global, out };
    let done = match cli.command {
        Command::Run(args) => run::run(&context, args).await,
        Command::Demo(args) => demo::run(&context, args).await,
        Command::Sandbox(args) => sandbox::run(&context, args).await,
        Command::Enqueue(args) => enqueue::run(&context, args).await,
        Command::Outbox(command) => outbox::run(&context, command).await,
        Command::Events(command) => events::run(&context, command).await,
        Command::Orgs(command) => orgs::run(&context, command).await,
        Command::Routes(command) => routes::run(&context, command),
        Command::Systems(command) => systems::run(&context, command).await,
        Command::Doctor(args) => doctor::run(&context, args).await,
        Command::Callbacks(command) => callbacks::run(&context, command).await,
        Command::Alarms(command) => alarms::run(&context, command).await,
        Command::Fixtures(command) => fixtures::run(&context, command).await,
        Command::Config(command) => config::run(&context, command),
        Command::Db(command) => db::run(&context, command).await,
        Command::Tokens(command) => tokens::run(&context, command).await,
        Command::Audit(command) => audit::run(&context, command).await,
        Command::Webhooks(command) => webhooks::run(&context, command).await,
        Command::Keys(command) => keys::run(&context, command).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => context.out.failure(&failure),
    }
}
