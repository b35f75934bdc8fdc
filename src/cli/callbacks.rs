//! `callbacks`: what the systems reported, what came of it, and another try where nothing did.

use super::outbox::message;
use super::{Context, Done, Failure, NO_SYSTEM, refusal};
use crate::store::{CallbackFilter, CallbackVerdict};
use crate::view::{CallbackDetails, CallbackView, Opener, TransferView};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use league_contract::System;

/// So many pages are looked through for one that shows something.
const PAGES: usize = 20;

#[derive(Subcommand, Debug)]
pub(super) enum CallbacksCommand {
    /// Status events, newest first
    List(ListArgs),
    /// One status event, with the message that it came in, masked
    Show {
        /// Its number
        id: i64,
    },
    /// Apply events again that nothing came of: unmatched, conflicting, refused
    Reapply(ReapplyArgs),
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// Only what came to this
    #[arg(long, value_parser = PossibleValuesParser::new(CallbackVerdict::KEPT.map(CallbackVerdict::as_str)))]
    verdict: Option<String>,
    /// Only this system's
    #[arg(long)]
    system: Option<String>,
    /// Only about this transfer
    #[arg(long)]
    request_id: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Continue after a page: the `next` of the one before
    #[arg(long)]
    before: Option<i64>,
}

#[derive(Args, Debug)]
pub(super) struct ReapplyArgs {
    /// Their numbers
    #[arg(required = true, value_name = "ID")]
    ids: Vec<i64>,
    /// Why: it stands in the timeline and in the audit log
    #[arg(long)]
    reason: String,
    /// Who; by default the user of this session
    #[arg(long, env = "USER", hide_env = true, default_value = "operator", hide_default_value = true)]
    by: String,
}

pub(super) async fn run(context: &Context, command: CallbacksCommand) -> Done {
    match command {
        CallbacksCommand::List(args) => list(context, args).await,
        CallbacksCommand::Show { id } => show(context, id).await,
        CallbacksCommand::Reapply(args) => reapply(context, args).await,
    }
}

async fn list(context: &Context, args: ListArgs) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let system = args.system.map(|name| {
        let known = System::parse(&name).filter(|system| app.partners.contains_key(system));
        known.ok_or_else(|| {
            Failure::Usage(format!("--system {name}: {}", context.out.lang.pick(NO_SYSTEM.0, NO_SYSTEM.1)))
        })
    });
    let mut filter = CallbackFilter {
        verdict: args.verdict.as_deref().and_then(CallbackVerdict::parse),
        system: system.transpose()?,
        request_id: args.request_id,
        before: args.before,
        limit: args.limit,
    };
    let mut tx = app.store.read("callbacks").await?;
    let mut page = tx.callbacks(&filter).await?;
    // A page looks at so many and no more; somebody who waits wants one that shows something, but does not wait for ever.
    for _ in 1..PAGES {
        let (true, Some(next)) = (page.rows.is_empty(), page.next) else { break };
        filter.before = Some(next);
        page = tx.callbacks(&filter).await?;
    }
    let views: Vec<CallbackView> = page.rows.iter().map(CallbackView::from).collect();
    let header = [
        ("编号", "no."),
        ("时间", "received"),
        ("系统", "system"),
        ("申请编号", "request"),
        ("事件", "event"),
        ("结果", "verdict"),
        ("重复", "repeats"),
        ("对方编号", "event id"),
    ];
    out.rows(&views, &header, |view| {
        vec![
            view.id.to_string(),
            out.time(view.received_at),
            view.system.clone(),
            view.request_id.clone(),
            view.event.clone(),
            view.verdict.clone(),
            view.repeats.to_string(),
            view.event_id.clone(),
        ]
    })?;
    if let (true, Some(next)) = (views.is_empty(), page.next) {
        let (zh, en) = ("事件很多，尚未找到，只查到编号", "none found yet among many: looked down to no.");
        eprintln!("{} {next}", out.lang.pick(zh, en));
    }
    if let (Some(next), false) = (page.next, out.json) {
        out.line(format!("{} --before {next}", out.lang.pick("下一页：", "next page:")));
    }
    Ok(())
}

async fn show(context: &Context, id: i64) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let opener = Opener { sealer: &app.sealer, partners: &app.partners };
    let mut tx = app.store.read("callback").await?;
    let details = CallbackDetails::read(&mut tx, id, opener).await?.ok_or_else(|| {
        Failure::NotFound(format!("{} {id}", out.lang.pick("没有事件", "there is no event")))
    })?;
    if out.json {
        return out.value(&details);
    }
    let view = &details.callback;
    out.line(format!("{}  {} {} {}  {}", view.id, view.system, view.request_id, view.event, view.verdict));
    let lines = [
        ("收到", "received", Some(out.time(view.received_at))),
        ("发生", "occurred", details.occurred_at.map(|at| out.time(at))),
        ("对方编号", "event id", Some(view.event_id.clone())),
        ("回执号", "receipt no.", details.receipt_no.clone()),
        ("重复次数", "repeats", Some(view.repeats.to_string())),
        ("说明", "their words", details.words.clone()),
        ("问题", "problem", details.problem.clone()),
    ];
    for (zh, en, value) in lines {
        if let Some(value) = value {
            out.line(format!("  {}: {value}", out.lang.pick(zh, en)));
        }
    }
    match &details.message {
        Some(shown) => message(out, shown),
        None => out.line(out.dim(out.lang.pick(
            "  报文与同页的第一个事件一起保存",
            "  its message is kept with the first event of its page",
        ))),
    }
    Ok(())
}

async fn reapply(context: &Context, args: ReapplyArgs) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let (operator, author) = (app.operator(), context.author(&args.by)?);
    let mut left: Vec<Failure> = Vec::new();
    for id in args.ids {
        match operator.reapply(id, &args.reason, &author).await {
            Ok(done) => {
                let [zh, en] = &done.did;
                if out.json {
                    out.value(&serde_json::json!({"id": id, "did": zh, "did_en": en,
                        "transfer": TransferView::new(&done.stored, &app.routes)}))?;
                } else {
                    out.line(format!("{id}: {}", out.good(out.lang.pick(zh, en))));
                }
            }
            Err(error) => match refusal(context, error) {
                failure @ (Failure::Refused(_) | Failure::NotFound(_)) => left.push(failure),
                failure @ (Failure::Failed(_) | Failure::Usage(_) | Failure::Config(_)) => {
                    return Err(failure);
                }
            },
        }
    }
    let texts: Vec<&str> = left
        .iter()
        .filter_map(|failure| match failure {
            Failure::Refused(text) | Failure::NotFound(text) => Some(text.as_str()),
            Failure::Failed(_) | Failure::Usage(_) | Failure::Config(_) => None,
        })
        .collect();
    if texts.is_empty() {
        return Ok(());
    }
    let all_missing = left.iter().all(|failure| matches!(failure, Failure::NotFound(_)));
    let text = texts.join("\n");
    Err(if all_missing { Failure::NotFound(text) } else { Failure::Refused(text) })
}
