//! Figures, what they are to reach, and the table of them.

use super::machine;
use std::fmt::Write as _;
use std::path::Path;

/// What a figure is to reach.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// This much or more.
    Least(f64),
    /// This much or less.
    Most(f64),
    /// Nothing: it stands there for comparison.
    None,
}

impl Goal {
    fn met(self, value: f64) -> &'static str {
        let met = match self {
            Self::Least(goal) => value >= goal,
            Self::Most(goal) => value <= goal,
            Self::None => return "",
        };
        if met { "met" } else { "**not met**" }
    }

    fn words(self) -> String {
        match self {
            Self::Least(goal) => format!("≥ {goal}"),
            Self::Most(goal) => format!("≤ {goal}"),
            Self::None => String::new(),
        }
    }
}

/// Collects figures; prints each as it comes.
pub(super) struct Report {
    quick: bool,
    machine: Vec<String>,
    section: String,
    rows: Vec<Row>,
}

struct Row {
    section: String,
    name: String,
    measured: String,
    goal: String,
    verdict: &'static str,
}

impl Report {
    pub(super) fn new(quick: bool) -> Self {
        Self { quick, machine: machine::describe(), section: String::new(), rows: Vec::new() }
    }

    /// Notes a version of something that took part.
    pub(super) fn machine(&mut self, text: String) {
        self.machine.push(text);
    }

    /// What follows belongs to this database.
    pub(super) fn begin(&mut self, section: &str) {
        section.clone_into(&mut self.section);
    }

    /// A figure that was measured.
    pub(super) fn figure(&mut self, name: &str, value: f64, unit: &str, goal: Goal) {
        let measured = format!("{} {unit}", rounded(value)).trim_end().to_owned();
        self.push(name, measured, goal.words(), goal.met(value));
    }

    /// A figure that could not be measured.
    pub(super) fn failed(&mut self, name: &str, why: &str) {
        self.push(name, format!("not measured: {why}"), String::new(), "**not measured**");
    }

    /// A whole database that could not be measured.
    pub(super) fn missing(&mut self, section: &str, why: &str) {
        self.begin(section);
        self.failed("all", why);
    }

    fn push(&mut self, name: &str, measured: String, goal: String, verdict: &'static str) {
        println!("{:<11} {name:<72} {measured:<24} {goal:<10} {verdict}", self.section);
        self.rows.push(Row { section: self.section.clone(), name: name.to_owned(), measured, goal, verdict });
    }

    /// Writes the table.
    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, self.markdown())
    }

    fn markdown(&self) -> String {
        let mut out = String::from(INTRODUCTION);
        let command: Vec<String> = std::env::args().skip(1).map(|word| without_password(&word)).collect();
        let command = format!("cargo run --release --bin bench -- {}", command.join(" "));
        let date = super::watch::today();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        line(format!("- command: `{}`", command.trim_end_matches([' ', '-'])));
        line(format!("- date: {date}"));
        self.machine.iter().for_each(|text| line(format!("- {text}")));
        if self.quick {
            line(
                "- **quick**: small numbers, for a look; what counts is measured without `--quick`"
                    .to_owned(),
            );
        }
        let mut section = "";
        for row in &self.rows {
            if row.section != section {
                section = &row.section;
                line(format!("\n## {section}\n\n| figure | measured | to reach | |\n|---|---|---|---|"));
            }
            let text = |text: &str| text.replace('|', "\\|").replace('\n', " ");
            let Row { name, measured, goal, verdict, .. } = row;
            line(format!("| {} | {} | {goal} | {verdict} |", text(name), text(measured)));
        }
        out
    }
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `bench` (`src/bin/bench`); run it again instead of editing. Daemon, partner and database shared one machine and
one run; ratios and processor time carry over to other machines, rates do not. Where drains are compared, a figure is the median of
several rounds of raw posting, plain loop, job queues (with `--peers`, on PostgreSQL) and daemon in turn. This is delivery; the
directory of organizations has figures of its own in [directory/BENCHMARKS.md](directory/BENCHMARKS.md).

- **raw posting**: the bytes of one real signed submit, posted again and again by `reqwest` at the daemon's concurrency; no database.
- **plain loop**: the plainest outbox, for comparison without a goal: reads a batch of rows, posts them side by side, deletes them with
  one statement, commits. No signature, sealing, timeline or events.
- **peers**: job queues for PostgreSQL, run with `--peers` alone (`src/bin/bench/peers`): one Node process each, a database of its own,
  the letter's body as each job's payload, posted by `undici` at the daemon's concurrency. A drain has the batches that the queue offers, and
  is measured after a thousand other jobs; an idle queue takes jobs singly: graphile-worker is notified by PostgreSQL, pg-boss, which polls,
  is told in its own process.
- The daemon runs with `concurrency = 128` (the default is 16) and `rate_per_second = 100000`, logs warnings alone, and does all that it
  always does. SQLite runs with `synchronous = FULL`, PostgreSQL as its server is set up (see below).
- The sink answers with the partners' signatures and checks nothing.
- Processor time counts the process of the daemon (or of what is compared to it) and PostgreSQL's, not the sink's.

";

/// Three digits are more than a bench knows.
fn rounded(value: f64) -> String {
    let mut text = String::new();
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    // Writing to a String does not fail.
    if write!(text, "{value:.digits$}").is_err() {
        text.clear();
    }
    text
}

/// A URL as it may stand in a file.
fn without_password(word: &str) -> String {
    match (word.split_once("://"), word.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => word.to_owned(),
    }
}
