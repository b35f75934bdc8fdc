//! The league gateway's one program: daemon, demo, sandbox and tools.

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = league_gateway::cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("league-gateway: the runtime can't be started: {error}");
            return ExitCode::from(1);
        }
    };
    runtime.block_on(league_gateway::cli::run(cli))
}
