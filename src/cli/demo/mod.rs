//! `demo`: the daemon as a process of its own, three simulated systems, and samples that reach every ending.

mod follow;
mod samples;
mod stage;

use super::{Context, Done, Failure};
use crate::lifecycle::Signals;
use clap::Args;
use follow::Follower;
pub(super) use samples::organizations;
use stage::Stage;
use std::time::Duration;

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// End by itself when every sample has reached its end; exit 0 only if each ended as expected
    #[arg(long)]
    once: bool,
    /// Kill the daemon (SIGKILL) in the middle; it is started again, and nothing is lost or doubled
    #[arg(long)]
    kill: bool,
    /// Give up after so many seconds (with --once)
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    timeout: u64,
}

pub(super) async fn run(context: &Context, args: DemoArgs) -> Done {
    let today =
        crate::clock::Clock::Wall.now().to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date();
    let scenario = samples::scenario(today)?;
    let mut signals = Signals::catch()?;
    let mut stage = Stage::set(&scenario).await?;
    stage.introduce(context);
    let mut follower = Follower::new(context.out, stage.client()?, scenario.samples);
    let story = async {
        follower.enqueue(&mut stage).await?;
        if args.kill {
            follower.until_half(&mut stage).await?;
            stage.kill(context).await?;
        }
        follower.until_all(&mut stage).await
    };
    let limit = Duration::from_secs(if args.once { args.timeout } else { 24 * 3600 });
    let ended = tokio::select! {
        told = tokio::time::timeout(limit, story) => match told {
            Ok(told) => told.map(|()| true)?,
            Err(_) => true,
        },
        () = signals.next() => false,
    };
    if !ended {
        return stage.strike().await;
    }
    // What the partners saw is the judge of "once in effect", not the gateway.
    let failures = follower.judge(&stage.report().await).await;
    if !args.once {
        stage.invite(context);
        signals.next().await;
    }
    if !failures.is_empty() {
        stage.keep(context);
    }
    stage.strike().await?;
    match failures.len() {
        0 => Ok(()),
        count => Err(Failure::Failed(anyhow::anyhow!("{count} problem(s):\n{}", failures.join("\n")))),
    }
}
