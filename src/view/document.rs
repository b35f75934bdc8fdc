//! What upstream writes, as the description of the interface has it; and a document as a role that may sees it, whole.
//! The rules that a schema can't say (checksums, the year's rule of a number, what a reason asks for) are `intake`'s.

use league_contract::identity::LeagueNumber;
use league_contract::{Transfer, document};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A request to move one member to one organization.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferDocument {
    /// Upstream's key for it: 1 to 64 letters, digits, `_` or `-`. Sent again with the same content it is the same transfer.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$", example = "BJ-2024-000001")]
    pub request_id: String,
    /// `member`, or `branch`.
    #[schema(pattern = "^(member|branch)$", example = "member")]
    pub initiator: String,
    /// The person.
    pub member: MemberDocument,
    /// From where.
    pub source: SourceDocument,
    /// To where.
    pub destination: DestinationDocument,
    /// `education`, `employment`, `work_transfer`, `abroad`, `residence` or `other`.
    #[schema(
        pattern = "^(education|employment|work_transfer|abroad|residence|other)$",
        example = "education"
    )]
    pub reason: String,
    /// What the reason asks for, and nothing else: texts, a flag for `employer_has_organization`.
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>,
        example = json!({"school_name": "南京大学", "school_address": "南京市栖霞区仙林大道163号", "stage": "graduate"}))]
    pub details: BTreeMap<String, String>,
    /// When the member applied (RFC 3339).
    #[schema(format = DateTime, example = "2024-07-01T09:30:00+08:00")]
    pub applied_at: String,
}

/// The person of a document.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberDocument {
    /// 1 to 50 visible characters.
    #[schema(min_length = 1, example = "张三")]
    pub name: String,
    /// The 18 characters of GB 11643; the checksum must hold.
    #[schema(example = "11010519491231002X")]
    pub id_number: String,
    /// A mainland mobile number: 11 digits.
    #[schema(example = "13800138000")]
    pub phone: String,
    /// The month of joining the League: `YYYY-MM`.
    #[schema(example = "2018-05")]
    pub joined_on: String,
    /// The member development number; required of those who joined from 2017.
    #[schema(example = "201811000001")]
    pub league_number: Option<String>,
    /// Two digits of GB/T 3304.
    #[schema(example = "01")]
    pub ethnicity: Option<String>,
}

/// From where.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceDocument {
    /// Its id in the Beijing system.
    #[schema(min_length = 1, example = "3421569")]
    pub organization_id: String,
    /// Its full name.
    #[schema(min_length = 2, example = "中国共产主义青年团北京信息科技大学出国(境)学习研究团员团支部")]
    pub full_name: String,
}

/// To where.
#[derive(Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationDocument {
    /// Its province-level unit: six digits, the first two, or the name. `/v1/routes` has them all.
    #[schema(example = "320000")]
    pub province_code: String,
    /// The receiving organization's full name, 2 to 200 characters.
    #[schema(min_length = 2, example = "共青团南京大学委员会")]
    pub full_name: String,
}

/// What of a returned transfer is mended. Objects are merged field by field; `details` of another reason are replaced.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Amendment)]
pub struct AmendmentDocument {
    /// Any of the destination's fields.
    #[schema(required = false, value_type = Object)]
    pub destination: (),
    /// Another reason.
    #[schema(required = false, value_type = String)]
    pub reason: (),
    /// Details of the reason.
    #[schema(required = false, value_type = Object)]
    pub details: (),
    /// Any of the member's fields.
    #[schema(required = false, value_type = Object)]
    pub member: (),
}

/// A sentence that is kept: 1 to 200 printable characters, not only blanks. It should name nobody.
#[derive(ToSchema)]
#[schema(
    max_length = 200,
    example = "按规定处理",
    pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF]*[^\\s\\u0000-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF][^\\u0000-\\u001F\\u007F-\\u009F\\u2028-\\u202E\\u2066-\\u2069\\uFFFE\\uFFFF]*$"
)]
pub struct Sentence(pub String);

/// Why something is done.
#[derive(ToSchema)]
#[schema(as = Reason)]
pub struct ReasonBody {
    /// It stands in the audit log or in the timeline.
    pub reason: Sentence,
}

impl From<&Transfer> for TransferDocument {
    fn from(transfer: &Transfer) -> Self {
        let Transfer { request_id, initiator, member, source, destination, reason, details, applied_at } =
            transfer;
        Self {
            request_id: request_id.to_string(),
            initiator: initiator.word().to_owned(),
            member: MemberDocument {
                name: member.name.expose().to_owned(),
                id_number: member.id_number.expose().to_owned(),
                phone: member.phone.expose().to_owned(),
                joined_on: member.joined_on.to_string(),
                league_number: member
                    .league_number
                    .as_ref()
                    .map(|number| LeagueNumber::expose(number).to_owned()),
                ethnicity: member.ethnicity.clone(),
            },
            source: SourceDocument {
                organization_id: source.organization_id.clone(),
                full_name: source.full_name.clone(),
            },
            destination: DestinationDocument {
                province_code: destination.province_code.to_string(),
                full_name: destination.full_name.clone(),
            },
            reason: reason.word().to_owned(),
            details: details.clone(),
            applied_at: applied_at.to_string(),
        }
    }
}

impl std::fmt::Debug for TransferDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the document of {}", document::shown_key(&self.request_id))
    }
}
