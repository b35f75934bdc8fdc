//! Measures the organization directory on a generated list, and says which goals are met.

mod ask;
mod measure;
mod table;

use anyhow::Context as _;
use clap::Parser;
use league_directory::Directory;
use league_directory::import::{Import, Mode};
use rustix::time::ClockId;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use table::{Built, Served};

/// Measures the organization directory: `directory/generator/generate.py` writes what it is measured on.
#[derive(Debug, Parser)]
struct Arguments {
    /// The directory that the generator wrote
    #[arg(long)]
    orgs: PathBuf,
    /// Queries of `directory/generator/queries.py`; queries.csv beside the list where none are given
    #[arg(long)]
    queries: Vec<PathBuf>,
    /// Where the directory file goes; beside the list where nothing is given
    #[arg(long)]
    file: Option<PathBuf>,
    /// Measures the file that is there, and imports nothing
    #[arg(long)]
    keep: bool,
    /// Writes the table as Markdown
    #[arg(long)]
    output: Option<PathBuf>,
    /// Prints queries that were not answered as they should be
    #[arg(long)]
    misses: bool,
    /// Imports, prints what it took, and ends: a process of its own, for its memory
    #[arg(long, hide = true)]
    import_only: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let file = arguments.file.clone().unwrap_or_else(|| arguments.orgs.join("organizations.directory"));
    if arguments.import_only {
        return import(&arguments.orgs, &file);
    }
    let built = if arguments.keep { None } else { Some(build(&arguments.orgs, &file)?) };
    let paths = match arguments.queries.as_slice() {
        [] => vec![arguments.orgs.join("queries.csv")],
        given => given.to_vec(),
    };
    let mut opened = Vec::new();
    for _ in 0..3 {
        let before = measure::now(ClockId::Monotonic);
        let directory = Directory::open(&file)?;
        opened.push((measure::now(ClockId::Monotonic) - before).as_secs_f64());
        drop(directory);
    }
    let directory = Directory::open(&file)?;
    let mut reports = Vec::new();
    for path in &paths {
        let queries = ask::read(path).with_context(|| path.display().to_string())?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        reports.push((name, ask::ask(&directory, &queries)));
    }
    let served = Served {
        facts: directory.facts(),
        open: opened.into_iter().fold(f64::INFINITY, f64::min),
        private: measure::memory("RssAnon"),
    };
    if arguments.misses {
        let lines = reports
            .iter()
            .flat_map(|(_, report)| report.wrong.iter().chain(&report.missed).chain(&report.totals_wrong));
        lines.for_each(|line| println!("{line}"));
    }
    let text = table::markdown(built.as_ref(), &served, &reports);
    println!("{text}");
    if let Some(output) = &arguments.output {
        std::fs::write(output, text)?;
    }
    Ok(())
}

/// Imports in another process, and reads what it took.
fn build(orgs: &Path, file: &Path) -> anyhow::Result<Built> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--import-only")
        .arg("--orgs")
        .arg(orgs)
        .arg("--file")
        .arg(file)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [processor, wall, peak] = *numbers.as_slice() else {
        anyhow::bail!("the import failed: {}", String::from_utf8_lossy(&output.stderr));
    };
    Ok(Built { processor, wall, peak })
}

fn import(orgs: &Path, file: &Path) -> anyhow::Result<()> {
    let list = File::open(orgs.join("orgs.csv"))?;
    let import =
        Import { mode: Mode::Full, out: file, allow_removal: true, imported_at: 0, known_province: None };
    let wall = measure::now(ClockId::Monotonic);
    let summary = import.run(list, &mut |_| ())?;
    let wall = (measure::now(ClockId::Monotonic) - wall).as_secs_f64();
    eprintln!("{summary:?}");
    println!("{} {wall} {}", measure::now(ClockId::ProcessCPUTime).as_secs_f64(), measure::memory("VmHWM"));
    Ok(())
}
