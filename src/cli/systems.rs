//! `systems`: how each external system stands, an operator's switch, and a question to see whether it answers.

use super::{Context, Done, Failure, author, session_author};
use crate::alarm::AlarmKind;
use crate::app::App;
use crate::gate::{Change, Gate, Pause, Sign, Why, gate};
use crate::partner::{Exchange, Partner};
use crate::store::{Author, Deed, StoreError, SystemRow, despite_races};
use crate::suspension::note_probe;
use clap::{Args, Subcommand};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// What waits is counted so far: "ten thousand or more" says enough.
const MOST_COUNTED: i64 = 10_000;

#[derive(Subcommand, Debug)]
pub(super) enum SystemsCommand {
    /// Every system: may it be spoken to, why not, and what waits for it
    List,
    /// Send nothing to a system until a time, or until it is resumed
    Pause(PauseArgs),
    /// Lift a pause or a suspension, and forget failures and rests
    Resume {
        /// Its name
        system: String,
        /// Why: it stands in the audit log
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Ask a system one harmless question, to see whether it answers
    Probe {
        /// Its name
        system: String,
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

/// How a system stands, for people and programs.
#[derive(Serialize)]
struct SystemView {
    system: String,
    name: String,
    /// `ready`, or why not: the words of [`Why`].
    state: &'static str,
    reason: Option<String>,
    by: Option<String>,
    until: Option<Timestamp>,
    failures: u32,
    /// Transfers whose submit or its outcome is open, counted up to [`MOST_COUNTED`].
    backlog: i64,
    /// There are more than were counted.
    backlog_more: bool,
    /// When the next transfer of the system is or was due.
    oldest_due: Option<Timestamp>,
    feed_cursor: i64,
}

/// What came of a probe.
#[derive(Serialize)]
struct ProbeView {
    system: String,
    operation: &'static str,
    outcome: &'static str,
    code: Option<String>,
    error: Option<String>,
    milliseconds: i64,
    /// `opened` or `closed`, where the breaker did just now.
    breaker: Option<&'static str>,
}

pub(super) async fn run(context: &Context, command: SystemsCommand) -> Done {
    let app = context.app().await?;
    let named = |name: &str| {
        let found = app.partners.values().find(|partner| partner.system.as_str() == name);
        found.ok_or_else(|| Failure::NotFound(format!("no system {name} is configured")))
    };
    match command {
        SystemsCommand::List => list(context, &app).await,
        SystemsCommand::Pause(args) => pause(context, &app, named(&args.system)?, args).await,
        SystemsCommand::Resume { system, reason } => resume(context, &app, named(&system)?, &reason).await,
        SystemsCommand::Probe { system } => probe(context, &app, named(&system)?).await,
    }
}

async fn list(context: &Context, app: &App) -> Done {
    let out = context.out;
    let now = app.clock.now();
    let mut tx = app.store.read("systems").await?;
    let mut views = Vec::new();
    for partner in app.partners.values() {
        let row = tx.system(&partner.system).await?;
        let backlog = tx.backlog(&partner.system, MOST_COUNTED + 1).await?;
        let oldest_due = tx.next_due(&partner.system).await?;
        let (why, until) = standing(partner, &row, now);
        let (reason, by) = match why {
            Some(Why::Suspended) => (row.suspended, None),
            Some(Why::Paused) => row.paused.map(|pause| (pause.reason, pause.by)).unzip(),
            _ => (None, None),
        };
        views.push(SystemView {
            system: partner.system.to_string(),
            name: out.lang.pick(partner.registration.name_zh, partner.registration.name_en).to_owned(),
            state: why.map_or("ready", Why::as_str),
            reason,
            by,
            until,
            failures: row.health.breaker.failures,
            backlog: backlog.min(MOST_COUNTED),
            backlog_more: backlog > MOST_COUNTED,
            oldest_due,
            feed_cursor: row.feed_cursor,
        });
    }
    let header = [
        ("系统", "system"),
        ("名称", "name"),
        ("状态", "state"),
        ("直到", "until"),
        ("原因", "reason"),
        ("操作人", "by"),
        ("连续失败", "failures"),
        ("积压", "backlog"),
        ("最早到期", "oldest due"),
    ];
    let time = |at: Option<Timestamp>| at.map(|at| out.time(at)).unwrap_or_default();
    out.rows(&views, &header, |view| {
        vec![
            view.system.clone(),
            view.name.clone(),
            view.state.to_owned(),
            time(view.until),
            view.reason.clone().unwrap_or_default(),
            view.by.clone().unwrap_or_default(),
            view.failures.to_string(),
            format!("{}{}", view.backlog, if view.backlog_more { "+" } else { "" }),
            time(view.oldest_due),
        ]
    })
}

/// Why a system is not spoken to, and until when; nothing for one that is ready, also where its rate is used up for a
/// moment.
fn standing(partner: &Partner, row: &SystemRow, now: Timestamp) -> (Option<Why>, Option<Timestamp>) {
    match gate(&row.asked(&partner.limits), now, 1) {
        Gate::Open { .. } | Gate::Closed { why: Why::Rate, .. } => (None, None),
        // Its time has come, and nobody has asked yet.
        Gate::Probe => (row.health.breaker.open(), None),
        Gate::Closed { why, until } => (Some(why), until),
    }
}

async fn pause(context: &Context, app: &App, partner: &Partner, args: PauseArgs) -> Done {
    let now = app.clock.now();
    let until = args.until.or_else(|| args.lasts.and_then(|lasts| now.checked_add(lasts).ok()));
    if until.is_some_and(|until| until <= now) {
        return Err(Failure::Usage("the pause would be over already: --until lies in the past".into()));
    }
    let author = author(&args.by);
    let pause = Pause { by: args.by, reason: args.reason, at: now, until };
    despite_races(async || {
        let mut tx = app.store.write("pause").await?;
        let mut row = tx.system(&partner.system).await?;
        row.paused = Some(pause.clone());
        tx.save_system(&partner.system, &row).await?;
        let outcome = until.map_or_else(|| "paused".to_owned(), |until| format!("paused until {until}"));
        let deed = deed(&author, "pause", partner, (&pause.reason, &outcome), now);
        tx.audit(&app.sealer, deed).await?;
        tx.commit().await
    })
    .await?;
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

async fn resume(context: &Context, app: &App, partner: &Partner, because: &str) -> Done {
    let (why, reason) = despite_races(|| lift(app, partner, because)).await?;
    let lang = context.out.lang;
    let reason = reason.or_else(|| why.map(|why| why.as_str().to_owned()));
    let text = match (why, reason) {
        (Some(Why::Maintenance), _) => lang.pick(
            "维护时段由配置决定，到时自行恢复",
            "maintenance is the configuration's, and ends by itself",
        ),
        (_, Some(reason)) => &format!("{} ({reason})", lang.pick("已恢复", "resumed")),
        (_, None) => lang.pick("本来就在运行", "was running already"),
    };
    context.out.line(format!("{}: {text}", partner.system));
    Ok(())
}

/// Lifts what stops a system; says why it was not spoken to, and the reason that was given.
async fn lift(
    app: &App,
    partner: &Partner,
    because: &str,
) -> Result<(Option<Why>, Option<String>), StoreError> {
    let mut tx = app.store.write("resume").await?;
    let mut row = tx.system(&partner.system).await?;
    let (why, _) = standing(partner, &row, app.clock.now());
    let reason = row.suspended.take().or_else(|| row.paused.take().map(|pause| pause.reason));
    row.paused = None;
    row.credentials = None;
    row.health.clear();
    let (by, now) = (Some("operator: systems resume"), app.clock.now());
    for kind in [AlarmKind::Suspended, AlarmKind::Breaker, AlarmKind::ClockSkew] {
        tx.clear_alarm(Some(&partner.system), kind, by, now).await?;
    }
    tx.save_system(&partner.system, &row).await?;
    let author = session_author();
    let was = why.map_or("ready", Why::as_str);
    let outcome = format!("was {was}");
    tx.audit(&app.sealer, deed(&author, "resume", partner, (because, &outcome), now)).await?;
    tx.commit().await?;
    Ok((why, reason))
}

fn deed<'a>(
    author: &'a Author,
    act: &'static str,
    partner: &Partner,
    (reason, outcome): (&'a str, &'a str),
    at: Timestamp,
) -> Deed<'a> {
    Deed { author, act, subject: format!("system:{}", partner.system), reason, outcome, at }
}

/// Asks, whatever keeps the daemon from it: the operator wants to know. What comes of it counts, for the daemon too.
async fn probe(context: &Context, app: &App, partner: &Partner) -> Done {
    let system = &partner.system;
    let out = context.out;
    let now = app.clock.now();
    let mut tx = app.store.write("probe").await?;
    let mut row = tx.system(system).await?;
    if row.health.breaker.probe_ends(now).is_some() {
        let text = out.lang.pick("正在探测，请稍后再试", "a probe is under way: try again in a moment");
        return Err(Failure::Refused(format!("{system}: {text}")));
    }
    row.health.begin_probe(now, partner.probe_until(now), &partner.limits);
    tx.save_system(system, &row).await?;
    tx.commit().await?;
    let exchange = partner.probe(&app.clock).await;
    let sign = exchange.outcome.sign();
    let (row, change) = despite_races(async || {
        let mut tx = app.store.write("probe's end").await?;
        let mut row = tx.system(system).await?;
        let ended = exchange.finished_at;
        let change = note_probe(&mut tx, partner, &mut row, &exchange.outcome, ended).await?;
        tx.save_system(system, &row).await?;
        tx.commit().await?;
        Ok::<_, StoreError>((row, change))
    })
    .await?;
    report(context, partner, &exchange, change)?;
    let blocked = exchange.outcome.blocked().is_some();
    if sign == Sign::Answered && !blocked {
        if row.suspended.is_some() {
            out.line(out.lang.pick(
                "系统仍处于停用状态，可执行 systems resume",
                "it is suspended still: `systems resume` lifts that",
            ));
        }
        return Ok(());
    }
    let text = out.lang.pick("没有得到正常答复", "it does not serve us now");
    Err(Failure::Failed(anyhow::anyhow!("{system}: {text}")))
}

fn report(context: &Context, partner: &Partner, exchange: &Exchange, change: Option<Change>) -> Done {
    let out = context.out;
    let (code, error) = exchange.outcome.told();
    let view = ProbeView {
        system: partner.system.to_string(),
        operation: exchange.operation.as_str(),
        outcome: exchange.outcome.word(),
        code,
        // Nobody is asked about, but what comes back is a stranger's text.
        error: error.map(|text| league_contract::mask::digits(&text)),
        milliseconds: exchange.finished_at.duration_since(exchange.started_at).as_millis() as i64,
        breaker: change.map(|change| match change {
            Change::Opened => "opened",
            Change::Closed => "closed",
        }),
    };
    if out.json {
        return out.value(&view);
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
