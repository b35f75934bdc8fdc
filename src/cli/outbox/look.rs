//! `outbox list|stats|failures|export`: what is in it, at any size.

use super::super::{Context, Done, Failure};
use crate::app::App;
use crate::listing::{Asked, Export, FailuresView, FlowView, Format, Known, ListView, StatsView, Words};
use crate::transfer::State;
use crate::view::TransferView;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A page on a terminal.
const PAGE: u32 = 50;

#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    person: PersonArgs,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct PersonArgs {
    /// Only the transfers of the person whose ID number stands in this file; `-` asks for it, or reads standard input
    #[arg(long, value_name = "FILE")]
    person_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    words: Words,
    #[command(flatten)]
    person: PersonArgs,
    /// csv (UTF-8 with a mark, for spreadsheets) or jsonl (a transfer a line, as the HTTP interface shows it)
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Where to; without it, standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The words with a person's number among them, as what they ask for.
pub(super) fn asked(
    context: &Context,
    app: &App,
    mut words: Words,
    person: &PersonArgs,
) -> Result<Asked, Failure> {
    let number = person.person_file.as_deref().map(|file| id_number(context, file)).transpose()?;
    words.id_number = number.as_ref().map(|number| number.to_string());
    let known =
        Known { routes: &app.routes, partners: &app.partners, sealer: &app.sealer, now: app.clock.now() };
    let asked = words.read(known);
    // Memory that held a number is wiped.
    drop(words.id_number.take().map(Zeroizing::new));
    asked.map_err(|problems| {
        let chinese = context.out.chinese();
        Failure::Usage(problems.iter().map(|problem| problem.text(chinese)).collect::<Vec<_>>().join("\n"))
    })
}

/// The first line of a file. An ID number on the command line could be read by everybody on this machine.
fn id_number(context: &Context, file: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: std::io::Error| Failure::Usage(format!("--person-file {}: {error}", file.display()));
    let mut number = Zeroizing::new(String::new());
    if file == Path::new("-") {
        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            write!(std::io::stderr(), "{}", context.out.lang.pick("身份证号码：", "ID number: ")).ok();
        }
        stdin.lock().take(1000).read_line(&mut number).map_err(failed)?;
    } else {
        BufReader::new(File::open(file).map_err(failed)?)
            .take(1000)
            .read_line(&mut number)
            .map_err(failed)?;
    }
    Ok(number)
}

pub(super) async fn list(context: &Context, args: ListArgs) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let words = Words { limit: args.words.limit.or(Some(PAGE)), ..args.words };
    let asked = asked(context, &app, words, &args.person)?;
    let mut tx = app.store.read("list").await?;
    let page = tx.list(&asked.filter, asked.sort, asked.after, asked.limit).await?;
    drop(tx);
    let view = ListView::new(&page, &app.routes);
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
    out.rows(&view.items, &header, |item| row(context, item))?;
    if view.unreadable > 0 {
        told(&match out.chinese() {
            true => format!("另有 {} 份申请已损坏，无法显示，见日志", view.unreadable),
            false => format!("{} more are damaged and can't be shown: see the log", view.unreadable),
        });
    }
    let Some(next) = &view.next else { return Ok(()) };
    if out.json {
        told(&serde_json::json!({"next": next, "searched_to": view.searched_to}).to_string());
    } else {
        if let Some(at) = view.searched_to {
            let (zh, en) = ("已查找至", "searched as far as");
            out.line(out.dim(&format!("{} {}", out.lang.pick(zh, en), out.time(at))));
        }
        out.line(format!("{} --cursor {next}", out.lang.pick("下一页：", "next page:")));
    }
    Ok(())
}

/// A line beside what programs read.
fn told(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

fn state_word(context: &Context, word: &str) -> String {
    let out = context.out;
    State::parse(word).map_or(word, |state| out.lang.pick(state.zh(), state.as_str())).to_owned()
}

fn row(context: &Context, view: &TransferView) -> Vec<String> {
    let out = context.out;
    let error = view.last_error.as_ref().map(|error| out.lang.pick(&error.zh, &error.en).to_owned());
    vec![
        view.request_id.clone(),
        view.system.clone(),
        state_word(context, &view.state)
            + view.held.as_ref().map_or("", |_| out.lang.pick("（挂起）", " (held)")),
        view.member.name.clone(),
        format!("{} {}", view.destination.province, view.destination.full_name),
        view.attempts.to_string(),
        out.time(view.updated_at),
        error.unwrap_or_default(),
    ]
}

pub(super) async fn stats(context: &Context) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let view = StatsView::of(&app.store, app.clock.now()).await?;
    if out.json {
        return out.value(&view);
    }
    let counts: Vec<(&String, &String, i64)> = view
        .systems
        .iter()
        .flat_map(|(system, states)| states.iter().map(move |(state, count)| (system, state, *count)))
        .collect();
    out.rows(
        &counts,
        &[("系统", "system"), ("状态", "state"), ("数量", "count")],
        |(system, state, count)| vec![(*system).clone(), state_word(context, state), count.to_string()],
    )?;
    let header = [
        ("系统", "system"),
        ("最早到期", "oldest due"),
        ("近一小时每小时接收", "taken in per hour, last hour"),
        ("近一小时每小时办结", "ended per hour, last hour"),
        ("近一天接收", "taken in, last day"),
        ("近一天办结", "ended, last day"),
        ("出结果用时（一半）", "time to verdict, half"),
        ("出结果用时（九成）", "nine of ten"),
    ];
    let ended = |flow: &FlowView| flow.ended.values().sum::<i64>().to_string();
    out.rows(&view.pace.iter().collect::<Vec<_>>(), &header, |(system, pace)| {
        let took = |millis: Option<i64>| millis.map(span).unwrap_or_default();
        vec![
            (*system).clone(),
            pace.oldest_due.map(|at| out.time(at)).unwrap_or_default(),
            pace.last_hour.taken_per_hour.to_string(),
            pace.last_hour.ended_per_hour.to_string(),
            pace.last_day.taken.to_string(),
            ended(&pace.last_day),
            took(pace.verdict.as_ref().map(|verdict| verdict.p50_ms)),
            took(pace.verdict.as_ref().map(|verdict| verdict.p90_ms)),
        ]
    })
}

/// A span in its two largest units.
fn span(millis: i64) -> String {
    let seconds = SignedDuration::from_millis(millis).as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, 0) => format!("{millis}ms"),
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m {s}s"),
        (0, h, m, _) => format!("{h}h {m}m"),
        (d, h, _, _) => format!("{d}d {h}h"),
    }
}

pub(super) async fn failures(context: &Context) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let view = FailuresView::from(app.store.read("failures").await?.failures().await?);
    if out.json {
        return out.value(&view);
    }
    let header = [
        ("系统", "system"),
        ("状态", "state"),
        ("代码", "code"),
        ("数量", "count"),
        ("最早", "oldest"),
        ("最近", "newest"),
        ("例如", "one of them"),
        ("问题", "problem"),
    ];
    out.rows(&view.groups, &header, |group| {
        let problem =
            group.problem.as_ref().map(|problem| out.lang.pick(&problem.zh, &problem.en).to_owned());
        vec![
            group.system.clone(),
            state_word(context, &group.state),
            group.code.clone(),
            group.count.to_string(),
            out.time(group.oldest),
            out.time(group.newest),
            group.sample.clone(),
            problem.unwrap_or_default(),
        ]
    })?;
    if view.at_least {
        out.line(out.dim(out.lang.pick(
            "每个系统每种状态只看了最近的 5000 份，实际不少于上述数量",
            "of each system and state the newest 5,000 were looked at: there are at least so many",
        )));
    }
    Ok(())
}

pub(super) async fn export(context: &Context, args: ExportArgs) -> Done {
    let app = context.app().await?;
    if args.words.page_word().is_some() {
        let text = context.out.lang.pick(
            "导出整个列表，没有页：请去掉 --limit 和 --cursor",
            "an export is the whole list and has no pages: leave out --limit and --cursor",
        );
        return Err(Failure::Usage(text.to_owned()));
    }
    let asked = asked(context, &app, args.words, &args.person)?;
    let mut file: Box<dyn Write + Send> = match &args.output {
        None => Box::new(std::io::stdout()),
        Some(path) => {
            let failed = |error| Failure::Usage(format!("--output {}: {error}", path.display()));
            Box::new(BufWriter::new(File::create(path).map_err(failed)?))
        }
    };
    let bar = bar(context, args.output.is_some());
    let mut export =
        Export::new(app.store.clone(), app.routes.clone(), asked.filter, asked.sort, args.format);
    while let Some(piece) = export.next().await? {
        if let Err(error) = file.write_all(&piece) {
            // A reader that went away (`| head`) is no failure.
            if error.kind() == std::io::ErrorKind::BrokenPipe && args.output.is_none() {
                return Ok(());
            }
            return Err(error.into());
        }
        bar.set_position(export.written);
    }
    file.flush()?;
    bar.finish_and_clear();
    if args.output.is_some() || export.unreadable > 0 {
        let Export { written, unreadable, .. } = export;
        let (zh, en) = (format!("已导出 {written} 份"), format!("{written} exported"));
        let damaged = match unreadable {
            0 => String::new(),
            count if context.out.chinese() => format!("，另有 {count} 份已损坏，见日志"),
            count => format!(", {count} more are damaged: see the log"),
        };
        told(&format!("{}{damaged}", context.out.lang.pick(&zh, &en)));
    }
    Ok(())
}

/// On a terminal, where the file does not go there itself.
fn bar(context: &Context, to_file: bool) -> ProgressBar {
    if context.out.json || !std::io::stderr().is_terminal() || (!to_file && std::io::stdout().is_terminal()) {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} {per_sec} {elapsed}");
    ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
