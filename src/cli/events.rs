//! `events tail`: the event feed.

use super::output::Output;
use super::{Context, Done};
use crate::lifecycle::Signals;
use crate::store::AlarmNews;
use clap::{Args, Subcommand};
use jiff::SignedDuration;

/// How many events are shown where nobody says from where on.
const NEWEST: u32 = 20;

#[derive(Subcommand, Debug)]
pub(super) enum EventsCommand {
    /// The newest events, or those after a cursor
    Tail(TailArgs),
}

#[derive(Args, Debug)]
pub(super) struct TailArgs {
    /// Begin after this cursor, 0 being the beginning; without it, the last 20 events are shown
    #[arg(long)]
    after: Option<i64>,
    /// Keep on until Ctrl-C
    #[arg(long, short)]
    follow: bool,
}

pub(super) async fn run(context: &Context, command: EventsCommand) -> Done {
    let EventsCommand::Tail(args) = command;
    let app = context.app().await?;
    let out = context.out;
    let mut after = match args.after {
        Some(cursor) => cursor,
        None => app.store.read("tail").await?.feed_before_newest(NEWEST).await?,
    };
    let mut signals = Signals::catch()?;
    loop {
        let page = async { app.store.read("tail").await?.feed(after, 100).await };
        let events = tokio::select! {
            // Ctrl-C ends a long feed, too, and not its end alone.
            biased;
            () = signals.next() => return Ok(()),
            events = page => events?,
        };
        for event in &events {
            after = event.cursor;
            if out.json {
                out.value(event)?;
            } else {
                let what = event.news.as_ref().map(|news| alarm(out, news));
                let what = what.unwrap_or_else(|| {
                    event.milestone.as_ref().map_or_else(
                        || {
                            format!(
                                "{} → {}",
                                event.from.as_deref().unwrap_or("·"),
                                event.to.as_deref().unwrap_or("·")
                            )
                        },
                        |milestone| format!("● {milestone}"),
                    )
                });
                out.line(format!(
                    "{:>8}  {}  {}  {what}  {}",
                    event.cursor,
                    out.dim(&out.time(event.at)),
                    event.request_id.as_deref().unwrap_or("-"),
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

/// An alarm in one line: which, of whom, and what was found.
fn alarm(out: Output, news: &AlarmNews) -> String {
    let mark = if news.raised { out.bad("▲") } else { out.good("▼") };
    let system = news.system.as_deref().unwrap_or("league-gateway");
    format!("{mark} {} {system}: {}", news.alarm, out.lang.pick(&news.detail, &news.detail_en))
}
