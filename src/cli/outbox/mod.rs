//! `outbox`: what is in it, and the story of one transfer.

mod acts;

use super::{Context, Done, Failure, orgs};
use crate::app::REGISTRATIONS;
use crate::operator::Act;
use crate::store::{Attempt, CallbackRow, Filter, TimelineLine};
use crate::transfer::State;
use crate::view::TransferView;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use league_contract::{RequestId, System};
use std::collections::BTreeMap;

#[derive(Subcommand, Debug)]
pub(super) enum OutboxCommand {
    /// Transfers, newest first
    List(ListArgs),
    /// One transfer: where it stands, its timeline and its exchanges
    Show {
        /// Upstream's key
        request_id: String,
    },
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
        OutboxCommand::Show { request_id } => show(context, &request_id).await,
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

async fn show(context: &Context, request_id: &str) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let missing =
        || Failure::NotFound(format!("{} {request_id}", out.lang.pick("没有申请", "there is no transfer")));
    let id = RequestId::parse(request_id).ok_or_else(missing)?;
    let mut tx = app.store.read("show").await?;
    let stored = tx.transfer(&id).await?.ok_or_else(missing)?;
    let timeline = tx.timeline(stored.entry.id).await?;
    let attempts = tx.attempts(stored.entry.id).await?;
    let callbacks = tx.callbacks_of(&stored.entry.system, request_id).await?;
    drop(tx);
    let view = TransferView::new(&stored, &app.routes);
    if out.json {
        let attempts: Vec<_> = attempts.iter().map(|attempt| serde_json::json!({
            "id": attempt.id, "operation": attempt.operation, "worker": attempt.worker, "started_at": attempt.started_at,
            "finished_at": attempt.finished_at, "outcome": attempt.outcome, "code": attempt.code,
            "http_status": attempt.http_status, "error": attempt.error,
        })).collect();
        let callbacks: Vec<_> = callbacks.iter().map(|row| serde_json::json!({
            "event_id": row.event_id, "event": row.event, "verdict": row.verdict, "received_at": row.received_at, "repeats": row.repeats,
        })).collect();
        return out.value(&serde_json::json!({"transfer": view, "timeline": timeline, "attempts": attempts, "callbacks": callbacks}));
    }
    let state = stored.entry.state;
    out.line(format!(
        "{request_id}  {}  {}",
        view.system,
        out.good(out.lang.pick(state.zh(), state.as_str()))
    ));
    if view.erased {
        out.line(out.dim(
            out.lang.pick("个人信息已按保留期限清除", "the personal data was erased, after its retention"),
        ));
    } else {
        out.line(format!("{} {} {}", view.member.name, view.member.id_number, view.member.phone));
    }
    out.line(format!(
        "{} → {} {}",
        view.source.full_name, view.destination.province, view.destination.full_name
    ));
    if let Some(sent) = &view.destination.sent_name {
        out.line(format!("{} {sent}", out.dim(out.lang.pick("发送时的名称：", "sent as:"))));
    }
    if let Some(held) = &view.held {
        let since = out.time(held.at);
        out.line(out.bad(&match out.chinese() {
            true => format!("已由 {} 挂起（{since}）：{}", held.by, held.reason),
            false => format!("held by {} since {since}: {}", held.by, held.reason),
        }));
    }
    for warning in &view.warnings {
        out.line(out.bad(out.lang.pick(&warning.zh, &warning.en)));
    }
    if let Some(error) = &view.last_error {
        out.line(out.bad(&format!("{}: {}", error.code, out.lang.pick(&error.zh, &error.en))));
        for suggestion in &error.suggestions {
            out.line(orgs::suggestion(out, suggestion));
        }
    }
    if let Some(guidance) = &view.guidance {
        out.line(out.lang.pick(&guidance.zh, &guidance.en));
    }
    for (at, what) in story(context, &timeline, &attempts, &callbacks) {
        out.line(format!("  {}  {what}", out.dim(&out.time(at))));
    }
    Ok(())
}

/// One story: what happened, what was asked, and what was told, in order of time.
fn story(
    context: &Context,
    timeline: &[TimelineLine],
    attempts: &[Attempt],
    callbacks: &[CallbackRow],
) -> Vec<(Timestamp, String)> {
    let out = context.out;
    let mut story: Vec<(Timestamp, String)> = Vec::new();
    for line in timeline {
        let event = &line.event;
        let what = match event.kind.as_str() {
            "state_changed" => {
                format!("{} → {}", event.from.as_deref().unwrap_or("·"), event.to.as_deref().unwrap_or("·"))
            }
            "milestone" => format!("● {}", event.milestone.as_deref().unwrap_or_default()),
            kind => format!("{kind}: {}", line.detail.as_deref().unwrap_or_default()),
        };
        story.push((event.at, format!("{what}  {}", out.dim(&event.cause))));
    }
    for attempt in attempts {
        let told = [attempt.outcome.as_deref(), attempt.code.as_deref(), attempt.error.as_deref()];
        let told = told.into_iter().flatten().collect::<Vec<_>>().join(" ");
        story.push((attempt.started_at, format!("⇢ {} {told}", attempt.operation)));
    }
    for row in callbacks {
        story.push((
            row.received_at,
            format!(
                "⇠ {} {} {}",
                row.event,
                row.verdict,
                if row.repeats > 0 { format!("×{}", row.repeats + 1) } else { String::new() }
            ),
        ));
    }
    story.sort_by_key(|(at, _)| *at);
    story
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
