//! What administrators ask of the outbox, in the words of the command line and of the interface, read once into a
//! [`Filter`]; and what they are shown.

mod export;
mod numbers;

pub use export::{Export, Format};
pub use numbers::{FailuresView, FlowView, GroupView, PaceView, StatsView, VerdictView};

use crate::clock::duration;
use crate::partner::Partners;
use crate::routing::Routes;
use crate::seal::Sealer;
use crate::store::{Cursor, Filter, Page, Person, Sort};
use crate::transfer::State;
use crate::view::TransferView;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, offset};
use jiff::{SignedDuration, Timestamp};
use league_contract::identity::IdNumber;
use league_contract::reason::{REASONS, Reason};
use league_contract::{Problem, ProblemCode, RequestId, System};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::{IntoParams, ToSchema};

/// The longest part of a name that is looked for, in characters.
const LONGEST_PART: usize = 200;

/// What a list is narrowed to, in which order, and which page of it.
#[derive(Clone, Default, Deserialize, IntoParams, ToSchema, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Words {
    /// Only these states, with commas between them: queued, sending, unconfirmed, submitted, awaiting_check_in, completed, …
    #[arg(long, value_name = "STATE[,STATE]")]
    pub state: Option<String>,
    /// Only this system
    #[arg(long)]
    pub system: Option<String>,
    /// Only to this province: code, first two digits, or name
    #[arg(long)]
    pub province: Option<String>,
    /// Only for this reason: its word
    #[arg(long)]
    pub reason: Option<String>,
    /// Only those whose last problem has this code
    #[arg(long, value_name = "CODE")]
    pub error: Option<String>,
    /// Only what came in before a time, a day in Beijing, or so long ago: 2026-11-01T08:00:00+08:00, 2026-11-01, 3d, 12h
    #[arg(long, visible_alias = "older-than", value_name = "WHEN")]
    #[serde(alias = "older_than")]
    pub created_before: Option<String>,
    /// Only what came in then or later
    #[arg(long, visible_alias = "newer-than", value_name = "WHEN")]
    #[serde(alias = "newer_than")]
    pub created_after: Option<String>,
    /// Only what has not changed since then
    #[arg(long, visible_alias = "unchanged-for", value_name = "WHEN")]
    #[serde(alias = "unchanged_for")]
    pub updated_before: Option<String>,
    /// Only what changed then or later
    #[arg(long, value_name = "WHEN")]
    pub updated_after: Option<String>,
    /// Only what an operator holds; `false`: only what nobody holds
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub held: Option<bool>,
    /// Only what is due now, and nobody works on; there is no `false`
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub due: Option<bool>,
    /// Only where the receiving organization's name, as typed or as sent, has these characters in it
    #[arg(long, value_name = "PART")]
    pub organization: Option<String>,
    /// Only request ids that begin so
    #[arg(long, value_name = "PREFIX")]
    pub request_id: Option<String>,
    /// Only this person's: the ID number. In the body of a search alone, since addresses are logged
    #[arg(skip)]
    #[param(ignore)]
    pub id_number: Option<String>,
    /// newest, oldest (by coming in), updated (what changed last first) or due (of what waits, the first first)
    #[arg(long, value_name = "ORDER")]
    pub sort: Option<String>,
    /// Continue after a page: the `next` of the one before
    #[arg(long)]
    pub cursor: Option<String>,
    /// At most so many
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 0, maximum = 4294967295_u32)]
    #[param(minimum = 0, maximum = 4294967295_u32)]
    pub limit: Option<u32>,
}

/// A whole number as JSON Schema has it, where `20.0` is one, or as an address has it, as text.
pub(crate) fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Whole(u32),
        Float(f64),
        Text(String),
    }
    let number = match Option::<Number>::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Number::Whole(number)) => Some(number),
        // A decimal number with nothing behind its point prints as the whole one.
        Some(Number::Float(number)) => number.to_string().parse().ok(),
        Some(Number::Text(text)) => text.parse().ok(),
    };
    number.map(Some).ok_or_else(|| serde::de::Error::custom("not a whole number from 0 to 4294967295"))
}

impl fmt::Debug for Words {
    /// They may name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").finish_non_exhaustive()
    }
}

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// What for.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// Behind which page.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: u32,
}

/// What words are read against.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The provinces.
    pub routes: &'a Routes,
    /// The systems at work; those of the routes are known as well.
    pub partners: &'a Partners,
    /// Finds a person's blind index.
    pub sealer: &'a Sealer,
    /// Ages count back from here.
    pub now: Timestamp,
}

/// Fifty, as a page of a list has without another word.
const PAGE: u32 = 50;

impl Words {
    /// The first word among them that says which page. Whoever takes all that fit has no pages: a word that is passed over in silence would
    /// take more than was meant.
    #[must_use]
    pub fn page_word(&self) -> Option<&'static str> {
        let words = [("limit", self.limit.is_some()), ("cursor", self.cursor.is_some())];
        words.into_iter().find_map(|(word, given)| given.then_some(word))
    }

    /// Reads them, all problems at once.
    ///
    /// # Errors
    /// A problem for each word that says nothing. None repeats a value that may name a person.
    pub fn read(&self, known: Known<'_>) -> Result<Asked, Vec<Problem>> {
        let mut reader = Reader { known, problems: Vec::new() };
        let filter = self.filter(&mut reader);
        let sort =
            reader.word("sort", self.sort.as_deref(), || names(Sort::ALL.map(Sort::as_str)), Sort::parse);
        let after = reader.cursor(self.cursor.as_deref(), sort);
        let sort = sort.or(after.map(|cursor| cursor.sort)).unwrap_or_default();
        if sort == Sort::Due && filter.held == Some(true) {
            reader.wrong(
                "sort",
                "挂起的申请不等待发送，不能按到期时间排序",
                "what is held waits for no time: it has no order by due",
            );
        }
        match reader.problems {
            problems if problems.is_empty() => {
                Ok(Asked { filter, sort, after, limit: self.limit.unwrap_or(PAGE) })
            }
            problems => Err(problems),
        }
    }

    fn filter(&self, reader: &mut Reader<'_>) -> Filter {
        Filter {
            states: reader.states(self.state.as_deref()),
            system: reader.system(self.system.as_deref()),
            province_code: reader.province(self.province.as_deref()),
            reason: reader.reason(self.reason.as_deref()),
            error: reader.part("error", self.error.as_deref()),
            created_from: reader.instant("created_after", self.created_after.as_deref()),
            created_before: reader.instant("created_before", self.created_before.as_deref()),
            updated_from: reader.instant("updated_after", self.updated_after.as_deref()),
            updated_before: reader.instant("updated_before", self.updated_before.as_deref()),
            held: self.held,
            due_by: reader.due(self.due),
            organization: reader.part("organization", self.organization.as_deref()),
            person: reader.person(self.id_number.as_deref()),
            request_id: reader.prefix(self.request_id.as_deref()),
        }
    }
}

struct Reader<'a> {
    known: Known<'a>,
    problems: Vec<Problem>,
}

fn names<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

impl Reader<'_> {
    fn wrong(&mut self, field: &str, zh: impl Into<String>, en: impl Into<String>) {
        self.problems.push(Problem::at(ProblemCode::FieldInvalid, field, zh, en));
    }

    /// A word of a list that the problem names.
    fn word<T>(
        &mut self,
        field: &str,
        word: Option<&str>,
        all: impl Fn() -> String,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let word = word?;
        let parsed = parse(word.trim());
        if parsed.is_none() {
            let all = all();
            self.wrong(
                field,
                format!("{field} 应为其中之一：{all}"),
                format!("{field} must be one of {all}"),
            );
        }
        parsed
    }

    fn states(&mut self, words: Option<&str>) -> Vec<State> {
        let all = || names(State::ALL.iter().map(|state| state.as_str()));
        let words = words.into_iter().flat_map(|words| words.split(','));
        let mut states: Vec<State> =
            words.filter_map(|word| self.word("state", Some(word), all, State::parse)).collect();
        states.sort_unstable();
        states.dedup();
        states
    }

    fn system(&mut self, word: Option<&str>) -> Option<System> {
        let Known { routes, partners, .. } = self.known;
        let mut all: Vec<System> = routes.iter().filter_map(|route| route.target.system().cloned()).collect();
        all.extend(partners.keys().cloned());
        all.sort_unstable();
        all.dedup();
        let list = || names(all.iter().map(System::as_str));
        self.word("system", word, list, |word| all.iter().find(|system| system.as_str() == word).cloned())
    }

    fn province(&mut self, word: Option<&str>) -> Option<league_contract::ProvinceCode> {
        let code = self.known.routes.resolve(word?);
        if code.is_none() {
            self.problems.push(Problem::at(
                ProblemCode::UnknownProvince,
                "province",
                "没有这个省级单位；请用六位代码、前两位或名称",
                "there is no such province: use its six digits, the first two, or its name",
            ));
        }
        code
    }

    fn reason(&mut self, word: Option<&str>) -> Option<String> {
        let all = || names(REASONS.iter().map(|rule| rule.word));
        self.word("reason", word, all, Reason::parse).map(|reason| reason.word().to_owned())
    }

    /// What is due now. What is not due has many causes, and is no list.
    fn due(&mut self, due: Option<bool>) -> Option<Timestamp> {
        if due == Some(false) {
            self.wrong(
                "due",
                "due 只能为 true；要其余的请用 state",
                "due can only be true: narrow the others by state",
            );
        }
        due.filter(|due| *due).map(|_| self.known.now)
    }

    fn part(&mut self, field: &str, word: Option<&str>) -> Option<String> {
        let part = word?.trim();
        if part.is_empty() || part.chars().count() > LONGEST_PART || part.contains('\0') {
            self.wrong(
                field,
                format!("{field} 应为 1 至 {LONGEST_PART} 个字符"),
                format!("{field} must have 1 to {LONGEST_PART} characters"),
            );
            return None;
        }
        Some(part.to_owned())
    }

    fn prefix(&mut self, word: Option<&str>) -> Option<String> {
        let parsed = RequestId::parse(word?.trim());
        if parsed.is_none() {
            self.wrong(
                "request_id",
                "申请编号由 1 至 64 个 A-Z a-z 0-9 _ - 组成",
                "a request id has 1 to 64 of A-Z a-z 0-9 _ -",
            );
        }
        parsed.map(|id| id.as_str().to_owned())
    }

    fn person(&mut self, number: Option<&str>) -> Option<Person> {
        match IdNumber::parse(number?) {
            Ok(number) => Some(Person(self.known.sealer.person(number.expose()))),
            Err(_) => {
                self.problems.push(Problem::at(
                    ProblemCode::IdNumberInvalid,
                    "id_number",
                    "身份证号码有误",
                    "the ID number is not valid",
                ));
                None
            }
        }
    }

    fn instant(&mut self, field: &str, word: Option<&str>) -> Option<Timestamp> {
        let found = instant(word?.trim(), self.known.now);
        if found.is_none() {
            self.wrong(
                field,
                format!("{field} 应为时间、日期或时长，如 2026-11-01T08:00:00+08:00、2026-11-01、3d、12h"),
                format!("{field} must be a time, a day or an age, like 2026-11-01T08:00:00+08:00, 2026-11-01, 3d, 12h"),
            );
        }
        found
    }

    /// A page's cursor belongs to its order.
    fn cursor(&mut self, word: Option<&str>, sort: Option<Sort>) -> Option<Cursor> {
        let cursor = Cursor::parse(word?.trim());
        let fits = cursor.filter(|cursor| sort.is_none_or(|sort| sort == cursor.sort));
        if fits.is_none() {
            self.wrong(
                "cursor",
                "游标无效，或不属于这种排序；请使用上一页给出的 next，或从头开始",
                "the cursor can't be read, or is of another order: use the `next` of a page, or begin anew",
            );
        }
        fits
    }
}

/// A time, the beginning of a day in Beijing, or so long before now.
fn instant(word: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = word.parse::<Timestamp>() {
        return Some(at);
    }
    // A day, or a time of one, is Beijing's.
    if let Ok(at) = word.parse::<DateTime>() {
        return at.to_zoned(TimeZone::fixed(offset(8))).ok().map(|at| at.timestamp());
    }
    now.checked_sub(SignedDuration::try_from(duration(word)?).ok()?).ok()
}

/// A page of transfers, masked.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListView {
    /// The transfers.
    pub items: Vec<TransferView>,
    /// The next page's `cursor`; nothing at the end.
    pub next: Option<String>,
    /// This page is not full, and not the last: it looked as far as what came in (with `sort=updated` changed, with `sort=due` is
    /// due) at this time, and found no more. Go on with `next`.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub searched_to: Option<Timestamp>,
    /// So many transfers of this page are damaged and can't be shown; the gateway's log names each.
    pub unreadable: usize,
}

impl ListView {
    /// Shows a page.
    #[must_use]
    pub fn new(page: &Page, routes: &Routes) -> Self {
        Self {
            items: page.rows.iter().map(|stored| TransferView::new(stored, routes)).collect(),
            next: page.next.map(|cursor| cursor.to_string()),
            searched_to: page.searched_to,
            unreadable: page.unreadable.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_times_days_and_ages() {
        let now: Timestamp = "2026-11-28T04:00:00Z".parse().expect("a time");
        for (word, at) in [
            ("2026-11-01T08:00:00+08:00", "2026-11-01T00:00:00Z"),
            ("2026-11-01", "2026-10-31T16:00:00Z"),
            ("2026-11-01 08:00", "2026-11-01T00:00:00Z"),
            ("3d", "2026-11-25T04:00:00Z"),
            ("90m", "2026-11-28T02:30:00Z"),
        ] {
            assert_eq!(instant(word, now), Some(at.parse().expect("a time")), "{word}");
        }
        for word in ["", "d", "-3d", "yesterday", "2026-13-01", "99999999y", "2026-11-01 25:00"] {
            assert_eq!(instant(word, now), None, "{word}");
        }
    }

    #[test]
    fn words_do_not_print() {
        let words = Words { id_number: Some("11010519491231002X".into()), ..Words::default() };
        assert!(!format!("{words:?}").contains("1101"), "{words:?}");
    }
}
