//! What people and programs see: language, tables, JSON, failures.

use super::{ColorChoice, Failure};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

/// A bar for who watches; nothing where nobody does.
pub(super) fn bar(length: u64) -> ProgressBar {
    ProgressBar::new(length).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    )
}

/// The language of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

impl Lang {
    /// One of two texts.
    #[must_use]
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// The environment's: Chinese where the locale says so.
    fn of_environment() -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let chinese = locale.is_some_and(|locale| locale.to_string_lossy().starts_with("zh"));
        if chinese { Self::Zh } else { Self::En }
    }
}

/// Where a command's results go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) json: bool,
    pub(super) lang: Lang,
    pub(super) color: bool,
}

impl Output {
    pub(super) fn new(json: bool, lang: Option<Lang>, color: ColorChoice) -> Self {
        let color = match color {
            ColorChoice::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        Self { json, lang: lang.unwrap_or_else(Lang::of_environment), color }
    }

    pub(super) fn chinese(self) -> bool {
        self.lang == Lang::Zh
    }

    /// Prints a line for people. A reader that went away (`| head`) is no failure.
    pub(super) fn line(self, text: impl AsRef<str>) {
        writeln!(std::io::stdout(), "{}", text.as_ref()).ok();
    }

    /// Prints a value for programs, on one line.
    pub(super) fn value<T: Serialize>(self, value: &T) -> Result<(), Failure> {
        self.line(serde_json::to_string(value)?);
        Ok(())
    }

    /// Prints values for programs a line each, or a table for people.
    pub(super) fn rows<T: Serialize>(
        self,
        values: &[T],
        header: &[(&str, &str)],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return values.iter().try_for_each(|value| self.value(value));
        }
        let mut table = self.table(header);
        for value in values {
            table.add_row(row(value));
        }
        self.line(table.to_string());
        Ok(())
    }

    /// An empty table with a header in the language.
    pub(super) fn table(self, header: &[(&str, &str)]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(header.iter().map(|(zh, en)| self.lang.pick(zh, en)));
        if !std::io::stdout().is_terminal() {
            table.set_width(160);
        }
        table
    }

    pub(super) fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A time in Beijing, to the second.
    pub(super) fn time(self, at: jiff::Timestamp) -> String {
        at.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).strftime("%m-%d %H:%M:%S").to_string()
    }

    /// Says what went wrong, and gives the exit code.
    pub(super) fn failure(self, failure: &Failure) -> ExitCode {
        let (code, texts): (u8, Vec<String>) = match failure {
            Failure::Failed(error) => (1, vec![format!("{error:#}")]),
            Failure::Usage(text) => (2, vec![text.clone()]),
            Failure::Config(problems) => (2, problems.iter().map(ToString::to_string).collect()),
            Failure::NotFound(text) => (3, vec![text.clone()]),
            Failure::Refused(text) => (4, vec![text.clone()]),
        };
        if self.json {
            let kind = ["", "failed", "usage", "not_found", "refused"][usize::from(code)];
            eprintln!("{}", serde_json::json!({"error": kind, "messages": texts}));
        } else {
            for text in &texts {
                eprintln!("league-gateway: {text}");
            }
        }
        ExitCode::from(code)
    }
}
