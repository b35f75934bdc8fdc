//! `sandbox`: the three simulated systems alone.

use super::{Context, Done, Failure};
use crate::lifecycle::Signals;
use clap::Args;
use league_sandbox::{Organization, Sandbox, SandboxConfig, Scenario};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct SandboxArgs {
    /// Where the national system listens
    #[arg(long, default_value = "127.0.0.1:9101", value_name = "ADDR")]
    smart_league: SocketAddr,
    /// Where Guangdong listens
    #[arg(long, default_value = "127.0.0.1:9102", value_name = "ADDR")]
    guangdong: SocketAddr,
    /// Where Fujian listens
    #[arg(long, default_value = "127.0.0.1:9103", value_name = "ADDR")]
    fujian: SocketAddr,
    /// The gateway that callbacks go to
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    gateway: String,
    /// What happens to transfers, and what goes wrong (TOML)
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// The organizations that exist: province_code,org_id,full_name,kind
    #[arg(long, value_name = "CSV")]
    organizations: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: SandboxArgs) -> Done {
    let organizations = match &args.organizations {
        Some(path) => Organization::read_csv(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
        None => super::demo::organizations(),
    };
    let scenario = match &args.faults {
        Some(path) => {
            Scenario::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?
        }
        None => Scenario::default(),
    };
    let known = organizations.len();
    let mut signals = Signals::catch()?;
    let sandbox = Sandbox::start(SandboxConfig {
        smart_league: args.smart_league,
        guangdong: args.guangdong,
        fujian: args.fujian,
        gateway: Some(args.gateway.trim_end_matches('/').to_owned()),
        organizations,
        script: scenario.script,
        faults: scenario.faults,
        ..SandboxConfig::default()
    })
    .await?;
    let urls = sandbox.urls();
    if context.out.json {
        context.out.value(&serde_json::json!({
            "smart_league": urls.smart_league, "guangdong": urls.guangdong, "fujian": urls.fujian, "organizations": known,
        }))?;
    } else {
        context.out.line(format!(
            "smart_league  {}\nguangdong     {}\nfujian        {}",
            urls.smart_league, urls.guangdong, urls.fujian
        ));
        let lang = context.out.lang;
        context.out.line(format!(
            "{} {known}; {}",
            lang.pick("已载入组织", "organizations known:"),
            lang.pick("Ctrl-C 结束", "Ctrl-C ends it")
        ));
    }
    signals.next().await;
    let report = sandbox.report();
    sandbox.stop().await;
    context.out.line(serde_json::to_string_pretty(&report)?);
    Ok(())
}
