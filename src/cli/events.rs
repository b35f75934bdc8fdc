//! `events tail`: the event feed.

use super::{Context, Done};
use crate::lifecycle::Signals;
use clap::{Args, Subcommand};
use jiff::SignedDuration;

#[derive(Subcommand, Debug)]
pub(super) enum EventsCommand {
    /// The newest events, and what comes after them
    Tail(TailArgs),
}

#[derive(Args, Debug)]
pub(super) struct TailArgs {
    /// Begin after this cursor; 0 is the beginning
    #[arg(long, default_value_t = 0)]
    after: i64,
    /// Keep on until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn run(context: &Context, command: EventsCommand) -> Done {
    let EventsCommand::Tail(args) = command;
    let app = context.app().await?;
    let out = context.out;
    let mut after = args.after;
    let mut signals = Signals::catch()?;
    loop {
        let events = app.store.read("tail").await?.feed(after, 500).await?;
        for event in &events {
            after = event.cursor;
            if out.json {
                out.value(event)?;
            } else {
                let what = event.milestone.as_ref().map_or_else(
                    || {
                        format!(
                            "{} → {}",
                            event.from.as_deref().unwrap_or("·"),
                            event.to.as_deref().unwrap_or("·")
                        )
                    },
                    |milestone| format!("● {milestone}"),
                );
                out.line(format!(
                    "{:>8}  {}  {}  {what}  {}",
                    event.cursor,
                    out.dim(&out.time(event.at)),
                    event.request_id,
                    out.dim(&event.cause)
                ));
            }
        }
        if events.is_empty() {
            if !args.follow {
                return Ok(());
            }
            // Another process writes: it can't ring our bell.
            tokio::select! {
                () = signals.next() => return Ok(()),
                () = app.clock.sleep(SignedDuration::from_millis(500)) => {}
            }
        }
    }
}
