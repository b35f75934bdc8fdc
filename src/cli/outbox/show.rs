//! `outbox show`: one transfer and its story; its exchanges with their messages, masked; the whole person for who may see it.

use super::super::output::Output;
use super::super::{Context, Done, Failure, orgs, refusal};
use crate::transfer::State;
use crate::view::{
    ExchangeMessages, ExchangeView, Happening, MessageView, Moment, Opener, Records, TransferDocument,
    TransferView, UpstreamCall,
};
use clap::Args;
use league_contract::RequestId;

#[derive(Args, Debug)]
pub(in crate::cli) struct ShowArgs {
    /// Upstream's key
    request_id: String,
    /// With request and answer of every exchange, masked
    #[arg(long)]
    messages: bool,
    /// Only this exchange, with request and answer, masked: its number in the story
    #[arg(long, value_name = "N")]
    exchange: Option<usize>,
    /// The whole person and document; that you looked, and why, stands in the audit log
    #[arg(long, requires = "reason", conflicts_with_all = ["messages", "exchange"])]
    unmask: bool,
    /// Why the person must be seen
    #[arg(long, requires = "unmask")]
    reason: Option<String>,
    /// Who looks; by default the user of this session
    #[arg(long, env = "USER", hide_env = true, default_value = "operator", hide_default_value = true)]
    by: String,
}

pub(super) async fn run(context: &Context, args: ShowArgs) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let request_id = &args.request_id;
    let missing =
        || Failure::NotFound(format!("{} {request_id}", out.lang.pick("没有申请", "there is no transfer")));
    let id = RequestId::parse(request_id).ok_or_else(missing)?;
    if args.unmask {
        let reason = args.reason.unwrap_or_default();
        let opened = app.operator().unmask(&id, &reason, &context.author(&args.by)?).await;
        let (_, transfer) = opened.map_err(|error| refusal(context, error))?;
        let document = TransferDocument::from(&transfer);
        if out.json {
            return out.value(&document);
        }
        out.line(serde_json::to_string_pretty(&document)?);
        return Ok(());
    }
    let mut tx = app.store.read("show").await?;
    let records = Records::read(&mut tx, &id).await?.ok_or_else(missing)?;
    drop(tx);
    let opener = Opener { sealer: &app.sealer, partners: &app.partners };
    if let Some(number) = args.exchange {
        let text = out.lang.pick("没有这一次交互：", "there is no such exchange:");
        let found = records.exchange(number, opener);
        let found = found.ok_or_else(|| Failure::NotFound(format!("{text} {number}")))?;
        if out.json {
            return out.value(&found);
        }
        messages(out, &found);
        return Ok(());
    }
    let story = records.story(&app.routes);
    if out.json {
        let exchanges = records.exchanges(opener);
        return out.value(&serde_json::json!({
            "trace_id": story.trace_id, "transfer": story.transfer, "timeline": story.timeline, "exchanges": exchanges}));
    }
    head(out, &story.transfer, records.stored.entry.state);
    out.line(out.dim(&format!(
        "{} {}",
        out.lang.pick("日志与追踪标识：", "in logs and traces:"),
        story.trace_id
    )));
    for moment in &story.timeline {
        out.line(format!("  {}  {}", out.dim(&out.time(moment.at)), told(out, moment)));
    }
    if args.messages {
        records.exchanges(opener).iter().for_each(|exchange| messages(out, exchange));
    }
    Ok(())
}

/// How it stands.
fn head(out: Output, view: &TransferView, state: State) {
    out.line(format!(
        "{}  {}  {}",
        view.request_id,
        view.system,
        out.good(out.lang.pick(state.zh(), state.as_str()))
    ));
    if view.erased {
        let (zh, en) = ("个人信息已按保留期限清除", "the personal data was erased, after its retention");
        out.line(out.dim(out.lang.pick(zh, en)));
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
}

/// One line of the story.
fn told(out: Output, moment: &Moment) -> String {
    let state = |word: &str| {
        State::parse(word)
            .map_or_else(|| word.to_owned(), |state| out.lang.pick(state.zh(), state.as_str()).to_owned())
    };
    match &moment.what {
        Happening::Upstream { call } => {
            let words = match call {
                UpstreamCall::Create => out.lang.pick("上游提交", "upstream: create"),
                UpstreamCall::Amend => out.lang.pick("上游修改", "upstream: amend"),
                UpstreamCall::Withdraw => out.lang.pick("上游撤回", "upstream: withdraw"),
            };
            format!("⇣ {words}")
        }
        Happening::StateChanged { from, to, cause } => {
            let from = from.as_deref().map_or_else(|| "·".to_owned(), state);
            format!("{from} → {}  {}", state(to), out.dim(cause))
        }
        Happening::Milestone { milestone, cause } => format!("● {milestone}  {}", out.dim(cause)),
        Happening::Conflict { text, cause, .. } => {
            format!("{}  {}", out.bad(&format!("conflict: {text}")), out.dim(cause))
        }
        Happening::Note { text, cause } => format!("note: {text}  {}", out.dim(cause)),
        Happening::Exchange(exchange) => asked(out, exchange),
        Happening::Callback(event) => {
            let repeats = if event.repeats > 0 { format!("×{}", event.repeats + 1) } else { String::new() };
            format!("⇠ [{}] {} {} {repeats}", event.id, event.event, event.verdict)
        }
        Happening::Act { author, act, reason, outcome, .. } => {
            format!("✎ {author} {act}: {reason} ({outcome})")
        }
    }
}

/// An exchange on one line.
fn asked(out: Output, exchange: &ExchangeView) -> String {
    let told = [exchange.outcome.as_deref(), exchange.code.as_deref(), exchange.error.as_deref()];
    let told = told.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let took = exchange.milliseconds.map(|took| format!("{took} ms")).unwrap_or_default();
    format!("⇢ [{}] {} {told}  {}", exchange.number, exchange.operation, out.dim(&took))
}

/// An exchange with its messages.
fn messages(out: Output, shown: &ExchangeMessages) {
    out.line("");
    out.line(format!("{}  {}", out.dim(&out.time(shown.started_at)), asked(out, &shown.exchange)));
    for (zh, en, part) in [("请求", "request", &shown.request), ("答复", "answer", &shown.response)] {
        match part {
            Some(part) => {
                out.line(format!("{}:", out.lang.pick(zh, en)));
                message(out, part);
            }
            None => out.line(format!("{}: {}", out.lang.pick(zh, en), out.dim(out.lang.pick("无", "none")))),
        }
    }
}

/// A message, masked.
pub(in crate::cli) fn message(out: Output, shown: &MessageView) {
    if let Some(start) = &shown.start {
        out.line(format!("  {start}"));
    }
    for header in &shown.headers {
        out.line(format!("  {}: {}", header.name, out.dim(&header.value)));
    }
    if let Some(body) = &shown.body {
        body.lines().for_each(|line| out.line(format!("  {line}")));
    }
    if let Some(why) = &shown.withheld {
        out.line(format!("  {}", out.bad(out.lang.pick(&why.zh, &why.en))));
    }
}
