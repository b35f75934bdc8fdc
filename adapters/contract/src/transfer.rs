//! The canonical transfer: one request to move one member to one organization.

use crate::identity::{IdNumber, LeagueNumber, PersonName, PhoneNumber, YearMonth};
use crate::reason::{DetailKind, Reason};
use crate::{ProvinceCode, mask};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;

/// The shortest end of an ID number that says something of it, in characters: 后四位.
const SHORTEST_END: usize = 4;

/// Upstream's key for a transfer, and the idempotency key at every partner: 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// The key of a transfer that nobody sends.
    pub(crate) fn probe() -> Self {
        Self("gateway-probe".to_owned())
    }

    /// Reads a key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let shape = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        shape.then(|| Self(text.to_owned()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for RequestId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("a request_id has 1 to 64 of A-Z a-z 0-9 _ -"))
    }
}

/// Who began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// The member.
    Member,
    /// The branch's account.
    Branch,
}

impl Initiator {
    /// The word in the upstream interface.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Branch => "branch",
        }
    }
}

/// The person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name.
    pub name: PersonName,
    /// ID number.
    pub id_number: IdNumber,
    /// Mobile number.
    pub phone: PhoneNumber,
    /// Month of joining the League.
    pub joined_on: YearMonth,
    /// Member development number; required of those who joined from 2017.
    pub league_number: Option<LeagueNumber>,
    /// GB/T 3304, two digits.
    pub ethnicity: Option<String>,
}

/// Where the member comes from, in the Beijing system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its id there.
    pub organization_id: String,
    /// Its full name.
    pub full_name: String,
}

/// Where the member goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Which province-level unit.
    pub province_code: ProvinceCode,
    /// The organization's full name: the text that was typed, or what the system calls it once it was found.
    pub full_name: String,
}

/// One request to move one member to one organization. Its `Debug` shows persons masked and no details.
#[derive(Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Upstream's key.
    pub request_id: RequestId,
    /// Who began it.
    pub initiator: Initiator,
    /// The person.
    pub member: Member,
    /// From where.
    pub source: Source,
    /// To where.
    pub destination: Destination,
    /// Why.
    pub reason: Reason,
    /// What the reason asks for, by key; checked against the reason's rule. May hold names and phones.
    pub details: BTreeMap<String, String>,
    /// When the application was made. A resend keeps it: it is part of what the partners call the same content.
    pub applied_at: Timestamp,
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transfer")
            .field("request_id", &self.request_id)
            .field("member", &self.member)
            .field("destination", &self.destination)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Transfer {
    /// The text that a profile's `reasonText` carries: the detail `text` of [`Reason::Other`].
    #[must_use]
    pub fn reason_text(&self) -> Option<&str> {
        self.details.get("text").map(String::as_str)
    }

    /// The details in order of their keys, without the one that travels as `reasonText`.
    pub fn form_details(&self) -> impl Iterator<Item = (&str, &str)> {
        self.details
            .iter()
            .filter(|(key, _)| *key != "text")
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Stars out this transfer's persons, and whatever looks like an ID or phone number, in text that somebody else
    /// wrote: partners quote what they refuse.
    #[must_use]
    pub fn redact(&self, foreign: &str) -> String {
        const SEPARATORS: [char; 6] = [' ', '\u{3000}', '-', '－', '—', '.'];
        let mut text = foreign.to_owned();
        let mut hide = |clear: &str, masked: String| {
            if clear.chars().count() >= 2 {
                text = mask::known(&text, clear, &SEPARATORS, &masked);
            }
        };
        hide(self.member.id_number.expose(), self.member.id_number.masked());
        hide(self.member.phone.expose(), self.member.phone.masked());
        hide(self.member.name.expose(), self.member.name.masked());
        for rule in self.reason.rule().details {
            let Some(value) = self.details.get(rule.key) else { continue };
            match rule.kind {
                DetailKind::Name => hide(value, mask::name(value)),
                DetailKind::Phone => hide(value, mask::phone(value)),
                DetailKind::Text(..) | DetailKind::Choice(_) | DetailKind::Flag | DetailKind::Month => {}
            }
        }
        // The last eight are the initial password, and partners speak of the last six or four: no end of it stays.
        let id_number = self.member.id_number.expose();
        for from in 1..=id_number.len().saturating_sub(SHORTEST_END) {
            if let Some(end) = id_number.get(from..) {
                text = mask::known(&text, end, &[], &"*".repeat(end.len()));
            }
        }
        mask::digits(&text)
    }
}

#[cfg(test)]
mod tests {
    use crate::document::read_canonical;
    use serde_json::json;

    #[test]
    fn no_end_of_an_id_number_and_no_spaced_phone_stays() {
        let transfer = read_canonical(&json!({
            "request_id": "R", "initiator": "member",
            "member": {"name": "张三", "id_number": "11010519491231002X", "phone": "13800138000", "joined_on": "2012-05"},
            "source": {"organization_id": "1", "full_name": "来源团支部"},
            "destination": {"province_code": "320000", "full_name": "共青团南京大学委员会"},
            "reason": "other", "details": {"text": "因家庭原因迁往外地居住生活"}, "applied_at": "2024-07-01T09:30:00+08:00"
        }))
        .expect("a transfer");
        for (words, shown) in [
            ("初始密码 1231002X", "初始密码 ********"),
            ("后六位31002x", "后六位******"),
            ("后四位 002X。", "后四位 ****。"),
            ("02X", "02X"),
            ("生日及以后 19491231002X", "生日及以后 ************"),
            ("110105 19491231 002x", "110***************"),
            ("11010519491231002X", "110***************"),
            ("张三 138-0013-8000、138 0013 8000", "张* 138********、138********"),
        ] {
            assert_eq!(transfer.redact(words), shown);
        }
    }
}
