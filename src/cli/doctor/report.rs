//! What a doctor finds, for people and programs.

use super::super::Failure;
use super::super::output::Output;
use serde::Serialize;

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Section {
    Configuration,
    Files,
    Database,
    Keys,
    Directory,
    Clock,
    Systems,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    section: Section,
    subject: String,
    state: State,
    found: String,
    found_en: String,
    mend: Option<String>,
    mend_en: Option<String>,
    milliseconds: Option<i64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

impl Section {
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Configuration => ("配置", "configuration"),
            Self::Files => ("文件", "files"),
            Self::Database => ("数据库", "database"),
            Self::Keys => ("密钥", "keys"),
            Self::Directory => ("组织名录", "directory"),
            Self::Clock => ("时钟", "clock"),
            Self::Systems => ("外部系统", "systems"),
        }
    }
}

impl Report {
    /// It is as it should be.
    pub(super) fn good(&mut self, section: Section, subject: impl Into<String>, found: [String; 2]) {
        self.add(section, subject.into(), State::Ok, found, None);
    }

    /// It works, but somebody should look.
    pub(super) fn warn(
        &mut self,
        section: Section,
        subject: impl Into<String>,
        found: [String; 2],
        mend: [String; 2],
    ) {
        self.add(section, subject.into(), State::Warning, found, Some(mend));
    }

    /// It does not work.
    pub(super) fn bad(
        &mut self,
        section: Section,
        subject: impl Into<String>,
        found: [String; 2],
        mend: [String; 2],
    ) {
        self.add(section, subject.into(), State::Failed, found, Some(mend));
    }

    /// The last one took so long.
    pub(super) fn took(&mut self, milliseconds: i64) {
        if let Some(last) = self.findings.last_mut() {
            last.milliseconds = Some(milliseconds);
        }
    }

    /// Everything that another one found.
    pub(super) fn append(&mut self, mut other: Self) {
        self.findings.append(&mut other.findings);
    }

    fn add(
        &mut self,
        section: Section,
        subject: String,
        state: State,
        found: [String; 2],
        mend: Option<[String; 2]>,
    ) {
        let [found, found_en] = found;
        let (mend, mend_en) = mend.map(|[zh, en]| (zh, en)).unzip();
        self.findings.push(Finding {
            section,
            subject,
            state,
            found,
            found_en,
            mend,
            mend_en,
            milliseconds: None,
        });
    }

    /// How many things don't work.
    pub(super) fn failed(&self) -> usize {
        self.findings.iter().filter(|finding| finding.state == State::Failed).count()
    }

    /// Prints it.
    pub(super) fn show(&self, out: Output) -> Result<(), Failure> {
        if out.json {
            let ok = self.failed() == 0;
            return out.value(&serde_json::json!({"ok": ok, "findings": self.findings}));
        }
        let mut before = None;
        for finding in &self.findings {
            if before.replace(finding.section) != Some(finding.section) {
                let (zh, en) = finding.section.names();
                out.line(out.lang.pick(zh, en));
            }
            let mark = match finding.state {
                State::Ok => out.good("✓"),
                State::Warning => out.paint("33", "!"),
                State::Failed => out.bad("✗"),
            };
            let took = finding.milliseconds.map(|span| out.dim(&format!("  {span} ms"))).unwrap_or_default();
            let found = out.lang.pick(&finding.found, &finding.found_en);
            out.line(format!("  {mark} {}: {found}{took}", finding.subject));
            if let Some((zh, en)) = finding.mend.as_ref().zip(finding.mend_en.as_ref()) {
                out.line(format!("      → {}", out.lang.pick(zh, en)));
            }
        }
        Ok(())
    }
}
