//! What is wrong with a tree of fixtures beside that its cases pass.

use crate::case::{Case, Kind};
use crate::load::{FixtureError, Fixtures, survey};
use crate::save::call_text;
use crate::{People, examine, http, leaks};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use league_contract::reason::DetailKind;
use league_contract::{Call, Registration, System, Transfer};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::{fs, io};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Which rule is broken.
    pub rule: Rule,
    /// The case, file or system.
    pub place: String,
    /// What is wrong, without anybody's data.
    pub problem: String,
}

/// What a tree must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A case that does not load, does not replay to the byte, or is not of the profile.
    Invalid,
    /// The same as another one.
    Duplicate,
    /// A file or folder that nothing reads.
    Unused,
    /// Recorded with another version of the profile, or past its last day.
    Expired,
    /// Somebody who may be real.
    Leaking,
    /// A code or operation of the profile without a case.
    Uncovered,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Invalid => "invalid",
            Self::Duplicate => "duplicate",
            Self::Unused => "unused",
            Self::Expired => "expired",
            Self::Leaking => "leaking",
            Self::Uncovered => "uncovered",
        })
    }
}

/// The files of a case.
const FILES: [&str; 3] = ["case.toml", "request.http", "response.http"];
/// What else stands beside the systems' folders, and a script for each of them ([`script`]).
const BESIDE: [&str; 6] =
    ["callbacks", "config.toml", "people.toml", "scenarios", "README.md", ".gitattributes"];
/// What is no part of the tree.
const OUTSIDE: &str = ".git";

/// Everything that is wrong with the tree below `root`, in order.
///
/// # Errors
/// Where not even `config.toml` or `people.toml` can be read.
pub fn lint(
    root: &Path,
    registrations: &[Registration],
    now: Timestamp,
) -> Result<Vec<Finding>, FixtureError> {
    let (fixtures, wrong) = survey(root)?;
    let people = People::load(root)?;
    let today = now.to_zoned(TimeZone::fixed(jiff::tz::offset(8))).date();
    let mut book = Book { fixtures: &fixtures, people, today, found: Vec::new() };
    for error in wrong {
        let place = error.file.strip_prefix(root).unwrap_or(&error.file).display().to_string();
        book.report(Rule::Invalid, place, error.problem);
    }
    for system in fixtures.configs.keys() {
        match registrations.iter().find(|known| known.system == system.as_str()) {
            Some(registration) => book.system(system, registration),
            None => book.report(Rule::Unused, format!("config.toml: [{system}]"), "there is no such system"),
        }
    }
    book.duplicates();
    for case in &fixtures.cases {
        book.age(case);
        book.names(case);
    }
    let unreadable = |error: io::Error| FixtureError { file: root.to_owned(), problem: error.to_string() };
    book.unused(root).map_err(unreadable)?;
    book.leaking(root, "").map_err(unreadable)?;
    book.found.sort();
    Ok(book.found)
}

struct Book<'a> {
    fixtures: &'a Fixtures,
    people: People,
    today: Date,
    found: Vec<Finding>,
}

impl Book<'_> {
    fn report(&mut self, rule: Rule, place: impl Into<String>, problem: impl Into<String>) {
        let place = self.shown(&place.into());
        self.found.push(Finding { rule, place, problem: problem.into() });
    }

    /// A path without the names in which somebody is.
    fn shown(&self, path: &str) -> String {
        let parts = path.split('/').map(|name| {
            let shows = leaks(name.as_bytes(), &self.people, &[]).is_empty();
            if shows { name } else { "***" }
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// Whether the cases of a system are those of its profile.
    fn system(&mut self, system: &System, registration: &Registration) {
        let fixtures = self.fixtures;
        let Some(config) = fixtures.configs.get(system) else { return };
        let built = (registration.build)(config.clone());
        let built = built.and_then(|adapter| Ok((adapter, (registration.notary)(config.clone())?)));
        let (adapter, notary) = match built {
            Ok(built) => built,
            Err(error) => {
                return self.report(Rule::Invalid, format!("config.toml: [{system}]"), error.to_string());
            }
        };
        let cases: Vec<&Case> = fixtures.cases.iter().filter(|case| case.system == *system).collect();
        for case in &cases {
            let examined = examine(case, adapter.as_ref(), notary.as_ref());
            let differing = examined.differences.iter().chain(&examined.restyled);
            let fields: Vec<&str> = differing.map(|one| one.field.as_str()).collect();
            if !fields.is_empty() {
                self.report(Rule::Invalid, &case.name, format!("replays otherwise: {}", fields.join(", ")));
            }
            for code in case.codes.iter().filter(|code| !registration.codes.contains(&code.as_str())) {
                self.report(Rule::Invalid, &case.name, format!("the profile has no code {code}"));
            }
        }
        for code in registration.codes {
            if !cases.iter().any(|case| case.codes.iter().any(|shown| shown == code)) {
                self.report(Rule::Uncovered, system.as_str(), format!("no case shows the code {code}"));
            }
        }
    }

    /// The same call or message at the same moment, with the same bytes.
    fn duplicates(&mut self) {
        let mut first: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
        let mut found = Vec::new();
        for case in &self.fixtures.cases {
            match first.get(&essence(case)) {
                Some(other) => found.push((case.name.clone(), format!("the same as {}", self.shown(other)))),
                None => drop(first.insert(essence(case), &case.name)),
            }
        }
        for (name, problem) in found {
            self.report(Rule::Duplicate, name, problem);
        }
    }

    fn age(&mut self, case: &Case) {
        let current = self.fixtures.profiles.get(&case.system);
        if let (Some(recorded), Some(current)) = (&case.profile, current)
            && recorded != current
        {
            let problem = format!("recorded with profile {recorded}, the system speaks {current}");
            self.report(Rule::Expired, &case.name, problem);
        }
        if let Some(expires) = case.expires.filter(|last| *last < self.today) {
            self.report(Rule::Expired, &case.name, format!("to be believed until {expires}"));
        }
    }

    /// Who is in the files below a folder, and in their names: whatever is committed is read by somebody.
    fn leaking(&mut self, root: &Path, below: &str) -> io::Result<()> {
        for name in entries(&root.join(below))?.into_iter().filter(|name| name != OUTSIDE) {
            let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            for leak in leaks(name.as_bytes(), &self.people, &[]) {
                self.report(Rule::Leaking, &path, format!("its name: {leak}"));
            }
            let file = root.join(&path);
            let kind = fs::symlink_metadata(&file)?.file_type();
            if kind.is_dir() {
                self.leaking(root, &path)?;
            } else if kind.is_file() {
                for leak in leaks(&fs::read(&file)?, &self.people, &[]) {
                    self.report(Rule::Leaking, &path, leak.to_string());
                }
            }
        }
        Ok(())
    }

    /// Who a transfer names.
    fn names(&mut self, case: &Case) {
        let Kind::Exchange(exchange) = &case.kind else { return };
        let Call::Submit(transfer) = &exchange.call else { return };
        for (field, name) in names(transfer) {
            if !self.people.made_up_name(name) {
                let problem = format!("{field} is not among the made-up names of people.toml");
                self.report(Rule::Leaking, format!("{}/case.toml", case.name), problem);
            }
        }
    }

    fn unused(&mut self, root: &Path) -> io::Result<()> {
        let systems: Vec<String> = self.fixtures.configs.keys().map(System::as_path).collect();
        let scripts = self.fixtures.configs.keys().map(script);
        let beside: Vec<String> =
            BESIDE.into_iter().chain([OUTSIDE]).map(str::to_owned).chain(scripts).collect();
        for (parent, beside) in [("", beside.as_slice()), ("callbacks/", &[])] {
            for name in entries(&root.join(parent))? {
                if !systems.contains(&name) && !beside.contains(&name) {
                    self.report(Rule::Unused, format!("{parent}{name}"), "no system of config.toml has it");
                }
            }
            for system in &systems {
                for case in entries(&root.join(parent).join(system))? {
                    let name = format!("{parent}{system}/{case}");
                    self.unused_in(&name, &root.join(&name))?;
                }
            }
        }
        Ok(())
    }

    /// What a case's folder holds that no case has.
    fn unused_in(&mut self, name: &str, dir: &Path) -> io::Result<()> {
        if !dir.is_dir() {
            self.report(Rule::Unused, name, "a file where only folders of cases stand");
            return Ok(());
        }
        for file in entries(dir)?.into_iter().filter(|file| !FILES.contains(&file.as_str())) {
            self.report(Rule::Unused, format!("{name}/{file}"), "no part of a case");
        }
        Ok(())
    }
}

/// The script that writes what a system says.
fn script(system: &System) -> String {
    format!("make_{}.py", system.as_str())
}

/// The names of persons in a transfer, by field.
fn names(transfer: &Transfer) -> impl Iterator<Item = (&'static str, &str)> {
    let details = transfer.reason.rule().details.iter().filter(|rule| matches!(rule.kind, DetailKind::Name));
    let details = details.filter_map(|rule| Some((rule.key, transfer.details.get(rule.key)?.as_str())));
    std::iter::once(("member.name", transfer.member.name.expose())).chain(details)
}

/// What makes a case another one.
fn essence(case: &Case) -> Vec<u8> {
    let moment = format!("{} {} {} {}\n", case.system, case.now, case.answered_at, case.nonce.to_hex());
    let mut essence = moment.into_bytes();
    match &case.kind {
        Kind::Exchange(exchange) => {
            essence.extend(call_text(&exchange.call).into_bytes());
            essence.extend(exchange.request.as_ref().map(http::write_request).unwrap_or_default());
            essence.extend(exchange.response.as_ref().map(http::write_response).unwrap_or_default());
        }
        Kind::Callback(push) => {
            essence.extend(format!("{:?}\n", push.verdict).into_bytes());
            essence.extend(http::write_request(&push.request));
        }
    }
    essence
}

/// The names in a folder, in order; nothing where it is not there.
fn entries(dir: &Path) -> io::Result<Vec<String>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
