//! Organizations as partners name them.

use serde::{Deserialize, Serialize};

/// What kind of organization it is, where a partner says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationKind {
    /// 委员会
    Committee,
    /// 工作委员会
    WorkCommittee,
    /// 总支部委员会
    GeneralBranch,
    /// 支部委员会
    Branch,
}

impl OrganizationKind {
    /// Its name in Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Committee => "委员会",
            Self::WorkCommittee => "工作委员会",
            Self::GeneralBranch => "总支部委员会",
            Self::Branch => "支部委员会",
        }
    }

    /// Its name in English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            Self::Committee => "committee",
            Self::WorkCommittee => "work committee",
            Self::GeneralBranch => "general branch",
            Self::Branch => "branch",
        }
    }

    /// Reads the word that all three profiles use (`WORK_COMMITTEE`); another word is `None`, no error.
    #[must_use]
    pub fn from_wire(word: &str) -> Option<Self> {
        match word {
            "COMMITTEE" => Some(Self::Committee),
            "WORK_COMMITTEE" => Some(Self::WorkCommittee),
            "GENERAL_BRANCH" => Some(Self::GeneralBranch),
            "BRANCH" => Some(Self::Branch),
            _ => None,
        }
    }
}

/// One organization of a partner's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Organization {
    /// The partner's own id.
    pub organization_id: String,
    /// The full name as the partner writes it.
    pub full_name: String,
    /// Its kind, where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<OrganizationKind>,
}

/// A page of a partner's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationPage {
    /// How many there are in all.
    pub total: u64,
    /// This page's.
    pub items: Vec<Organization>,
}

/// A partner's answer to 查询组织全称是否存在.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum OrganizationCheck {
    /// One organization bears the name; `full_name` is what the partner calls it.
    Exists {
        /// The partner's id.
        organization_id: String,
        /// The partner's own spelling, where it gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        full_name: Option<String>,
    },
    /// None bears it.
    NotFound,
    /// Several bear it: `exists` without an id.
    Ambiguous,
}
