//! 查询组织全称是否存在: whether an organization of exactly this full name exists, and which were meant if not.

use super::normalize;
use crate::clock::Clock;
use crate::partner::{Exchange, Outcome, Partner};
use jiff::{SignedDuration, Timestamp};
use league_contract::{
    Answer, Call, EncodeError, Organization, OrganizationCheck, OrganizationPage, ProblemCode, ProvinceCode,
    Refusal, Reply, System,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// How long a system's answer is believed.
const CACHE_FOR: SignedDuration = SignedDuration::from_secs(60);
/// The most answers that are remembered.
const CACHE_SIZE: usize = 10_000;
/// How many suggestions are looked for.
const SUGGESTIONS: u32 = 5;

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
    pub suggestions: Vec<Organization>,
    /// Where the answer comes from.
    pub source: Source,
}

/// Remembers systems' answers for a short while.
#[derive(Debug, Default)]
pub struct CheckCache(Mutex<BTreeMap<Question, (Timestamp, CheckAnswer)>>);

/// Whom, where, and which name as typed.
type Question = (System, ProvinceCode, String);

impl CheckAnswer {
    fn new(result: Finding, system: &Partner) -> Self {
        let of = |code: ProblemCode| (code.title_zh().to_owned(), code.title_en().to_owned());
        let (message, message_en) = match result {
            Finding::Exists => ("组织存在".to_owned(), "The organization exists".to_owned()),
            Finding::NotFound => of(ProblemCode::OrgNotFound),
            Finding::Ambiguous => of(ProblemCode::OrgAmbiguous),
            Finding::Unsupported => of(ProblemCode::OrgCheckUnsupported),
            Finding::Unavailable => (
                format!("{}暂时无法查询，请稍后再试", system.registration.name_zh),
                format!("{} can't be asked now: try again later", system.registration.name_en),
            ),
        };
        Self {
            result,
            message,
            message_en,
            organization_id: None,
            full_name: None,
            suggestions: Vec::new(),
            source: Source::System,
        }
    }
}

/// Like [`ask`], for delivery: a name that the profile can't carry is not checked, and the submit that follows says
/// what is wrong with it.
pub async fn check(
    partner: &Partner,
    clock: &Clock,
    province: ProvinceCode,
    name: &str,
) -> (CheckAnswer, Option<Exchange>) {
    let asked = ask(partner, clock, province, name).await;
    asked.unwrap_or_else(|_| (CheckAnswer::new(Finding::Unsupported, partner), None))
}

/// Asks a system whether an organization of this full name exists. The exchange comes along, for the record.
///
/// # Errors
/// [`EncodeError`] where the profile can't carry the name.
pub async fn ask(
    partner: &Partner,
    clock: &Clock,
    province: ProvinceCode,
    name: &str,
) -> Result<(CheckAnswer, Option<Exchange>), EncodeError> {
    if !partner.adapter.capabilities().organization_check {
        let mut answer = CheckAnswer::new(Finding::Unsupported, partner);
        answer.suggestions = suggest(partner, clock, province, name).await;
        return Ok((answer, None));
    }
    let call = Call::CheckOrganization { province_code: province, full_name: name.to_owned() };
    let exchange = partner.ask(call, clock).await?;
    let mut answer = match &exchange.outcome {
        Outcome::Reply(Reply::Answered(Answer::Organization(OrganizationCheck::Exists {
            organization_id,
            full_name,
        }))) => CheckAnswer {
            organization_id: Some(organization_id.clone()),
            full_name: full_name.clone(),
            ..CheckAnswer::new(Finding::Exists, partner)
        },
        Outcome::Reply(Reply::Answered(Answer::Organization(OrganizationCheck::NotFound)))
        | Outcome::Reply(Reply::Refused { why: Refusal::OrganizationNotFound, .. }) => {
            CheckAnswer::new(Finding::NotFound, partner)
        }
        Outcome::Reply(Reply::Answered(Answer::Organization(OrganizationCheck::Ambiguous))) => {
            CheckAnswer::new(Finding::Ambiguous, partner)
        }
        Outcome::Reply(_) | Outcome::NotSent(_) | Outcome::NoAnswer(_) => {
            CheckAnswer::new(Finding::Unavailable, partner)
        }
    };
    if matches!(answer.result, Finding::NotFound | Finding::Ambiguous) {
        answer.suggestions = suggest(partner, clock, province, name).await;
    }
    Ok((answer, Some(exchange)))
}

/// Like [`ask`], but believes an answer of the last minute.
///
/// # Errors
/// As [`ask`].
pub async fn check_cached(
    cache: &CheckCache,
    partner: &Partner,
    clock: &Clock,
    province: ProvinceCode,
    name: &str,
) -> Result<CheckAnswer, EncodeError> {
    let key = (partner.system.clone(), province, name.to_owned());
    let now = clock.now();
    if let Ok(known) = cache.0.lock()
        && let Some((at, answer)) = known.get(&key)
        && now.duration_since(*at) < CACHE_FOR
    {
        return Ok(CheckAnswer { source: Source::Cache, ..answer.clone() });
    }
    let (answer, _) = ask(partner, clock, province, name).await?;
    if !matches!(answer.result, Finding::Unavailable)
        && let Ok(mut known) = cache.0.lock()
    {
        known.retain(|_, (at, _)| now.duration_since(*at) < CACHE_FOR);
        if known.len() < CACHE_SIZE {
            known.insert(key, (now, answer.clone()));
        }
    }
    Ok(answer)
}

/// Searches a system's list; `None` where the system does not answer.
///
/// # Errors
/// [`EncodeError`] where the profile can't carry the words.
pub async fn search(
    partner: &Partner,
    clock: &Clock,
    province: ProvinceCode,
    words: &str,
    limit: u32,
) -> Result<Option<OrganizationPage>, EncodeError> {
    let capabilities = partner.adapter.capabilities();
    let size = limit.clamp(1, capabilities.search_page_limit);
    let call =
        Call::SearchOrganizations { province_code: province, keyword: words.to_owned(), page: 1, size };
    Ok(match partner.ask(call, clock).await?.outcome {
        Outcome::Reply(Reply::Answered(Answer::Organizations(page))) => Some(page),
        Outcome::Reply(_) | Outcome::NotSent(_) | Outcome::NoAnswer(_) => None,
    })
}

/// The nearest names that the system's own search finds by parts of a name: the middle first, since prefixes and
/// suffixes are what everybody shares.
pub async fn suggest(
    partner: &Partner,
    clock: &Clock,
    province: ProvinceCode,
    name: &str,
) -> Vec<Organization> {
    let core = core_of(name);
    let characters: Vec<char> = core.chars().collect();
    let half = characters.len().div_ceil(2).max(2).min(characters.len());
    let head: String = characters[..half].iter().collect();
    let tail: String = characters[characters.len() - half..].iter().collect();
    let mut found: Vec<Organization> = Vec::new();
    for words in [core.as_str(), head.as_str(), tail.as_str()] {
        if words.chars().count() < 2 || found.len() >= SUGGESTIONS as usize {
            continue;
        }
        let Ok(Some(page)) = search(partner, clock, province, words, 20).await else { break };
        for organization in page.items {
            if !found.iter().any(|known| known.organization_id == organization.organization_id) {
                found.push(organization);
            }
        }
    }
    let wanted = normalize::key(name);
    let distance =
        |organization: &Organization| strsim::levenshtein(&normalize::key(&organization.full_name), &wanted);
    found.sort_by_cached_key(distance);
    found.truncate(SUGGESTIONS as usize);
    found
}

/// A name without the League's prefix and the usual endings.
fn core_of(name: &str) -> String {
    let key = normalize::key(name);
    let endings =
        ["总支部委员会", "工作委员会", "支部委员会", "委员会", "团总支", "团支部", "团工委", "团委", "支部"];
    endings
        .iter()
        .find_map(|ending| key.strip_suffix(ending))
        .filter(|core| core.chars().count() >= 2)
        .unwrap_or(&key)
        .to_owned()
}
