//! Searching lists as people type, and finding what a name that does not exist was meant to be.

use super::check::{Organizations, Source};
use super::suggestion::{Suggestion, organization};
use crate::partner::{Outcome, Partner};
use jiff::Timestamp;
use league_contract::{Answer, Call, EncodeError, Organization, ProvinceCode, Reply};
use league_directory::{Directory, Page, name};

/// How many suggestions are looked for.
const SUGGESTIONS: usize = 5;

/// What a search has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchAnswer {
    /// How many there are in all.
    pub total: u64,
    /// Those that were asked for.
    pub items: Vec<Organization>,
    /// Where the answer comes from.
    pub source: Source,
    /// When it was true.
    pub as_of: Timestamp,
}

impl Organizations {
    /// Searches the local directory, or where it holds nothing for the province, the system's list; `None` where the
    /// system does not answer.
    ///
    /// # Errors
    /// [`EncodeError`] where the profile can't carry the words.
    pub async fn search(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        words: &str,
        page: Page,
    ) -> Result<Option<SearchAnswer>, EncodeError> {
        let asked = words.to_owned();
        let found = self
            .locally(province, move |directory| directory.search(Some(province.as_str()), &asked, page))
            .await;
        if let Some((hits, as_of)) = found {
            let items = hits.items.into_iter().map(organization).collect();
            return Ok(Some(SearchAnswer { total: hits.total, items, source: Source::Directory, as_of }));
        }
        self.search_system(partner, province, words, page).await
    }

    /// Searches a system's list, which has pages of one size.
    async fn search_system(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        words: &str,
        page: Page,
    ) -> Result<Option<SearchAnswer>, EncodeError> {
        let capabilities = partner.capabilities();
        let size = page.limit.clamp(1, u64::from(capabilities.search_page_limit));
        let call = Call::SearchOrganizations {
            province_code: province,
            keyword: words.to_owned(),
            page: u32::try_from(page.offset / size + 1).unwrap_or(u32::MAX),
            size: u32::try_from(size).unwrap_or(u32::MAX),
        };
        let exchange = partner.ask(call, &self.clock).await?;
        Ok(match exchange.outcome {
            Outcome::Reply(Reply::Answered(Answer::Organizations(found))) => Some(SearchAnswer {
                total: found.total,
                items: found
                    .items
                    .into_iter()
                    .skip(usize::try_from(page.offset % size).unwrap_or(usize::MAX))
                    .collect(),
                source: Source::System,
                as_of: exchange.finished_at,
            }),
            Outcome::Reply(_) | Outcome::NotSent(_) | Outcome::NoAnswer(_) => None,
        })
    }

    /// Which may have been meant: the local directory's, with when its list was imported; or where it holds nothing for the
    /// province, what the system's own search finds.
    pub async fn suggest(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) -> (Vec<Suggestion>, Option<Timestamp>) {
        let asked = name.to_owned();
        let look = move |directory: &Directory| directory.suggest(province.as_str(), &asked, SUGGESTIONS);
        match self.locally(province, look).await {
            Some((found, imported_at)) => {
                let one = |found| Suggestion::of_directory(province, found);
                (found.into_iter().map(one).collect(), Some(imported_at))
            }
            None => (self.suggest_by_search(partner, province, name).await, None),
        }
    }

    /// The nearest names that the system's own search finds by parts of a name: the middle first, since prefixes and
    /// suffixes are what everybody shares.
    async fn suggest_by_search(
        &self,
        partner: &Partner,
        province: ProvinceCode,
        name: &str,
    ) -> Vec<Suggestion> {
        let core = core(name);
        let characters: Vec<char> = core.chars().collect();
        let half = characters.len().div_ceil(2).max(2).min(characters.len());
        let head: String = characters[..half].iter().collect();
        let tail: String = characters[characters.len() - half..].iter().collect();
        let mut found: Vec<Organization> = Vec::new();
        for words in [core.as_str(), head.as_str(), tail.as_str()] {
            if words.chars().count() < 2 || found.len() >= SUGGESTIONS {
                continue;
            }
            let page = Page { offset: 0, limit: 20 };
            let Ok(Some(page)) = self.search_system(partner, province, words, page).await else { break };
            for organization in page.items {
                if !found.iter().any(|known| known.organization_id == organization.organization_id) {
                    found.push(organization);
                }
            }
        }
        let wanted = name::key(name);
        let distance =
            |organization: &Organization| strsim::levenshtein(&name::key(&organization.full_name), &wanted);
        found.sort_by_cached_key(distance);
        found.truncate(SUGGESTIONS);
        found.into_iter().map(|one| Suggestion::of_system(name, one)).collect()
    }
}

/// A name without the League's prefix and the usual endings, which everybody shares.
fn core(full_name: &str) -> String {
    let key = name::key(full_name);
    let key = key.strip_prefix("共青团").unwrap_or(&key);
    let endings =
        ["总支部委员会", "工作委员会", "支部委员会", "委员会", "团总支", "团支部", "团工委", "团委", "支部"];
    endings
        .iter()
        .find_map(|ending| key.strip_suffix(ending))
        .filter(|core| core.chars().count() >= 2)
        .unwrap_or(key)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_shares_is_not_searched_for() {
        assert_eq!(core("中国共产主义青年团南京大学医学院支部委员会"), "南京大学医学院");
        assert_eq!(core("共青团团委"), "团委");
    }
}
