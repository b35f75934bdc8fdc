//! `systems`: what the gateway remembers of each external system, and an operator's switch.

use super::{Context, Done, Failure};
use crate::alarm::AlarmKind;
use clap::Subcommand;
use serde::Serialize;

#[derive(Subcommand, Debug)]
pub(super) enum SystemsCommand {
    /// Every system: running, paused or suspended
    List,
    /// Send nothing to a system until it is resumed
    Pause {
        /// Its name
        system: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Lift a pause or a suspension
    Resume {
        /// Its name
        system: String,
    },
}

#[derive(Serialize)]
struct SystemView {
    system: String,
    name: String,
    state: &'static str,
    reason: Option<String>,
    feed_cursor: i64,
}

pub(super) async fn run(context: &Context, command: SystemsCommand) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let named = |name: &str| {
        let found = app.partners.keys().find(|system| system.as_str() == name).cloned();
        found.ok_or_else(|| Failure::NotFound(format!("no system {name} is configured")))
    };
    match command {
        SystemsCommand::List => {
            let mut tx = app.store.read("systems").await?;
            let mut views = Vec::new();
            for partner in app.partners.values() {
                let row = tx.system(&partner.system).await?;
                let (state, reason) = match (row.suspended, row.paused) {
                    (Some(reason), _) => ("suspended", Some(reason)),
                    (None, Some(reason)) => ("paused", Some(reason)),
                    (None, None) => ("running", None),
                };
                let name =
                    out.lang.pick(partner.registration.name_zh, partner.registration.name_en).to_owned();
                views.push(SystemView {
                    system: partner.system.to_string(),
                    name,
                    state,
                    reason,
                    feed_cursor: row.feed_cursor,
                });
            }
            out.rows(
                &views,
                &[("系统", "system"), ("名称", "name"), ("状态", "state"), ("原因", "reason")],
                |view| {
                    vec![
                        view.system.clone(),
                        view.name.clone(),
                        view.state.to_owned(),
                        view.reason.clone().unwrap_or_default(),
                    ]
                },
            )
        }
        SystemsCommand::Pause { system, reason } => {
            let system = named(&system)?;
            let mut tx = app.store.write("pause").await?;
            let mut row = tx.system(&system).await?;
            row.paused = Some(reason);
            tx.save_system(&system, &row).await?;
            tx.commit().await?;
            out.line(format!("{system}: {}", out.lang.pick("已暂停", "paused")));
            Ok(())
        }
        SystemsCommand::Resume { system } => {
            let system = named(&system)?;
            let mut tx = app.store.write("resume").await?;
            let mut row = tx.system(&system).await?;
            let was = row.suspended.take().or(row.paused.take());
            row.paused = None;
            row.credentials = None;
            let (by, now) = (Some("operator: systems resume"), app.clock.now());
            tx.clear_alarm(Some(&system), AlarmKind::Suspended, by, now).await?;
            tx.save_system(&system, &row).await?;
            tx.commit().await?;
            out.line(match was {
                Some(reason) => format!("{system}: {} ({reason})", out.lang.pick("已恢复", "resumed")),
                None => format!("{system}: {}", out.lang.pick("本来就在运行", "was running already")),
            });
            Ok(())
        }
    }
}
