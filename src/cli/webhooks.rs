//! `webhooks`: upstream's addresses that are told of events.

use super::{Context, Done, Failure, session_author};
use crate::app::App;
use crate::webhook::{self, Desk, Target};
use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Subcommand, Debug)]
pub(super) enum WebhooksCommand {
    /// Every address: how far it has taken the events, and why not further
    List,
    /// Post a message of type `test` to an address, and say what it answers
    Test {
        /// Its name in the configuration
        name: String,
    },
    /// Send to it again, and at once
    Resume(ActArgs),
    /// Step over the one event that it does not take
    Skip(ActArgs),
}

#[derive(Args, Debug)]
pub(super) struct ActArgs {
    /// Its name in the configuration
    name: String,
    /// Why: it stands in the audit log
    #[arg(long)]
    reason: String,
}

pub(super) async fn run(context: &Context, command: WebhooksCommand) -> Done {
    let app = context.app().await?;
    let desk = app.webhook_desk();
    match command {
        WebhooksCommand::List => list(context, &desk).await,
        WebhooksCommand::Test { name } => test(context, &desk, known(context, &desk, &name)?).await,
        WebhooksCommand::Resume(args) => act(context, &app, &desk, args, true).await,
        WebhooksCommand::Skip(args) => act(context, &app, &desk, args, false).await,
    }
}

fn known<'a>(context: &Context, desk: &'a Desk, name: &str) -> Result<&'a Target, Failure> {
    let none = ("没有配置该推送地址", "no such webhook is configured");
    desk.target(name).ok_or_else(|| context.none_called(none, name))
}

async fn list(context: &Context, desk: &Desk) -> Done {
    let out = context.out;
    let views = desk.list().await?;
    let header = [
        ("名称", "name"),
        ("地址", "host"),
        ("事件", "events"),
        ("状态", "state"),
        ("落后", "behind"),
        ("连续失败", "failures"),
        ("下次", "next try"),
        ("最近成功", "last success"),
        ("最近问题", "last error"),
    ];
    let time = |at: Option<Timestamp>| at.map(|at| out.time(at)).unwrap_or_default();
    out.rows(&views, &header, |view| {
        vec![
            view.name.clone(),
            view.origin.clone(),
            view.events.join(" "),
            view.state.to_owned(),
            view.behind.to_string(),
            view.failures.to_string(),
            time(view.next_attempt_at),
            time(view.last_success_at),
            view.last_error.clone().unwrap_or_default(),
        ]
    })
}

async fn test(context: &Context, desk: &Desk, target: &Target) -> Done {
    let out = context.out;
    desk.test(target).await.map_err(|why| Failure::Failed(anyhow::anyhow!("{}: {why}", target.name)))?;
    let told = out.lang.pick("已接收测试消息", "took the test message");
    out.line(out.good(&format!("{}: {told}", target.name)));
    Ok(())
}

async fn act(context: &Context, app: &App, desk: &Desk, args: ActArgs, resume: bool) -> Done {
    let out = context.out;
    let target = known(context, desk, &args.name)?;
    let reason = context.reason("--reason", &args.reason)?;
    let author = session_author();
    let done = if resume {
        desk.resume(target, &reason, &author).await?
    } else {
        desk.skip(target, &reason, &author).await?
    };
    app.bells.news.ring();
    let did = match done {
        webhook::Done::Resumed => out.lang.pick("立即恢复推送", "sent to again at once").to_owned(),
        webhook::Done::Skipped(cursor) => match out.chinese() {
            true => format!("事件 {cursor} 不再推送，仍可从事件接口读取"),
            false => format!("event {cursor} is not told; the feed keeps it"),
        },
        webhook::Done::Nothing => {
            let text = out.lang.pick("没有失败，无需操作", "it does not fail: there is nothing to do");
            return Err(Failure::Refused(format!("{}: {text}", target.name)));
        }
    };
    out.line(format!("{}: {did}", target.name));
    Ok(())
}
