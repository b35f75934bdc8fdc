//! The one list of refusals that people and programs see (RFC 9457 problem codes of the upstream interface).

use crate::Organization;
use serde::{Deserialize, Serialize};

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $zh:literal, $en:literal;)*) => {
        /// Why something is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ProblemCode { $($(#[$doc])* #[serde(rename = $code)] $name,)* }

        impl ProblemCode {
            /// Every code, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as it stands in a problem document.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $code),* } }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 { match self { $(Self::$name => $status),* } }

            /// Its title in Chinese.
            #[must_use]
            pub const fn title_zh(self) -> &'static str { match self { $(Self::$name => $zh),* } }

            /// Its title in English.
            #[must_use]
            pub const fn title_en(self) -> &'static str { match self { $(Self::$name => $en),* } }
        }
    };
}

problem_codes! {
    /// No such province-level unit.
    UnknownProvince = "unknown_province", 422, "未知的省级单位代码", "Unknown province code";
    /// Beijing's own.
    InternalTransfer = "internal_transfer", 422, "应使用系统内部转移", "An internal transfer is not for the gateway";
    /// No committee to send to.
    NoRoute = "no_route", 422, "该地区没有可接收的团组织系统", "No system receives transfers there";
    /// 参军入伍, 涉密单位.
    BranchOnlyOffline = "branch_only_offline", 422, "须由团支部线下办理", "Only a branch may start this, and not online";
    /// GB 11643 does not hold.
    IdNumberInvalid = "id_number_invalid", 422, "身份证号码有误", "The ID number is not valid";
    /// 15 digits, passports, permits.
    IdDocumentNotSupported = "id_document_not_supported", 422, "不支持该证件类型", "This document type is not supported";
    /// The year's rule does not hold.
    LeagueNumberInvalid = "league_number_invalid", 422, "发展团员编号有误", "The member number is not valid";
    /// A field is out of range.
    FieldInvalid = "field_invalid", 422, "字段不符合要求", "A field is not valid";
    /// The reason asks for it.
    DetailMissing = "detail_missing", 422, "缺少转接原因所需的信息", "A detail that the reason asks for is missing";
    /// One open transfer per person.
    OpenTransferExists = "open_transfer_exists", 409, "该团员已有在途转接申请", "The member already has an open transfer";
    /// Same key, other content.
    RequestIdConflict = "request_id_conflict", 409, "同一申请编号的内容不一致", "The same request_id came with other content";
    /// 未查询到该组织.
    OrgNotFound = "org_not_found", 422, "未查询到该组织", "No organization of this name was found";
    /// Several bear the name.
    OrgAmbiguous = "org_ambiguous", 422, "存在多个同名组织", "Several organizations bear this name";
    /// Guangdong, Fujian.
    OrgCheckUnsupported = "org_check_unsupported", 422, "转到广东、福建的申请不可使用此功能", "This system has no full-name check";
    /// The system does not answer now.
    SystemUnavailable = "system_unavailable", 503, "外部系统暂不可用", "The external system is not available";
    /// The transition table says no.
    NotAllowedInState = "not_allowed_in_state", 409, "当前状态不允许此操作", "Not allowed in the current state";
    /// No or unknown token.
    Unauthorized = "unauthorized", 401, "未认证", "Authentication is required";
    /// The token lacks the role.
    Forbidden = "forbidden", 403, "无权限", "The token lacks the role";
    /// Slow down.
    TooManyRequests = "too_many_requests", 429, "请求过于频繁", "Too many requests";
    /// The body is over the limit.
    PayloadTooLarge = "payload_too_large", 413, "请求体过大", "The body is too large";
    /// Not readable at all.
    Malformed = "malformed", 400, "请求格式有误", "The request can't be read";
    /// There is nothing of that name.
    NotFound = "not_found", 404, "未找到", "Not found";
    /// Our own fault; the log has it.
    Internal = "internal", 500, "内部错误", "Internal error";
}

/// One refusal: what is wrong, where, and what to do, in both languages. Never holds a personal value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// Which rule.
    #[schema(value_type = String, example = "org_not_found")]
    pub code: ProblemCode,
    /// The field's path in the document (`member.id_number`), where one is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// A sentence to act on.
    #[serde(rename = "detail")]
    pub zh: String,
    /// The same in English.
    #[serde(rename = "detail_en")]
    pub en: String,
    /// What may have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<Organization>,
}

impl Problem {
    /// A problem of the whole document.
    #[must_use]
    pub fn new(code: ProblemCode, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { code, field: None, zh: zh.into(), en: en.into(), suggestions: Vec::new() }
    }

    /// A problem of one field.
    #[must_use]
    pub fn at(
        code: ProblemCode,
        field: impl Into<String>,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self { field: Some(field.into()), ..Self::new(code, zh, en) }
    }

    /// The sentence of a problem in a language.
    #[must_use]
    pub fn text(&self, chinese: bool) -> &str {
        if chinese { &self.zh } else { &self.en }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{} ({field}): {}", self.code.as_str(), self.en),
            None => write!(f, "{}: {}", self.code.as_str(), self.en),
        }
    }
}
