//! `systems`: how each external system stands, an operator's switch, and a question to see whether it answers.

use super::{Context, Done, Failure, NO_SYSTEM, refusal, session_author};
use crate::app::App;
use crate::operator::Probed;
use crate::partner::Partner;
use crate::view::{ProbeView, SystemView};
use clap::{Args, Subcommand};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

#[derive(Subcommand, Debug)]
pub(super) enum SystemsCommand {
    /// Every system: may it be spoken to, why not, and what waits for it
    List,
    /// One system: how it stands, its limits, when it served us last
    Show {
        /// Its name
        system: String,
    },
    /// Send nothing to a system until a time, or until it is resumed
    Pause(PauseArgs),
    /// Lift a pause or a suspension, and forget failures and rests
    Resume {
        /// Its name
        system: String,
        /// Why: it stands in the audit log
        #[arg(long)]
        reason: String,
    },
    /// Ask a system one harmless question, to see whether it answers
    Probe {
        /// Its name
        system: String,
        /// Why: it stands in the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct PauseArgs {
    /// Its name
    system: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// Who; by default the user of this session
    #[arg(long, env = "USER", hide_env = true, default_value = "operator", hide_default_value = true)]
    by: String,
    /// Until when: 2026-10-01T06:00:00+08:00, or 2026-10-01 06:00 in Beijing
    #[arg(long, value_name = "TIME", conflicts_with = "lasts", value_parser = time)]
    until: Option<Timestamp>,
    /// For how long: 30m, 6h, 2d
    #[arg(long = "for", id = "lasts", value_name = "DURATION", value_parser = span)]
    lasts: Option<SignedDuration>,
}

pub(super) async fn run(context: &Context, command: SystemsCommand) -> Done {
    let app = context.app().await?;
    let named = |name: &str| {
        let found = app.partners.values().find(|partner| partner.system.as_str() == name);
        found.ok_or_else(|| context.none_called(NO_SYSTEM, name))
    };
    match command {
        SystemsCommand::List => list(context, &app).await,
        SystemsCommand::Show { system } => show(context, &app, named(&system)?).await,
        SystemsCommand::Pause(args) => pause(context, &app, named(&args.system)?, args).await,
        SystemsCommand::Resume { system, reason } => {
            let partner = named(&system)?;
            let did = app.operator().resume(partner, &reason, &session_author()).await;
            let [zh, en] = did.map_err(|error| refusal(context, error))?;
            context.out.line(format!("{system}: {}", context.out.lang.pick(&zh, &en)));
            Ok(())
        }
        SystemsCommand::Probe { system, reason } => probe(context, &app, named(&system)?, &reason).await,
    }
}

async fn list(context: &Context, app: &App) -> Done {
    let out = context.out;
    let now = app.clock.now();
    let mut tx = app.store.read("systems").await?;
    let mut views = Vec::new();
    for partner in app.partners.values() {
        views.push(SystemView::read(&mut tx, partner, now).await?);
    }
    let header = [
        ("系统", "system"),
        ("名称", "name"),
        ("状态", "state"),
        ("自", "since"),
        ("直到", "until"),
        ("原因", "reason"),
        ("操作人", "by"),
        ("连续失败", "failures"),
        ("最近成功", "last success"),
        ("积压", "backlog"),
        ("最早到期", "oldest due"),
    ];
    let time = |at: Option<Timestamp>| at.map(|at| out.time(at)).unwrap_or_default();
    out.rows(&views, &header, |view| {
        vec![
            view.system.clone(),
            out.lang.pick(&view.name, &view.name_en).to_owned(),
            view.state.to_owned(),
            time(view.since),
            time(view.until),
            view.reason.clone().unwrap_or_default(),
            view.by.clone().unwrap_or_default(),
            view.failures.to_string(),
            time(view.last_success_at),
            backlog(view),
            time(view.oldest_due),
        ]
    })
}

fn backlog(view: &SystemView) -> String {
    format!("{}{}", view.backlog, if view.backlog_more { "+" } else { "" })
}

async fn show(context: &Context, app: &App, partner: &Partner) -> Done {
    let out = context.out;
    let mut tx = app.store.read("system").await?;
    let view = SystemView::read(&mut tx, partner, app.clock.now()).await?;
    if out.json {
        return out.value(&view);
    }
    let time = |at: Option<Timestamp>| at.map(|at| out.time(at)).unwrap_or_default();
    let limits = &view.limits;
    let lines = [
        ("状态", "state", view.state.to_owned()),
        ("原因", "reason", view.reason.clone().unwrap_or_default()),
        ("操作人", "by", view.by.clone().unwrap_or_default()),
        ("自", "since", time(view.since)),
        ("直到", "until", time(view.until)),
        ("连续失败", "failures in a row", view.failures.to_string()),
        ("最近成功", "last success", time(view.last_success_at)),
        ("最近失败", "last failure", time(view.last_failure_at)),
        ("积压", "backlog", backlog(&view)),
        ("最早到期", "oldest due", time(view.oldest_due)),
        ("积压时长（秒）", "backlog age (s)", view.backlog_age_seconds.to_string()),
        ("变更日志游标", "feed cursor", view.feed_cursor.to_string()),
        ("并发", "concurrency", limits.concurrency.to_string()),
        ("每秒次数", "rate per second", limits.rate_per_second.to_string()),
        ("超时（秒）", "timeout (s)", limits.timeout_seconds.to_string()),
        ("最多尝试", "most attempts", limits.max_attempts.to_string()),
        ("熔断阈值", "failures that open the breaker", limits.breaker_failures.to_string()),
        ("维护时段", "maintenance", limits.maintenance.join("; ")),
    ];
    out.line(format!("{}  {}", view.system, out.dim(out.lang.pick(&view.name, &view.name_en))));
    for (zh, en, value) in lines.into_iter().filter(|(_, _, value)| !value.is_empty()) {
        out.line(format!("  {}: {value}", out.lang.pick(zh, en)));
    }
    Ok(())
}

async fn pause(context: &Context, app: &App, partner: &Partner, args: PauseArgs) -> Done {
    let now = app.clock.now();
    let until = args.until.or_else(|| args.lasts.and_then(|lasts| now.checked_add(lasts).ok()));
    if until.is_some_and(|until| until <= now) {
        let (zh, en) = ("--until：结束时间已过", "the pause would be over already: --until lies in the past");
        return Err(Failure::Usage(context.out.lang.pick(zh, en).to_owned()));
    }
    let paused = app.operator().pause(partner, &args.reason, until, &context.author(&args.by)?).await;
    paused.map_err(|error| refusal(context, error))?;
    let out = context.out;
    let until = until.map(|until| format!(" {} {}", out.lang.pick("直到", "until"), out.time(until)));
    out.line(format!(
        "{}: {}{}",
        partner.system,
        out.lang.pick("已暂停", "paused"),
        until.unwrap_or_default()
    ));
    Ok(())
}

async fn probe(context: &Context, app: &App, partner: &Partner, reason: &str) -> Done {
    let out = context.out;
    let probed = app.operator().probe(partner, reason, &session_author()).await;
    let Probed { view, serves } = probed.map_err(|error| refusal(context, error))?;
    report(context, &view)?;
    if !serves {
        let text = out.lang.pick("没有得到正常答复", "it does not serve us now");
        return Err(Failure::Failed(anyhow::anyhow!("{}: {text}", view.system)));
    }
    if view.suspended && !out.json {
        out.line(out.lang.pick(
            "系统仍处于停用状态，可执行 systems resume",
            "it is suspended still: `systems resume` lifts that",
        ));
    }
    Ok(())
}

fn report(context: &Context, view: &ProbeView) -> Done {
    let out = context.out;
    if out.json {
        return out.value(view);
    }
    let told = [view.code.as_deref(), view.error.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    out.line(format!(
        "{}: {} {} {} ms {}",
        view.system,
        view.operation,
        view.outcome,
        view.milliseconds,
        told.join(" ")
    ));
    if let Some(change) = view.breaker {
        out.line(format!("{} {change}", out.lang.pick("熔断器", "breaker")));
    }
    Ok(())
}

/// An instant, or a time in Beijing.
fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = text.parse::<DateTime>().or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text));
    let local = local.map_err(|_| "write 2026-10-01T06:00:00+08:00 or 2026-10-01 06:00 (Beijing)")?;
    TimeZone::fixed(jiff::tz::offset(8)).to_timestamp(local).map_err(|error| error.to_string())
}

/// A span as the configuration writes it.
pub(super) fn span(text: &str) -> Result<SignedDuration, String> {
    let span = crate::settings::duration(text).and_then(|span| SignedDuration::try_from(span).ok());
    span.ok_or_else(|| "write 30m, 6h or 2d".to_owned())
}
