//! `case.toml`, as it is written.

use jiff::Timestamp;
use jiff::civil::Date;
use league_contract::{
    Call, CallbackVerdict, ProvinceCode, Reply, RequestId, StatusEvent, Transfer, document,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    pub(crate) title: String,
    pub(crate) title_zh: String,
    #[serde(default)]
    pub(crate) codes: Vec<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    pub(crate) now: Timestamp,
    pub(crate) answered_at: Option<Timestamp>,
    pub(crate) nonce: String,
    pub(crate) profile: Option<String>,
    pub(crate) expires: Option<Date>,
    pub(crate) call: Option<CallFile>,
    pub(crate) expect: ExpectFile,
}

#[derive(Deserialize, Serialize)]
#[serde(tag = "operation", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum CallFile {
    CheckOrganization { province_code: ProvinceCode, full_name: String },
    SearchOrganizations { province_code: ProvinceCode, keyword: String, page: u32, size: u32 },
    Submit { transfer: Value },
    Query { request_id: RequestId },
    Withdraw { request_id: RequestId, reason: String },
    ListChanges { after: i64, limit: u32 },
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectFile {
    pub(crate) verdict: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) encode_error: Option<String>,
    pub(crate) replay_key: Option<String>,
    pub(crate) reply: Option<Reply>,
    pub(crate) event: Option<StatusEvent>,
}

impl CallFile {
    /// The call; the error names the key.
    pub(crate) fn read(self) -> Result<Call, String> {
        Ok(match self {
            Self::CheckOrganization { province_code, full_name } => {
                Call::CheckOrganization { province_code, full_name }
            }
            Self::SearchOrganizations { province_code, keyword, page, size } => {
                Call::SearchOrganizations { province_code, keyword, page, size }
            }
            Self::Submit { transfer } => {
                let transfer = document::read_canonical(&transfer).map_err(|problems| {
                    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    format!("transfer: {}", lines.join("; "))
                })?;
                Call::Submit(Box::new(transfer))
            }
            Self::Query { request_id } => Call::Query { request_id },
            Self::Withdraw { request_id, reason } => Call::Withdraw { request_id, reason },
            Self::ListChanges { after, limit } => Call::ListChanges { after, limit },
        })
    }

    /// The call as it is written.
    pub(crate) fn of(call: &Call) -> Self {
        match call.clone() {
            Call::CheckOrganization { province_code, full_name } => {
                Self::CheckOrganization { province_code, full_name }
            }
            Call::SearchOrganizations { province_code, keyword, page, size } => {
                Self::SearchOrganizations { province_code, keyword, page, size }
            }
            Call::Submit(transfer) => Self::Submit { transfer: canonical(&transfer) },
            Call::Query { request_id } => Self::Query { request_id },
            Call::Withdraw { request_id, reason } => Self::Withdraw { request_id, reason },
            Call::ListChanges { after, limit } => Self::ListChanges { after, limit },
        }
    }
}

/// The canonical document; TOML has no null, so what is absent is left out.
fn canonical(transfer: &Transfer) -> Value {
    fn without_null(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let present = fields.into_iter().filter(|(_, value)| !value.is_null());
                Value::Object(present.map(|(key, value)| (key, without_null(value))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value,
        }
    }
    without_null(serde_json::from_str(&document::write(transfer)).unwrap_or_default())
}

const VERDICTS: [(&str, CallbackVerdict); 7] = [
    ("stored", CallbackVerdict::Stored),
    ("unauthenticated", CallbackVerdict::Unauthenticated),
    ("stale", CallbackVerdict::Stale),
    ("replayed", CallbackVerdict::Replayed),
    ("malformed", CallbackVerdict::Malformed),
    ("too_large", CallbackVerdict::TooLarge),
    ("unavailable", CallbackVerdict::Unavailable),
];

pub(crate) fn verdict(word: &str) -> Result<CallbackVerdict, String> {
    let found = VERDICTS.iter().find(|(known, _)| *known == word);
    let known = || VERDICTS.map(|(known, _)| known).join(", ");
    found.map(|(_, verdict)| *verdict).ok_or_else(|| format!("`{word}` is none of {}", known()))
}

/// The word of a verdict.
pub(crate) fn verdict_word(verdict: CallbackVerdict) -> Option<String> {
    let found = VERDICTS.iter().find(|(_, known)| *known == verdict);
    found.map(|(word, _)| (*word).to_owned())
}
