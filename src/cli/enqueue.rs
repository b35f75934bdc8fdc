//! `enqueue`: many transfers from a file, each taken whole or refused with a reason.

use super::{Context, Done, Failure};
use crate::app::App;
use crate::intake::{Parsed, Taken, parse};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use league_contract::{Problem, ProblemCode, RequestId};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Lines that share one transaction.
const CHUNK: usize = 500;
/// The longest row, in bytes.
const MAX_ROW: u64 = 256 * 1024;

#[derive(Args, Debug)]
pub(super) struct EnqueueArgs {
    /// JSON Lines or CSV; `-` reads standard input
    file: PathBuf,
    /// The file's form; by default its ending says
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Check every row and report, but take nothing in
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON document a line
    Jsonl,
    /// A header of dotted paths (member.name, destination.full_name, details.school_name, …), a row a transfer
    Csv,
}

/// A row that was refused.
#[derive(Debug, Serialize)]
struct RefusedRow {
    line: u64,
    /// Nothing where the row has none: a file may have a person in its place.
    request_id: Option<RequestId>,
    problems: Vec<Problem>,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    created: u64,
    same: u64,
    refused: u64,
}

type Row = (u64, Parsed);

pub(super) async fn run(context: &Context, args: EnqueueArgs) -> Done {
    let app = context.app().await?;
    app.organizations.directory.look();
    let csv = args.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    let format = args.format.unwrap_or(if csv { Format::Csv } else { Format::Jsonl });
    let (reader, size) = open(&args.file)?;
    let bar = ProgressBar::new(size).with_style(
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {per_sec} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let reader: Box<dyn Read> = Box::new(bar.wrap_read(reader));
    let mut rows: Box<dyn Iterator<Item = std::io::Result<Row>>> = match format {
        Format::Jsonl => Box::new(json_rows(BufReader::new(reader))),
        Format::Csv => Box::new(csv_rows(reader)?),
    };
    let mut summary = Summary::default();
    loop {
        let chunk = rows.by_ref().take(CHUNK).collect::<std::io::Result<Vec<Row>>>();
        let chunk = chunk.map_err(|error| Failure::Usage(format!("{}: {error}", args.file.display())))?;
        if chunk.is_empty() {
            break;
        }
        take(context, &app, chunk, args.dry_run, &mut summary, &bar).await?;
    }
    bar.finish_and_clear();
    let Summary { created, same, refused } = summary;
    if context.out.json {
        context.out.value(&serde_json::json!({"summary": summary, "dry_run": args.dry_run}))?;
    } else if context.out.chinese() {
        context.out.line(format!(
            "新建 {created}，已存在 {same}，拒绝 {refused}{}",
            if args.dry_run { "（试运行，未写入）" } else { "" }
        ));
    } else {
        context.out.line(format!(
            "created {created}, here already {same}, refused {refused}{}",
            if args.dry_run { " (dry run: nothing was written)" } else { "" }
        ));
    }
    if refused > 0 {
        return Err(Failure::Refused(match context.out.chinese() {
            true => format!("{refused} 行被拒绝，其余已处理；改正后可整份重新提交，已存在的不会重复"),
            false => format!(
                "{refused} rows were refused, the others are done; mend them and send the whole file again: nothing is taken twice"
            ),
        }));
    }
    Ok(())
}

/// Takes rows in, all in one transaction: either this chunk is durable as reported, or nothing of it is there.
async fn take(
    context: &Context,
    app: &App,
    rows: Vec<Row>,
    dry_run: bool,
    summary: &mut Summary,
    bar: &ProgressBar,
) -> Done {
    let (lines, documents): (Vec<u64>, Vec<Parsed>) = rows.into_iter().unzip();
    let answered = match dry_run {
        true => app.intake.try_all(&documents).await?,
        false => app.intake.create_all(&documents).await?,
    };
    for (line, (document, answered)) in lines.into_iter().zip(documents.iter().zip(answered)) {
        match answered {
            Ok(Taken::Created(_)) => summary.created += 1,
            Ok(Taken::Same(_)) => summary.same += 1,
            Err(problems) => {
                summary.refused += 1;
                let request_id = document.as_ref().ok().and_then(|value| value.get("request_id"));
                let request_id = request_id.and_then(Value::as_str).and_then(RequestId::parse);
                bar.suspend(|| report(context, &RefusedRow { line, request_id, problems }))?;
            }
        }
    }
    Ok(())
}

fn report(context: &Context, row: &RefusedRow) -> Done {
    if context.out.json {
        return context.out.value(row);
    }
    for problem in &row.problems {
        let field = problem.field.as_deref().map(|field| format!(" {field}")).unwrap_or_default();
        let id = row.request_id.as_ref().map_or("-", RequestId::as_str);
        context.out.line(format!(
            "{}:{} {id} {}{field}: {}",
            context.out.lang.pick("行", "line"),
            row.line,
            problem.code.as_str(),
            problem.text(context.out.chinese())
        ));
    }
    Ok(())
}

fn open(path: &Path) -> Result<(Box<dyn Read>, u64), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), 0));
    }
    let file = File::open(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    let size = file.metadata().map(|data| data.len()).unwrap_or_default();
    Ok((Box::new(file), size))
}

fn json_rows(mut reader: impl BufRead) -> impl Iterator<Item = std::io::Result<Row>> {
    let mut number = 0;
    std::iter::from_fn(move || {
        loop {
            number += 1;
            let mut line = Vec::new();
            match reader.by_ref().take(MAX_ROW + 1).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) if line.len() as u64 > MAX_ROW && !line.ends_with(b"\n") => {
                    let skipped = reader.skip_until(b'\n');
                    return Some(skipped.map(|_| (number, Err(vec![too_large()]))));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return Some(Ok((number, parse(&line))));
        }
    })
}

/// A row's cells by their dotted header: `member.name` is the name of the member. Empty cells are left out.
fn csv_rows(reader: impl Read + 'static) -> Result<impl Iterator<Item = std::io::Result<Row>>, Failure> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).trim(csv::Trim::All).from_reader(reader);
    let header = reader
        .headers()
        .map_err(|error| Failure::Usage(format!("the CSV header can't be read: {error}")))?
        .clone();
    let header: Vec<String> =
        header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    if !header.iter().any(|name| name == "request_id") {
        return Err(Failure::Usage(
            "the CSV's first line must name its columns: request_id, initiator, member.name, …".into(),
        ));
    }
    if let Some(twice) = header.iter().enumerate().find(|(at, name)| header[..*at].contains(name)) {
        // Which of the two was meant, nobody knows: a person could go out under another's name.
        let name: String = twice.1.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(Failure::Usage(format!("the CSV names the column {name} twice: leave one out")));
    }
    Ok(reader.into_records().enumerate().map(move |(at, record)| {
        let fallback = at as u64 + 2;
        match record {
            Ok(record) if record.as_slice().len() as u64 > MAX_ROW => {
                let line = record.position().map_or(fallback, csv::Position::line);
                Ok((line, Err(vec![too_large()])))
            }
            Ok(record) => {
                let line = record.position().map_or(fallback, csv::Position::line);
                let mut document = Map::new();
                for (name, cell) in header.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty()) {
                    let value = Value::String(cell.to_owned());
                    match name.split_once('.') {
                        Some((outer, inner)) => {
                            let slot = document.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                            if let Value::Object(fields) = slot {
                                fields.insert(inner.to_owned(), value);
                            }
                        }
                        None => drop(document.insert(name.clone(), value)),
                    }
                }
                Ok((line, Ok(Value::Object(document))))
            }
            Err(error) if matches!(error.kind(), csv::ErrorKind::Io(_)) => {
                Err(std::io::Error::other(error.to_string()))
            }
            Err(error) => {
                let line = error.position().map_or(fallback, csv::Position::line);
                // The library's text counts fields and bytes, and holds no cell.
                let problem = Problem::new(
                    ProblemCode::Malformed,
                    format!("该行无法读取：{error}"),
                    format!("the row can't be read: {error}"),
                );
                Ok((line, Err(vec![problem])))
            }
        }
    }))
}

fn too_large() -> Problem {
    Problem::new(
        ProblemCode::PayloadTooLarge,
        format!("该行超过 {MAX_ROW} 字节"),
        format!("the row is over {MAX_ROW} bytes"),
    )
}
