//! `orgs import`: lists of organizations into the local directory.

use super::super::{Context, Done, Failure};
use crate::app::routes;
use crate::clock::Clock;
use crate::routing::Routes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use league_contract::ProvinceCode;
use league_directory::import::{Import, ImportError, Mode, Summary};
use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(in crate::cli) struct ImportArgs {
    /// CSV (province_code,org_id,full_name,kind[,parent_org_id]), plain or gzip; `-` reads standard input
    file: PathBuf,
    /// The rows add to or change what is there, and remove where their column `gone` says so; without this, the lists of the
    /// provinces in the file take the place of what was there
    #[arg(long)]
    delta: bool,
    /// Let more than a tenth of a province's organizations go, if they are not in the list
    #[arg(long, conflicts_with = "delta")]
    allow_removal: bool,
}

pub(super) async fn run(context: &Context, args: ImportArgs) -> Done {
    let settings = context.settings()?;
    let routes = routes(&settings)?;
    let (reader, length) = open(&args.file)?;
    let bar = bar(context, length);
    let reader = bar.wrap_read(reader);
    // A link stays one: what it leads to is replaced.
    let path = std::fs::canonicalize(&settings.directory).unwrap_or_else(|_| settings.directory.clone());
    let by_hand = (args.delta, args.allow_removal);
    let told = bar.clone();
    let written = context.out.lang.pick("整理并写入…", "sorting and writing …").to_owned();
    let work = tokio::task::spawn_blocking(move || {
        import(&path, &routes, by_hand, reader, &|| told.set_message(written.clone()))
    });
    let done = work.await;
    bar.finish_and_clear();
    let summary = done?.map_err(|error| failure(context, &args.file, &settings.directory, error))?;
    tell(context, &summary)?;
    if summary.refused == 0 {
        return Ok(());
    }
    let refused = summary.refused;
    Err(Failure::Refused(match context.out.chinese() {
        true => format!("{refused} 行被拒绝，其余已导入；改正后可重新导入整份文件"),
        false => {
            format!("{refused} row(s) refused, the others are in; mend them and import the whole file again")
        }
    }))
}

/// `read` is called when the list was read to its end.
fn import(
    path: &Path,
    routes: &Routes,
    (delta, allow_removal): (bool, bool),
    list: impl Read,
    read: &dyn Fn(),
) -> Result<Summary, ImportError> {
    let known = |code: &str| ProvinceCode::parse(code).is_some_and(|code| routes.of(code).is_some());
    let import = Import {
        mode: if delta { Mode::Delta } else { Mode::Full },
        out: path,
        allow_removal,
        imported_at: Clock::Wall.now().as_millisecond(),
        known_province: Some(&known),
    };
    let mut list = Ends { list, read };
    import.run(&mut list, &mut |_| ())
}

/// Tells when there is nothing more to read.
struct Ends<'a, R> {
    list: R,
    read: &'a dyn Fn(),
}

impl<R: Read> Read for Ends<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.list.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            (self.read)();
        }
        Ok(count)
    }
}

/// The list, and how long it is where that is known.
fn open(file: &Path) -> Result<(Box<dyn Read + Send>, Option<u64>), Failure> {
    if file == Path::new("-") {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let opened = File::open(file).and_then(|opened| Ok((opened.metadata()?, opened)));
    let (metadata, opened) =
        opened.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    if metadata.is_dir() {
        return Err(Failure::Usage(format!("{}: 是文件夹 (is a folder)", file.display())));
    }
    Ok((Box::new(opened), metadata.is_file().then_some(metadata.len())))
}

/// On standard error; a program that reads JSON, and a log, get none.
fn bar(context: &Context, length: Option<u64>) -> ProgressBar {
    if context.out.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => {
            (ProgressBar::new(length), "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}")
        }
        None => (ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec} {elapsed} {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What is wrong with the list is whoever made it's to mend; the rest is ours.
fn failure(context: &Context, list: &Path, directory: &Path, error: ImportError) -> Failure {
    let place =
        if matches!(error, ImportError::Write(_) | ImportError::Before(_)) { directory } else { list };
    let removal = matches!(error, ImportError::TooManyGone { .. });
    let (the_lists, busy, zh) = (error.is_the_lists(), matches!(error, ImportError::Busy), error.zh());
    let text = if context.out.chinese() { zh } else { format!("{:#}", anyhow::Error::new(error)) };
    let hint = match removal {
        true => context.out.lang.pick("（--allow-removal）", " (--allow-removal)"),
        false => "",
    };
    let text = format!("{}: {text}{hint}", place.display());
    match (the_lists, busy) {
        (true, _) => Failure::Usage(text),
        (false, true) => Failure::Refused(text),
        (false, false) => Failure::Failed(anyhow::anyhow!(text)),
    }
}

fn tell(context: &Context, summary: &Summary) -> Done {
    let out = context.out;
    if out.json {
        let refusals = summary.refusals.iter().map(|one| {
            serde_json::json!({"line": one.line, "column": one.column, "detail": one.reason.zh, "detail_en": one.reason.en})
        });
        return out.value(&serde_json::json!({
            "rows": summary.rows, "new": summary.new, "changed": summary.changed, "gone": summary.gone,
            "unchanged": summary.unchanged, "already_gone": summary.already_gone, "kept": summary.kept,
            "nothing_removed": summary.nothing_removed, "duplicate": summary.duplicate, "same_name": summary.same_name, "refused": summary.refused,
            "refusals": refusals.collect::<Vec<_>>(), "organizations": summary.organizations, "bytes": summary.file_length,
        }));
    }
    for one in &summary.refusals {
        let reason = out.lang.pick(&one.reason.zh, &one.reason.en);
        let place = match out.chinese() {
            true => format!("第 {} 行 {}", one.line, one.column),
            false => format!("line {} {}", one.line, one.column),
        };
        out.line(format!("{} {reason}", out.bad(place.trim_end())));
    }
    let untold = summary.refused.saturating_sub(summary.refusals.len() as u64);
    if untold > 0 {
        out.line(format!("… {} {untold}", out.lang.pick("另有被拒绝的行：", "more rows refused:")));
    }
    if summary.nothing_removed {
        out.line(out.bad(out.lang.pick(
            "有的行看不出是哪个组织，因此这次没有撤销任何组织",
            "some row does not say which organization it is about: none was taken for gone this time",
        )));
    }
    let counts = [
        ("行数", "rows", summary.rows),
        ("新增", "new", summary.new),
        ("变更", "changed", summary.changed),
        ("撤销", "gone", summary.gone),
        ("未变", "unchanged", summary.unchanged),
        ("其他省份保留", "of other provinces, kept", summary.kept),
        ("重复行（以后一行为准）", "duplicate rows (the last one counts)", summary.duplicate),
        ("省内同名", "of one name with another", summary.same_name),
        ("要撤销而本就没有", "to be removed, but not there", summary.already_gone),
        ("拒绝", "refused", summary.refused),
    ];
    let always = ["rows", "new", "changed", "gone", "refused"];
    let told = counts.iter().filter(|(_, en, count)| *count > 0 || always.contains(en));
    let told: Vec<String> =
        told.map(|(zh, en, count)| format!("{} {count}", out.lang.pick(zh, en))).collect();
    out.line(told.join(out.lang.pick("，", ", ")));
    out.line(format!(
        "{} {}",
        out.lang.pick("名录现有组织", "organizations in the directory now:"),
        summary.organizations
    ));
    Ok(())
}
