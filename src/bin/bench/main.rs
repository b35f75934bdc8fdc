//! Measures what the gateway promises about delivery, in one run on one machine, side by side with what it is compared
//! to, and writes `BENCHMARKS.md`.
//!
//! The daemon is this program again, in a child that does what `league-gateway` does: it can't be an older build. The
//! partner (`sink`) is another child. Everything that a figure says was measured in the run that wrote it.

mod callbacks;
mod daemon;
mod database;
mod drain;
mod fill;
mod http;
mod lab;
mod latency;
mod lists;
mod machine;
mod peers;
mod process;
mod queues;
mod report;
mod restart;
mod sink;
mod volume;
mod watch;

use clap::{Parser, Subcommand, ValueEnum};
use daemon::Program;
use database::Server;
use lab::Lab;
use league_gateway::cli::Cli;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures delivery, and writes a table of figures.
#[derive(Parser, Debug)]
struct Arguments {
    /// Small numbers: minutes instead of an hour, and less sure
    #[arg(long)]
    quick: bool,
    /// Which databases
    #[arg(long, value_enum, default_value_t = Which::Both)]
    database: Which,
    /// A PostgreSQL server on this machine, as a user who may create databases
    #[arg(long, env = "LEAGUE_TEST_POSTGRES", hide_env_values = true, value_name = "URL")]
    postgres: Option<String>,
    /// Compare with job queues for PostgreSQL, too; needs node and npm, and installs them into the bench's temporary folder
    #[arg(long)]
    peers: bool,
    /// Only these groups of figures (repeatable)
    #[arg(long, value_enum)]
    only: Vec<Group>,
    /// How many transfers lists are looked for among; ten millions need 30 GB
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(10_000..))]
    rows: i64,
    /// Where SQLite's files are made; a disk, not memory
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Another build of league-gateway to measure, instead of the one that is built in
    #[arg(long, value_name = "PROGRAM")]
    gateway: Option<PathBuf>,
    /// Where the table is written
    #[arg(long, default_value = "BENCHMARKS.md", value_name = "FILE")]
    output: PathBuf,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Sqlite,
    Postgres,
    Both,
}

/// Figures that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// Raw posting, commits, the plain loop, job queues, the daemon's drain
    Drain,
    /// From enqueue to arrival
    Latency,
    /// One partner hangs
    Hanging,
    /// A daemon dies, or starts again
    Restart,
    /// Pushed callbacks
    Callbacks,
    /// A million finished, a million queued
    Volume,
    /// What administrators look at, among `--rows` transfers
    Lists,
}

impl Group {
    const ALL: [Self; 7] = [
        Self::Drain,
        Self::Latency,
        Self::Hanging,
        Self::Restart,
        Self::Callbacks,
        Self::Volume,
        Self::Lists,
    ];
}

#[derive(Subcommand, Debug)]
enum Role {
    /// The partner's side: this program runs itself with it
    #[command(hide = true)]
    Sink,
    /// The daemon: `league-gateway` with these arguments
    #[command(hide = true)]
    Gateway {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if matches!(arguments.role, Some(Role::Sink)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(sink::serve()).map(|()| ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &arguments.role {
        Some(Role::Gateway { arguments }) => {
            let words = std::iter::once("league-gateway").chain(arguments.iter().map(String::as_str));
            Ok(runtime.block_on(league_gateway::cli::run(Cli::parse_from(words))))
        }
        Some(Role::Sink) | None => runtime.block_on(measure(&arguments)).map(|()| ExitCode::SUCCESS),
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let program = Program::new(arguments.gateway.clone())?;
    let peers = arguments.peers && arguments.database != Which::Sqlite;
    let mut lab = Lab::open(arguments.folder.as_deref(), arguments.quick, peers, program).await?;
    lab.rows = arguments.rows;
    let mut report = Report::new(arguments.quick);
    let groups = if arguments.only.is_empty() { &Group::ALL[..] } else { &arguments.only };
    if arguments.database != Which::Postgres {
        let server = Server::Sqlite { folder: lab.folder().to_owned() };
        run(&lab, &server, groups, &mut report).await;
    }
    if arguments.database != Which::Sqlite {
        match &arguments.postgres {
            Some(url) => run(&lab, &Server::Postgres { url: url.clone() }, groups, &mut report).await,
            None => report.missing(
                "PostgreSQL",
                "no --postgres and no LEAGUE_TEST_POSTGRES: nothing was measured on it",
            ),
        }
    }
    report.write(&arguments.output)?;
    println!("\n{}", arguments.output.display());
    Ok(())
}

/// All groups on one database. One that fails is told of, and stops no other.
async fn run(lab: &Lab, server: &Server, groups: &[Group], report: &mut Report) {
    match server.describe().await {
        Ok(text) => report.machine(text),
        Err(error) => return report.missing(server.name(), &format!("{error:#}")),
    }
    if let Ok(queues) = lab.queues(server) {
        report.machine(queues.describe());
    }
    report.begin(server.name());
    for group in groups {
        eprintln!("{}: {group:?} …", server.name());
        let measured = match group {
            Group::Drain => drain::figures(lab, server, report).await,
            Group::Latency => latency::figures(lab, server, report).await,
            Group::Hanging => drain::hanging(lab, server, report).await,
            Group::Restart => restart::figures(lab, server, report).await,
            Group::Callbacks => callbacks::figures(lab, server, report).await,
            Group::Volume => volume::figures(lab, server, report).await,
            Group::Lists => lists::figures(lab, server, report).await,
        };
        if let Err(error) = measured {
            report.failed(&format!("{group:?}"), &format!("{error:#}"));
        }
        if let Err(error) = server.clear().await {
            report.failed("clearing away", &format!("{error:#}"));
        }
    }
}
