//! `alarms`: what somebody must look at.

use super::{Context, Done, NO_SYSTEM, refusal, session_author};
use crate::alarm::AlarmKind;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;

/// How many are shown, cleared ones included.
const NEWEST: u32 = 200;

#[derive(Subcommand, Debug)]
pub(super) enum AlarmsCommand {
    /// The open alarms, newest first
    List {
        /// Those that were cleared, too (the newest 200)
        #[arg(long)]
        all: bool,
    },
    /// Somebody looked: the alarm is over
    Clear(ClearArgs),
}

#[derive(Args, Debug)]
pub(super) struct ClearArgs {
    /// Which system; without it, the gateway's own
    #[arg(long)]
    system: Option<String>,
    /// Which kind
    #[arg(long, value_parser = PossibleValuesParser::new(AlarmKind::ALL.iter().map(|kind| kind.as_str())))]
    kind: String,
    /// What was found, or done about it
    #[arg(long)]
    reason: String,
}

pub(super) async fn run(context: &Context, command: AlarmsCommand) -> Done {
    match command {
        AlarmsCommand::List { all } => list(context, all).await,
        AlarmsCommand::Clear(args) => clear(context, args).await,
    }
}

async fn list(context: &Context, all: bool) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let alarms = app.store.read("alarms").await?.alarms(!all, NEWEST).await?;
    let time = |at: Option<Timestamp>| at.map(|at| out.time(at)).unwrap_or_default();
    let header = [
        ("系统", "system"),
        ("告警", "alarm"),
        ("说明", "what"),
        ("开始", "raised"),
        ("结束", "cleared"),
        ("由谁", "by"),
    ];
    out.rows(&alarms, &header, |alarm| {
        let words = AlarmKind::parse(&alarm.kind).map_or("", |kind| out.lang.pick(kind.zh(), kind.en()));
        vec![
            alarm.system.clone().unwrap_or_else(|| "league-gateway".to_owned()),
            alarm.kind.clone(),
            format!("{words}: {}", out.lang.pick(&alarm.detail, &alarm.detail_en)),
            time(Some(alarm.raised_at)),
            time(alarm.cleared_at),
            alarm.cleared_by.clone().unwrap_or_default(),
        ]
    })
}

async fn clear(context: &Context, args: ClearArgs) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let Some(kind) = AlarmKind::parse(&args.kind) else {
        return Err(context.none_called(("没有这种告警", "no such alarm"), &args.kind));
    };
    let system = args.system.as_deref().map(|name| {
        let found = app.partners.keys().find(|system| system.as_str() == name);
        found.ok_or_else(|| context.none_called(NO_SYSTEM, name))
    });
    let system = system.transpose()?;
    let cleared = app.operator().clear_alarm(system, kind, &args.reason, &session_author()).await;
    cleared.map_err(|error| refusal(context, error))?;
    out.line(format!("{kind}: {}", out.lang.pick("已清除", "cleared")));
    if kind.clears_itself() {
        out.line(out.lang.pick(
            "此类告警会自行解除；原因仍在时会再次出现",
            "such an alarm clears itself: while its cause lasts, it is raised again",
        ));
    }
    Ok(())
}
