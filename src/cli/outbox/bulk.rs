//! `outbox bulk`: acts on many transfers, with a preview, at a rate, to be paused and cancelled.

use super::super::{Context, Done, Failure, refusal};
use super::look::{PersonArgs, asked};
use crate::app::App;
use crate::lifecycle::Signals;
use crate::listing::Words;
use crate::operator::{Act, BulkView, FASTEST, PREVIEW_PAGES, Preview, Turn, USUAL};
use crate::store::{Bulk, BulkState, Filter};
use crate::view::TransferView;
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use jiff::SignedDuration;
use std::io::{IsTerminal as _, Write as _};

#[derive(Subcommand, Debug)]
pub(in crate::cli) enum BulkCommand {
    /// Again, and now
    Retry(BeginArgs),
    /// Do nothing with them until they are released
    Hold(BeginArgs),
    /// No longer held
    Release(BeginArgs),
    /// Give up for good what failed
    Close(BeginArgs),
    /// Take them back; where a partner may have one, by asking the partner
    Withdraw(BeginArgs),
    /// All of them, newest first
    List,
    /// How far one is, and what happened to each transfer
    Show {
        /// Its number
        id: i64,
        /// Only the transfers that refused it
        #[arg(long)]
        refused: bool,
    },
    /// Stop for now
    Pause(TurnArgs),
    /// Go on
    Resume(TurnArgs),
    /// Stop for good; what was done stays done
    Cancel(TurnArgs),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct BeginArgs {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    person: PersonArgs,
    /// All transfers: where nothing narrows them, this must say so
    #[arg(long)]
    all: bool,
    /// Why: it stands in the timeline of each, and in the audit log (`--reason` narrows to transfers for a reason)
    #[arg(long)]
    because: Option<String>,
    /// Who; by default the user of this session
    #[arg(long, env = "USER", hide_env = true, default_value = "operator", hide_default_value = true)]
    by: String,
    /// Transfers a second
    #[arg(long, default_value_t = USUAL, value_parser = clap::value_parser!(u32).range(1..=i64::from(FASTEST)))]
    rate: u32,
    /// Only say which transfers would be acted on
    #[arg(long)]
    dry_run: bool,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// Don't wait for the end
    #[arg(long)]
    detach: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct TurnArgs {
    /// Its number
    id: i64,
    /// Why
    #[arg(long)]
    because: String,
    /// Who; by default the user of this session
    #[arg(long, env = "USER", hide_env = true, default_value = "operator", hide_default_value = true)]
    by: String,
}

pub(super) async fn run(context: &Context, command: BulkCommand) -> Done {
    let app = context.app().await?;
    match command {
        BulkCommand::Retry(args) => begin(context, &app, Act::Retry, args).await,
        BulkCommand::Hold(args) => begin(context, &app, Act::Hold, args).await,
        BulkCommand::Release(args) => begin(context, &app, Act::Release, args).await,
        BulkCommand::Close(args) => begin(context, &app, Act::Close, args).await,
        BulkCommand::Withdraw(args) => begin(context, &app, Act::Withdraw, args).await,
        BulkCommand::List => list(context, &app).await,
        BulkCommand::Show { id, refused } => show(context, &app, id, refused).await,
        BulkCommand::Pause(args) => turn(context, &app, Turn::Pause, args).await,
        BulkCommand::Resume(args) => turn(context, &app, Turn::Resume, args).await,
        BulkCommand::Cancel(args) => turn(context, &app, Turn::Cancel, args).await,
    }
}

async fn begin(context: &Context, app: &App, act: Act, args: BeginArgs) -> Done {
    let out = context.out;
    let filter = filter(context, app, &args)?;
    if filter == Filter::default() && !args.all {
        let (zh, en) = (
            "没有筛选条件；确实要处理所有申请时，请加 --all",
            "nothing narrows it: if all transfers are meant, say --all",
        );
        return Err(Failure::Usage(out.lang.pick(zh, en).to_owned()));
    }
    let operator = app.operator();
    let author = context.author(&args.by)?;
    // What is only looked at needs no reason.
    let why = match args.dry_run {
        true => String::new(),
        false => context.reason("--because", args.because.as_deref().unwrap_or_default())?,
    };
    let preview = operator.preview(&filter, PREVIEW_PAGES).await?;
    if args.dry_run || !args.yes {
        foresee(context, app, &preview)?;
    }
    if args.dry_run {
        return Ok(());
    }
    if preview.count + preview.unreadable == 0 && !preview.more {
        return Err(Failure::NotFound(out.lang.pick("没有符合条件的申请", "no transfer fits").to_owned()));
    }
    if !args.yes && !agreed(context, act)? {
        return Ok(());
    }
    let begun = operator.begin_bulk(act, &filter, (&why, args.rate), &author).await;
    let bulk = begun.map_err(|error| refusal(context, error))?;
    if args.detach {
        return said(context, bulk);
    }
    follow(context, app, bulk, &preview).await
}

/// Which transfers are meant: all that fit.
fn filter(context: &Context, app: &App, args: &BeginArgs) -> Result<Filter, Failure> {
    if args.words.page_word().is_some() || args.words.sort.is_some() {
        let text = context.out.lang.pick(
            "批量操作处理所有符合条件的申请，先到先处理：请去掉 --limit、--cursor 和 --sort",
            "all that fit are acted on, what came in first comes first: leave out --limit, --cursor and --sort",
        );
        return Err(Failure::Usage(text.to_owned()));
    }
    Ok(asked(context, app, args.words.clone(), &args.person)?.filter)
}

/// Which transfers it would be.
fn foresee(context: &Context, app: &App, preview: &Preview) -> Done {
    let out = context.out;
    let first: Vec<TransferView> =
        preview.first.iter().map(|stored| TransferView::new(stored, &app.routes)).collect();
    if out.json {
        let view = serde_json::json!({"count": preview.count, "more": preview.more,
            "searched_to": preview.searched_to, "unreadable": preview.unreadable, "first": first});
        return out.value(&view);
    }
    let more = if preview.more { "+" } else { "" };
    out.line(match out.chinese() {
        true => format!("符合条件的申请：{}{more} 份", preview.count),
        false => format!("{}{more} transfers fit", preview.count),
    });
    for view in &first {
        out.line(format!(
            "  {}  {}  {}  {}",
            view.request_id, view.system, view.state, view.destination.full_name
        ));
    }
    if preview.count > first.len() {
        out.line("  …");
    }
    if preview.unreadable > 0 {
        out.line(out.bad(&match out.chinese() {
            true => format!("另有 {} 份已损坏，不会处理，见日志", preview.unreadable),
            false => {
                format!("{} more are damaged and will be left as they are: see the log", preview.unreadable)
            }
        }));
    }
    if let Some(at) = preview.searched_to {
        let (zh, en) = ("只查到此时到达的申请：", "looked as far as what came in at");
        out.line(out.dim(&format!("{} {}", out.lang.pick(zh, en), out.time(at))));
    }
    Ok(())
}

/// Asks, where somebody can answer.
fn agreed(context: &Context, act: Act) -> Result<bool, Failure> {
    let out = context.out;
    if !std::io::stdin().is_terminal() {
        let (zh, en) =
            ("请加 --yes 确认，或先用 --dry-run 查看", "confirm with --yes, or look with --dry-run first");
        return Err(Failure::Usage(out.lang.pick(zh, en).to_owned()));
    }
    let question = out.lang.pick("全部执行？", "act on all of them?");
    write!(std::io::stderr(), "{} {question} [y/N] ", act.as_str())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "是"))
}

/// Shows how far it is until it ends; Ctrl-C leaves it to the daemon.
async fn follow(context: &Context, app: &App, mut bulk: Bulk, preview: &Preview) -> Done {
    let out = context.out;
    let mut signals = Signals::catch()?;
    let length = u64::try_from(preview.count).unwrap_or(u64::MAX);
    let bar = if out.json { ProgressBar::hidden() } else { ProgressBar::new(length) };
    let id = bulk.id;
    while bulk.state == BulkState::Running {
        let seen = u64::try_from(bulk.done + bulk.refused).unwrap_or_default();
        bar.set_length(length.max(seen));
        bar.set_position(seen);
        tokio::select! {
            biased;
            () = signals.next() => {
                bar.finish_and_clear();
                out.line(match out.chinese() {
                    true => format!("批量操作 {id} 由守护进程继续；停止：outbox bulk cancel {id} --because …"),
                    false => format!("act on many {id} goes on in the daemon; to stop it: outbox bulk cancel {id} --because …"),
                });
                return Ok(());
            }
            () = app.clock.sleep(SignedDuration::from_millis(300)) => {}
        }
        bulk = app.store.read("bulk").await?.bulk(id).await?.unwrap_or(bulk);
    }
    bar.finish_and_clear();
    let refused = bulk.refused;
    said(context, bulk)?;
    if refused == 0 {
        return Ok(());
    }
    Err(Failure::Refused(match out.chinese() {
        true => format!("{refused} 份未处理，原因见 outbox bulk show {id} --refused"),
        false => format!("{refused} were left as they are: outbox bulk show {id} --refused says why"),
    }))
}

fn said(context: &Context, bulk: Bulk) -> Done {
    let out = context.out;
    let view = BulkView::from(bulk);
    if out.json {
        return out.value(&view);
    }
    out.line(match out.chinese() {
        true => format!(
            "批量操作 {}（{}）：{}，已处理 {}，未处理 {}",
            view.id,
            view.act,
            view.state.as_str(),
            view.done,
            view.refused
        ),
        false => format!(
            "act on many {} ({}): {}, {} done, {} refused",
            view.id,
            view.act,
            view.state.as_str(),
            view.done,
            view.refused
        ),
    });
    Ok(())
}

async fn list(context: &Context, app: &App) -> Done {
    let out = context.out;
    let bulks = app.store.read("bulk").await?.bulks(None, 100).await?;
    let views: Vec<BulkView> = bulks.into_iter().map(BulkView::from).collect();
    let header = [
        ("编号", "number"),
        ("操作", "act"),
        ("状态", "state"),
        ("已处理", "done"),
        ("未处理", "refused"),
        ("每秒", "a second"),
        ("操作人", "by"),
        ("原因", "why"),
        ("开始", "began"),
    ];
    out.rows(&views, &header, |view| {
        vec![
            view.id.to_string(),
            view.act.clone(),
            view.state.as_str().to_owned(),
            view.done.to_string(),
            view.refused.to_string(),
            view.rate.to_string(),
            view.by.clone(),
            view.reason.clone(),
            out.time(view.created_at),
        ]
    })
}

fn missing(context: &Context, id: i64) -> Failure {
    context.none_called(("没有这个批量操作", "there is no such act on many"), &id.to_string())
}

async fn show(context: &Context, app: &App, id: i64, refused: bool) -> Done {
    let out = context.out;
    let mut tx = app.store.read("bulk").await?;
    let bulk = tx.bulk(id).await?.ok_or_else(|| missing(context, id))?;
    said(context, bulk)?;
    let mut after = 0;
    loop {
        let results = tx.bulk_results(id, after, refused, 1000).await?;
        let Some(last) = results.last() else { return Ok(()) };
        after = last.number;
        for result in &results {
            if out.json {
                out.value(result)?;
                continue;
            }
            let text = out.lang.pick(&result.told, &result.told_en);
            let text = if result.done { out.good(text) } else { out.bad(text) };
            out.line(format!("  {}: {text}", result.request_id));
        }
    }
}

async fn turn(context: &Context, app: &App, turn: Turn, args: TurnArgs) -> Done {
    let author = context.author(&args.by)?;
    let why = context.reason("--because", &args.because)?;
    let turned = app.operator().turn_bulk(args.id, turn, &why, &author).await;
    let turned = turned.map_err(|error| refusal(context, error))?;
    said(context, turned.ok_or_else(|| missing(context, args.id))?)
}
