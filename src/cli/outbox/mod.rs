//! `outbox`: what is in it, and the story of one transfer.

mod acts;
mod show;

pub(super) use show::message;

use super::{Context, Done, Failure};
use crate::app::REGISTRATIONS;
use crate::operator::Act;
use crate::store::Filter;
use crate::transfer::State;
use crate::view::TransferView;
use clap::{Args, Subcommand};
use league_contract::System;
use std::collections::BTreeMap;

#[derive(Subcommand, Debug)]
pub(super) enum OutboxCommand {
    /// Transfers, newest first
    List(ListArgs),
    /// One transfer: where it stands, and its whole story
    Show(show::ShowArgs),
    /// Counts by system and state
    Stats,
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
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Only this state: queued, sending, unconfirmed, submitted, awaiting_check_in, completed, …
    #[arg(long)]
    state: Option<String>,
    /// Only this system
    #[arg(long)]
    system: Option<String>,
    /// Only this province: code, first two digits, or name
    #[arg(long)]
    province: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Continue after a page: the `next` of the one before
    #[arg(long)]
    before: Option<i64>,
}

pub(super) async fn run(context: &Context, command: OutboxCommand) -> Done {
    match command {
        OutboxCommand::List(args) => list(context, args).await,
        OutboxCommand::Show(args) => show::run(context, args).await,
        OutboxCommand::Stats => stats(context).await,
        OutboxCommand::Retry(args) => acts::run(context, Act::Retry, args).await,
        OutboxCommand::Hold(args) => acts::run(context, Act::Hold, args).await,
        OutboxCommand::Release(args) => acts::run(context, Act::Release, args).await,
        OutboxCommand::Close(args) => acts::run(context, Act::Close, args).await,
        OutboxCommand::Withdraw(args) => acts::run(context, Act::Withdraw, args).await,
    }
}

async fn list(context: &Context, args: ListArgs) -> Done {
    let app = context.app().await?;
    let state = args.state.map(|word| {
        State::parse(&word).ok_or_else(|| {
            let known = State::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", ");
            Failure::Usage(format!("--state {word}: must be one of {known}"))
        })
    });
    let system = args.system.map(|word| {
        System::parse(&word)
            .filter(|system| REGISTRATIONS.iter().any(|known| known.system == system.as_str()))
            .ok_or_else(|| {
                Failure::Usage(format!(
                    "--system {word}: must be one of {}",
                    REGISTRATIONS.map(|known| known.system).join(", ")
                ))
            })
    });
    let province = args.province.map(|word| {
        app.routes
            .resolve(&word)
            .ok_or_else(|| Failure::Usage(format!("--province {word}: no such province")))
    });
    let filter = Filter {
        state: state.transpose()?,
        system: system.transpose()?,
        province_code: province.transpose()?,
        before: args.before,
        limit: args.limit,
    };
    let listed = app.store.read("list").await?.list(&filter).await?;
    let views: Vec<TransferView> =
        listed.rows.iter().map(|stored| TransferView::new(stored, &app.routes)).collect();
    let header = [
        ("申请编号", "request"),
        ("系统", "system"),
        ("状态", "state"),
        ("团员", "member"),
        ("目标组织", "destination"),
        ("次数", "tries"),
        ("更新时间", "updated"),
        ("最近问题", "last error"),
    ];
    let out = context.out;
    out.rows(&views, &header, |view| {
        let state = State::parse(&view.state)
            .map_or(view.state.clone(), |state| out.lang.pick(state.zh(), state.as_str()).to_owned());
        let error = view
            .last_error
            .as_ref()
            .map(|error| if out.chinese() { error.zh.clone() } else { error.en.clone() });
        vec![
            view.request_id.clone(),
            view.system.clone(),
            state + view.held.as_ref().map_or("", |_| out.lang.pick("（挂起）", " (held)")),
            view.member.name.clone(),
            format!("{} {}", view.destination.province, view.destination.full_name),
            view.attempts.to_string(),
            out.time(view.updated_at),
            error.unwrap_or_default(),
        ]
    })?;
    if let (Some(next), false) = (listed.next, out.json) {
        out.line(format!("{} --before {next}", out.lang.pick("下一页：", "next page:")));
    }
    Ok(())
}

async fn stats(context: &Context) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let stats = app.store.read("stats").await?.stats().await?;
    if out.json {
        let mut systems: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
        for stat in &stats {
            systems.entry(&stat.system).or_default().insert(&stat.state, stat.count);
        }
        return out.value(&serde_json::json!({"systems": systems}));
    }
    out.rows(
        &stats
            .iter()
            .map(|stat| (stat.system.as_str(), stat.state.as_str(), stat.count, stat.oldest_due))
            .collect::<Vec<_>>(),
        &[("系统", "system"), ("状态", "state"), ("数量", "count"), ("最早到期", "oldest due")],
        |(system, state, count, due)| {
            let state = State::parse(state)
                .map_or((*state).to_owned(), |state| out.lang.pick(state.zh(), state.as_str()).to_owned());
            let due = due.and_then(|at| jiff::Timestamp::from_millisecond(at).ok()).map(|at| out.time(at));
            vec![(*system).to_owned(), state, count.to_string(), due.unwrap_or_default()]
        },
    )
}
