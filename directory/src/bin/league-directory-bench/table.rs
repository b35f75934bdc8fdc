//! The figures beside their goals.

use crate::ask::Report;
use league_directory::Facts;

/// What the import took: seconds and mebibytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Built {
    pub(crate) processor: f64,
    pub(crate) wall: f64,
    pub(crate) peak: f64,
}

/// What serving takes.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) facts: Facts,
    pub(crate) open: f64,
    pub(crate) private: f64,
}

/// What else could answer, as it was measured before this crate was written.
const OTHERS: &str = "
Other tools on the same list, measured earlier on a machine of the same kind (not in this run):

| tool | build, CPU s | size, MB | exact, µs p50 / p99 | near miss, ms p50 / p99 | recall at 1 / at 5 | search, ms p50 / p99 |
|---|---|---|---|---|---|---|
| SQLite 3.40 FTS5 trigram, then edit distance | 63 | 1,183 | 109 / 480 | 162 / 415 | .896 / .981 | 2.8 / 50 |
| PostgreSQL 15 pg_trgm, threshold 0.4 | 92 | 1,245 | 166 / 513 | 19.5 / 206 | .934 / .988 | 0.78 / 97 |
| tantivy 0.27, pairs of characters, BM25 | 74 | 308 | 12.5 / 426 | 4.2 / 9.8 | .948 / .998 | 0.07 / 0.66 |
| fst 0.4 + levenshtein_automata, distance 2 | 14 | 66 | 5.3 / 13.7 | 3.0 / 24 | .516 / .549 | none |
| prototype of this crate, in memory | 10 | 200 | 5.8 / 11 | 0.49 / 1.4 | .973 / .997 | 0.04 / 1.3 |
";

struct Table(String);

impl Table {
    fn row(&mut self, what: &str, goal: &str, figure: &str, met: bool) {
        let met = if met { "met" } else { "**not met**" };
        self.line(&format!("| {what} | {goal} | {figure} | {met} |"));
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}

/// All of it as Markdown.
pub(crate) fn markdown(built: Option<&Built>, served: &Served, reports: &[(String, Report)]) -> String {
    let mut table = Table(String::new());
    let facts = &served.facts;
    table.line(&format!(
        "{} organizations. Times are of one thread; microseconds of processor time unless said otherwise.\n",
        facts.organizations
    ));
    table.line("| figure | goal | measured | |\n|---|---|---|---|");
    if let Some(built) = built {
        let Built { processor, wall, peak } = *built;
        table.row(
            "import, processor time (wall)",
            "≤ 15 s",
            &format!("{processor:.1} s ({wall:.1} s)"),
            processor <= 15.0,
        );
        table.row("import, peak memory", "≤ 600 MB", &format!("{peak:.0} MiB"), peak * 1.048_576 <= 600.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let size = facts.file_length as f64 / 1e6;
    table.row("file", "≤ 210 MB", &format!("{size:.1} MB"), size <= 210.0);
    table.row(
        "open, checksum verified (wall)",
        "≤ 0.2 s",
        &format!("{:.3} s", served.open),
        served.open <= 0.2,
    );
    table.row(
        "private memory while serving",
        "≤ 32 MiB",
        &format!("{:.1} MiB", served.private),
        served.private <= 32.0,
    );
    for (name, report) in reports {
        speed(&mut table, name, report);
        quality(&mut table, name, report);
    }
    kinds(&mut table, reports);
    table.line(OTHERS);
    table.0
}

fn speed(table: &mut Table, name: &str, report: &Report) {
    let mut times = |what: &str, times: &crate::measure::Times, unit: f64, goals: [f64; 2], goal: &str| {
        let (p50, p99) = (times.processor(0.5) / unit, times.processor(0.99) / unit);
        let figure = format!(
            "{p50:.3} / {p99:.3} (wall {:.3} / {:.3}, {} calls)",
            times.wall(0.5) / unit,
            times.wall(0.99) / unit,
            times.count()
        );
        table.row(&format!("{name}: {what}"), goal, &figure, p50 <= goals[0] && p99 <= goals[1]);
    };
    times("check p50 / p99", &report.check, 1.0, [6.0, 20.0], "≤ 6 / 20 µs");
    times("suggestions p50 / p99, ms", &report.near, 1e3, [0.5, 1.5], "≤ 0.5 / 1.5 ms");
    times("suggestions for names that are not there, ms", &report.absent, 1e3, [0.5, 1.5], "≤ 0.5 / 1.5 ms");
    times("search with an exact total p50 / p99, ms", &report.search, 1e3, [0.05, 1.5], "≤ 0.05 / 1.5 ms");
}

fn quality(table: &mut Table, name: &str, report: &Report) {
    let (first, five) = report.overall().shares();
    let figure = format!("{first:.4} / {five:.4}");
    table.row(
        &format!("{name}: near misses, recall at 1 / at 5"),
        "≥ 0.98 / 0.999",
        &figure,
        first >= 0.98 && five >= 0.999,
    );
    let worst = |share: fn((f64, f64)) -> f64| {
        report.recall.values().map(|one| share(one.shares())).fold(1.0, f64::min)
    };
    let (first, five) = (worst(|shares| shares.0), worst(|shares| shares.1));
    let figure = format!("{first:.3} / {five:.3}");
    table.row(
        &format!("{name}: the worst kind of mistake"),
        "≥ 0.90 / 0.98",
        &figure,
        first >= 0.9 && five >= 0.98,
    );
    let wrong = report.wrong.len();
    table.row(&format!("{name}: wrong yes or no"), "none", &format!("{wrong}"), wrong == 0);
    let wrong = report.totals_wrong.len();
    table.row(&format!("{name}: wrong totals of searches"), "none", &format!("{wrong}"), wrong == 0);
    let (offered, all) = (report.elsewhere_first, report.elsewhere);
    table.row(
        &format!("{name}: names of another province offered"),
        "all",
        &format!("{offered} of {all}"),
        offered == all,
    );
    let [right, wrong, none] = report.places;
    let figure = format!("{right} right, {wrong} wrong, {none} say none");
    table.row(&format!("{name}: the province that a name says"), "none wrong", &figure, wrong == 0);
}

fn kinds(table: &mut Table, reports: &[(String, Report)]) {
    let mut head = "\n| recall at 1 / at 5 |".to_owned();
    for (name, _) in reports {
        head.push_str(&format!(" {name} |"));
    }
    table.line(&head);
    table.line(&format!("|---|{}", "---|".repeat(reports.len())));
    let kinds = reports.first().into_iter().flat_map(|(_, report)| report.recall.keys());
    for kind in kinds {
        let mut line = format!("| {kind} |");
        for (_, report) in reports {
            let (first, five) = report.recall.get(kind).copied().unwrap_or_default().shares();
            line.push_str(&format!(" {first:.3} / {five:.3} |"));
        }
        table.line(&line);
    }
}
