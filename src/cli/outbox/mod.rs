//! `outbox`: what is in it, and the story of one transfer.

mod acts;
mod bulk;
mod look;
mod show;

pub(super) use show::message;

use super::{Context, Done};
use crate::operator::Act;
use clap::Subcommand;

#[derive(Subcommand, Debug)]
pub(super) enum OutboxCommand {
    /// Transfers, narrowed and sorted
    List(Box<look::ListArgs>),
    /// One transfer: where it stands, and its whole story
    Show(show::ShowArgs),
    /// Counts by system and state, how fast they move, how long verdicts take
    Stats,
    /// What failed or was returned, by system and cause
    Failures,
    /// A whole list as a file, masked
    Export(Box<look::ExportArgs>),
    /// Again, and now: send what failed or waits, ask about what is open
    Retry(acts::ActArgs),
    /// Do nothing with it until it is released
    Hold(acts::ActArgs),
    /// No longer held
    Release(acts::ActArgs),
    /// Give up for good what failed
    Close(acts::ActArgs),
    /// Take it back; where a partner may have it, by asking the partner
    Withdraw(acts::ActArgs),
    /// The same to many: by a filter, with a preview, at a rate, to be paused and cancelled
    #[command(subcommand)]
    Bulk(Box<bulk::BulkCommand>),
}

pub(super) async fn run(context: &Context, command: OutboxCommand) -> Done {
    match command {
        OutboxCommand::List(args) => look::list(context, *args).await,
        OutboxCommand::Show(args) => show::run(context, args).await,
        OutboxCommand::Stats => look::stats(context).await,
        OutboxCommand::Failures => look::failures(context).await,
        OutboxCommand::Export(args) => look::export(context, *args).await,
        OutboxCommand::Retry(args) => acts::run(context, Act::Retry, args).await,
        OutboxCommand::Hold(args) => acts::run(context, Act::Hold, args).await,
        OutboxCommand::Release(args) => acts::run(context, Act::Release, args).await,
        OutboxCommand::Close(args) => acts::run(context, Act::Close, args).await,
        OutboxCommand::Withdraw(args) => acts::run(context, Act::Withdraw, args).await,
        OutboxCommand::Bulk(command) => bulk::run(context, *command).await,
    }
}
