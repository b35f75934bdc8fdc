//! What was tried, how often, and what held: for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// How often what was done.
#[derive(Default, Clone, Debug)]
pub(super) struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub(super) fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub(super) fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> = self.0.iter().map(|(what, count)| format!("{count} {what}")).collect();
        f.write_str(&counts.join(", "))
    }
}

/// One trial of something: under a seed, and what did not hold.
pub(super) struct Round {
    pub(super) area: &'static str,
    pub(super) what: String,
    pub(super) seed: u64,
    pub(super) counts: Counts,
    pub(super) wrong: Vec<String>,
}

impl Round {
    /// For a terminal, as soon as it is known.
    pub(super) fn line(&self) -> String {
        let mark = if self.wrong.is_empty() { "held " } else { "BROKE" };
        let Self { area, what, seed, counts, wrong } = self;
        [format!("{mark} {area}: {what}, seed {seed}: {counts}")]
            .into_iter()
            .chain(wrong.iter().map(|wrong| format!("      {wrong}")))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Fails a test, with all that is needed to see it again.
    pub(super) fn must_hold(self) {
        println!("{}", self.line());
        assert!(self.wrong.is_empty(), "LEAGUE_TORTURE_SEED={}\n{}", self.seed, self.line());
    }
}

/// All rounds.
#[derive(Default)]
pub(super) struct Report {
    lines: BTreeMap<(&'static str, String), Line>,
}

#[derive(Default)]
struct Line {
    rounds: u64,
    counts: Counts,
    broke: Vec<(u64, Vec<String>)>,
}

impl Report {
    pub(super) fn add(&mut self, round: Round) {
        let line = self.lines.entry((round.area, round.what)).or_default();
        line.rounds += 1;
        round.counts.0.into_iter().for_each(|(what, count)| line.counts.add(what, count));
        if !round.wrong.is_empty() {
            line.broke.push((round.seed, round.wrong));
        }
    }

    pub(super) fn all_held(&self) -> bool {
        self.lines.values().all(|line| line.broke.is_empty())
    }

    /// How often something was done under an area.
    pub(super) fn total(&self, area: &str, what: &str) -> u64 {
        let lines = self.lines.iter().filter(|((one, _), _)| *one == area);
        lines.map(|(_, line)| line.counts.get(what)).sum()
    }

    /// As Markdown that is read on a terminal as well.
    pub(super) fn markdown(&self, seed: u64, minutes: u64) -> String {
        let mut text = format!("# Torture\n\nSeed {seed}, {minutes} minute(s).\n");
        let mut area = "";
        for ((of, what), line) in &self.lines {
            if *of != area {
                area = of;
                write!(text, "\n## {area}\n\n").expect("a text grows");
            }
            let mark = if line.broke.is_empty() { "held" } else { "BROKE" };
            writeln!(text, "- **{mark}** {what}: {} round(s); {}", line.rounds, line.counts)
                .expect("a text grows");
            for (seed, wrong) in &line.broke {
                writeln!(text, "  - with seed {seed}:").expect("a text grows");
                for wrong in wrong.iter().take(10) {
                    writeln!(text, "    - {wrong}").expect("a text grows");
                }
                if wrong.len() > 10 {
                    writeln!(text, "    - and {} more", wrong.len() - 10).expect("a text grows");
                }
            }
        }
        let verdict = if self.all_held() { "Everything held." } else { "Something broke." };
        write!(text, "\n**{verdict}**\n").expect("a text grows");
        text
    }
}
