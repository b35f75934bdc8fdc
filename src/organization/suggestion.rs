//! An organization that may have been meant, and in what its name differs from what was typed.

use league_contract::{Organization, OrganizationKind, ProvinceCode};
use league_directory::name::{self, Difference};
use serde::{Deserialize, Serialize};

/// An organization that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Suggestion {
    /// Which.
    #[serde(flatten)]
    pub organization: Organization,
    /// Where it is, if that is another province than was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub province_code: Option<ProvinceCode>,
    /// Only the way of writing differs: the League's prefix, the ending, numerals of classes and years.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub equivalent: bool,
    /// What differs, from what was typed to its name, in order; nothing where the two are the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Mark>,
}

/// A span of what was typed and of a name, laid side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mark {
    /// The two are the same here.
    Same {
        /// As the organization's name has it.
        text: String,
    },
    /// One stands for the other.
    Replaced {
        /// What was typed.
        typed: String,
        /// What the name has instead.
        meant: String,
    },
    /// The name has this, and it was not typed.
    Missing {
        /// What is missing.
        meant: String,
    },
    /// This was typed, and the name does not have it.
    Extra {
        /// What is too much.
        typed: String,
    },
}

impl From<Difference> for Mark {
    fn from(difference: Difference) -> Self {
        match difference {
            Difference::Same { meant, .. } => Self::Same { text: meant },
            Difference::Replaced { typed, meant } => Self::Replaced { typed, meant },
            Difference::Missing { meant } => Self::Missing { meant },
            Difference::Extra { typed } => Self::Extra { typed },
        }
    }
}

impl Suggestion {
    /// One of a system's own list.
    #[must_use]
    pub fn of_system(typed: &str, organization: Organization) -> Self {
        let differences = marks(name::differences(typed, &organization.full_name));
        let equivalent = name::alike(typed) == name::alike(&organization.full_name);
        Self { organization, province_code: None, equivalent, differences }
    }

    /// One of the local directory, for a name that was looked for in a province.
    #[must_use]
    pub fn of_directory(asked: ProvinceCode, found: league_directory::Suggestion) -> Self {
        let province = ProvinceCode::parse(&found.organization.province);
        Self {
            province_code: province.filter(|province| *province != asked),
            equivalent: found.equivalent,
            differences: marks(found.differences),
            organization: organization(found.organization),
        }
    }
}

/// What differs, or nothing where nothing does.
fn marks(differences: Vec<Difference>) -> Vec<Mark> {
    let differ = differences.iter().any(|one| !matches!(one, Difference::Same { .. }));
    if differ { differences.into_iter().map(Mark::from).collect() } else { Vec::new() }
}

/// An organization of the local directory as a partner's list would show it.
#[must_use]
pub fn organization(found: league_directory::Organization) -> Organization {
    let kind = found.kind.as_deref().and_then(kind);
    Organization { organization_id: found.id, full_name: found.full_name, kind }
}

/// What follows the last `-` of a list's kind is its level: `university-branch`.
fn kind(text: &str) -> Option<OrganizationKind> {
    match text.rsplit('-').next()? {
        "committee" => Some(OrganizationKind::Committee),
        "work_committee" => Some(OrganizationKind::WorkCommittee),
        "general_branch" => Some(OrganizationKind::GeneralBranch),
        "branch" => Some(OrganizationKind::Branch),
        _ => None,
    }
}
