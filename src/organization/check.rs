//! 查询组织全称是否存在: whether an organization of exactly this full name exists, and which were meant if not.

use super::directory::{LocalDirectory, imported_at};
use super::suggestion::Suggestion;
use crate::clock::Clock;
use crate::partner::{Exchange, Outcome, Partner};
use jiff::{SignedDuration, Timestamp};
use league_contract::{
    Answer, Call, EncodeError, OrganizationCheck, ProblemCode, ProvinceCode, Refusal, Reply, System,
};
use league_directory::{Directory, Found};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// How long a system's answer is believed.
const CACHE_FOR: SignedDuration = SignedDuration::from_secs(60);
/// The most answers that are remembered.
const CACHE_SIZE: usize = 10_000;
/// How many look into the local directory at a time.
const LOOKS: usize = 4;

/// The five results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// 组织存在
    Exists,
    /// 未查询到该组织
    NotFound,
    /// Several bear the name.
    Ambiguous,
    /// The system has no such check.
    Unsupported,
    /// The system does not answer now. Never shown as 未查询到该组织.
    Unavailable,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Asked just now.
    System,
    /// Asked within the last minute.
    Cache,
    /// The local directory.
    Directory,
}

/// An answer for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckAnswer {
    /// Which of the five.
    pub result: Finding,
    /// For people.
    pub message: String,
    /// For people.
    pub message_en: String,
    /// The system's id of it.
    pub organization_id: Option<String>,
    /// What the system calls it.
    pub full_name: Option<String>,
    /// Which may have been meant.
    pub suggestions: Vec<Suggestion>,
    /// Where the answer comes from.
    pub source: Source,
    /// When it was true: when the system said it, or when the directory's list was imported.
    pub as_of: Timestamp,
    /// When the directory's list was imported that the suggestions come from; nothing where the system's own search found them.
    pub suggestions_as_of: Option<Timestamp>,
}

/// Answers about organizations: what the systems say, and beside it what the local directory knows. Cheap to clone.
#[derive(Clone)]
pub struct Organizations {
    /// The local directory.
    pub directory: Arc<LocalDirectory>,
    pub(super) clock: Clock,
    cache: Arc<CheckCache>,
    looks: Arc<Semaphore>,
}

/// Remembers systems' answers for a short while.
#[derive(Debug, Default)]
struct CheckCache(Mutex<BTreeMap<Question, CheckAnswer>>);

/// Whom, where, and which name as typed.
type Question = (System, ProvinceCode, String);

impl CheckAnswer {
    fn new(result: Finding, system: &Partner, as_of: Timestamp) -> Self {
        let (message, message_en) = result.words(system);
        Self {
            result,
            message,
            message_en,
            organization_id: None,
            full_name: None,
            suggestions: Vec::new(),
            source: Source::System,
            as_of,
            suggestions_as_of: None,
        }
    }
}

impl Finding {
    /// What people are told.
    fn words(self, system: &Partner) -> (String, String) {
        let of = |code: ProblemCode| (code.title_zh().to_owned(), code.title_en().to_owned());
        match self {
            Self::Exists => ("组织存在".to_owned(), "The organization exists".to_owned()),
            Self::NotFound => of(ProblemCode::OrgNotFound),
            Self::Ambiguous => of(ProblemCode::OrgAmbiguous),
            Self::Unsupported => of(ProblemCode::OrgCheckUnsupported),
            Self::Unavailable => (
                format!("{}暂时无法查询，请稍后再试", system.registration.name_zh),
                format!("{} can't be asked now: try again later", system.registration.name_en),
            ),
        }
    }
}

impl Organizations {
    /// Over a local directory, which may hold nothing.
    #[must_use]
    pub fn new(directory: LocalDirectory, clock: Clock) -> Self {
        Self {
            directory: Arc::new(directory),
            clock,
            cache: Arc::default(),
            looks: Arc::new(Semaphore::new(LOOKS)),
        }
    }

    /// For delivery: the system's word, and which may have been meant where it is a no. A name that the profile can't carry is
    /// not checked, and the submit that follows says what is wrong with it. The exchanges come along, for the record.
    pub async fn check(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) -> (CheckAnswer, Vec<Exchange>) {
        let asked = self.systems_word(partner, province, name).await;
        let Ok((mut answer, exchanges)) = asked else {
            return (CheckAnswer::new(Finding::Unsupported, partner, self.clock.now()), Vec::new());
        };
        if matches!(answer.result, Finding::NotFound | Finding::Ambiguous) {
            self.add_suggestions(&mut answer, partner, province, name).await;
        }
        (answer, exchanges)
    }

    /// For people: the system's word, believed for a minute, and beside it what the local directory knows. While the system is
    /// silent, the directory's yes is told, with its age; its no never is.
    ///
    /// # Errors
    /// [`EncodeError`] where the profile can't carry the name.
    pub async fn ask(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) -> Result<CheckAnswer, EncodeError> {
        let key = (partner.system.clone(), province, name.to_owned());
        if let Some(mut known) = self.cache.believed(&key, self.clock.now()) {
            known.source = Source::Cache;
            // The directory may be another one by now.
            if known.result != Finding::Exists && self.holds(province) {
                self.add_suggestions(&mut known, partner, province, name).await;
            }
            return Ok(known);
        }
        let (mut answer, _) = self.systems_word(partner, province, name).await?;
        match answer.result {
            Finding::Exists => {}
            Finding::NotFound | Finding::Ambiguous => {
                self.add_suggestions(&mut answer, partner, province, name).await;
            }
            // Nobody was asked.
            Finding::Unsupported => {
                self.add_suggestions(&mut answer, partner, province, name).await;
                if let Some(imported_at) = answer.suggestions_as_of {
                    (answer.source, answer.as_of) = (Source::Directory, imported_at);
                }
                return Ok(answer);
            }
            Finding::Unavailable => {
                match self.directorys_word(partner, province, name) {
                    Some(word) if word.result == Finding::Exists => return Ok(word),
                    Some(_) => self.add_suggestions(&mut answer, partner, province, name).await,
                    None => {}
                }
                return Ok(answer);
            }
        }
        self.cache.remember(key, &answer, self.clock.now());
        Ok(answer)
    }

    /// The system's own answer. A name that it does not know, and the directory knows in another spelling, is asked for once
    /// more as it is written there: systems compare character by character.
    async fn systems_word(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) -> Result<(CheckAnswer, Vec<Exchange>), EncodeError> {
        if !partner.checks_names() {
            return Ok((CheckAnswer::new(Finding::Unsupported, partner, self.clock.now()), Vec::new()));
        }
        let (answer, exchange) = self.ask_system(partner, province, name).await?;
        let mut exchanges = vec![exchange];
        if answer.result != Finding::NotFound {
            return Ok((answer, exchanges));
        }
        let Some(spelling) = self.spelling(province, name).filter(|spelling| spelling != name) else {
            return Ok((answer, exchanges));
        };
        // One that the profile can't carry is no other name to ask for.
        let Ok((mut second, exchange)) = self.ask_system(partner, province, &spelling).await else {
            return Ok((answer, exchanges));
        };
        exchanges.push(exchange);
        match second.result {
            // Unanswered, it is still the likelier name: the other one is denied.
            Finding::Exists | Finding::Unavailable => {
                second.full_name.get_or_insert(spelling);
                Ok((second, exchanges))
            }
            Finding::Ambiguous => Ok((second, exchanges)),
            Finding::NotFound | Finding::Unsupported => Ok((answer, exchanges)),
        }
    }

    async fn ask_system(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) -> Result<(CheckAnswer, Exchange), EncodeError> {
        let call = Call::CheckOrganization { province_code: province, full_name: name.to_owned() };
        let exchange = partner.ask(call, &self.clock).await?;
        let answer = |result| CheckAnswer::new(result, partner, exchange.finished_at);
        let answer = match &exchange.outcome {
            Outcome::Reply(Reply::Answered(Answer::Organization(OrganizationCheck::Exists {
                organization_id,
                full_name,
            }))) => CheckAnswer {
                organization_id: Some(organization_id.clone()),
                full_name: full_name.clone(),
                ..answer(Finding::Exists)
            },
            Outcome::Reply(Reply::Answered(Answer::Organization(OrganizationCheck::NotFound)))
            | Outcome::Reply(Reply::Refused { why: Refusal::OrganizationNotFound, .. }) => {
                answer(Finding::NotFound)
            }
            Outcome::Reply(Reply::Answered(Answer::Organization(OrganizationCheck::Ambiguous))) => {
                answer(Finding::Ambiguous)
            }
            Outcome::Reply(_) | Outcome::NotSent(_) | Outcome::NoAnswer(_) => answer(Finding::Unavailable),
        };
        Ok((answer, exchange))
    }

    /// What the local directory alone says, with suggestions; `None` where it holds nothing for the province.
    pub async fn check_locally(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) -> Option<CheckAnswer> {
        let mut answer = self.directorys_word(partner, province, name)?;
        if answer.result != Finding::Exists {
            self.add_suggestions(&mut answer, partner, province, name).await;
        }
        Some(answer)
    }

    /// The local directory's own answer.
    fn directorys_word(&self, partner: &Partner, province: ProvinceCode, name: &str) -> Option<CheckAnswer> {
        let (directory, imported_at) = self.local(province)?;
        let answer = |result| CheckAnswer {
            source: Source::Directory,
            ..CheckAnswer::new(result, partner, imported_at)
        };
        Some(match directory.check(province.as_str(), name) {
            Found::One(found) => CheckAnswer {
                organization_id: Some(found.id),
                full_name: Some(found.full_name),
                ..answer(Finding::Exists)
            },
            Found::None => answer(Finding::NotFound),
            Found::Several(_) => answer(Finding::Ambiguous),
        })
    }

    async fn add_suggestions(
        &self,
        answer: &mut CheckAnswer,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) {
        let (suggestions, as_of) = self.suggest(partner, province, name).await;
        answer.suggestions = suggestions;
        answer.suggestions_as_of = as_of;
    }

    /// How the local directory writes a name, where it has exactly one bearer.
    #[must_use]
    pub fn spelling(&self, province: ProvinceCode, name: &str) -> Option<String> {
        match self.local(province)?.0.check(province.as_str(), name) {
            Found::One(found) => Some(found.full_name),
            Found::None | Found::Several(_) => None,
        }
    }

    /// What the local directory holds against a name: `[zh, en]`; nothing where it has one bearer, or no list of the province.
    #[must_use]
    pub fn doubt(&self, province: ProvinceCode, name: &str) -> Option<[String; 2]> {
        let (zh, en) = match self.local(province)?.0.check(province.as_str(), name) {
            Found::One(_) => return None,
            Found::None => (
                "本地组织名录中没有此全称，请核对（名录可能不是最新）",
                "the local directory has no organization of this full name: please check (it may be out of date)",
            ),
            Found::Several(_) => (
                "本地组织名录中有多个组织使用此全称，请核对",
                "several organizations of the local directory bear this full name: please check",
            ),
        };
        Some([zh.to_owned(), en.to_owned()])
    }

    /// Whether the local directory holds the province's list.
    #[must_use]
    pub fn holds(&self, province: ProvinceCode) -> bool {
        self.local(province).is_some()
    }

    /// The local directory, if it holds the province's list, and when that was imported.
    pub(super) fn local(&self, province: ProvinceCode) -> Option<(Arc<Directory>, Timestamp)> {
        let directory = self.directory.current()?;
        let milliseconds = directory.imported_at(province.as_str())?;
        Some((directory, imported_at(milliseconds)))
    }

    /// Works in the local directory beside the runtime: the file's pages may have to come from the disk first. A few at a
    /// time, however many ask: partners' calls need those threads, too.
    pub(super) async fn locally<T: Send + 'static>(
        &self,
        province: ProvinceCode,
        work: impl FnOnce(&Directory) -> T + Send + 'static,
    ) -> Option<(T, Timestamp)> {
        let (directory, imported_at) = self.local(province)?;
        let turn = self.looks.clone().acquire_owned().await.ok()?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&directory);
            drop(turn);
            done
        });
        let done = done.await.inspect_err(
            |error| tracing::error!(%error, "a look into the directory of organizations failed"),
        );
        Some((done.ok()?, imported_at))
    }
}

impl CheckCache {
    fn believed(&self, key: &Question, now: Timestamp) -> Option<CheckAnswer> {
        let known = self.0.lock().ok()?;
        known.get(key).filter(|answer| fresh(answer, now)).cloned()
    }

    fn remember(&self, key: Question, answer: &CheckAnswer, now: Timestamp) {
        let Ok(mut known) = self.0.lock() else { return };
        if known.len() >= CACHE_SIZE {
            known.retain(|_, answer| fresh(answer, now));
        }
        if known.len() < CACHE_SIZE {
            known.insert(key, answer.clone());
        }
    }
}

fn fresh(answer: &CheckAnswer, now: Timestamp) -> bool {
    now.duration_since(answer.as_of) < CACHE_FOR
}
