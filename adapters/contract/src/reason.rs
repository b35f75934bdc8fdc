//! Why a member goes elsewhere, and what each reason must bring. The table is data; nothing branches on a reason.

use crate::identity::{PersonName, PhoneNumber, YearMonth};
use crate::text;
use std::fmt;

/// A reason for a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// 升学
    Education,
    /// 已落实工作单位
    Employment,
    /// 工作调动
    WorkTransfer,
    /// 出国(境)
    Abroad,
    /// 居住地或户籍地
    Residence,
    /// 其他
    Other,
}

/// What a detail's value must be. All travel as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailKind {
    /// Text of so many characters.
    Text(usize, usize),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`, as a JSON boolean or as text.
    Flag,
    /// `YYYY-MM`.
    Month,
    /// A person's name.
    Name,
    /// A phone number.
    Phone,
}

/// One required detail.
#[derive(Debug, Clone, Copy)]
pub struct DetailRule {
    /// Its key.
    pub key: &'static str,
    /// What it must be.
    pub kind: DetailKind,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct ReasonRule {
    /// The reason.
    pub reason: Reason,
    /// Its word in the upstream interface.
    pub word: &'static str,
    /// Its Chinese name.
    pub zh: &'static str,
    /// All of these are required, and no other is known.
    pub details: &'static [DetailRule],
}

/// The longest text of a detail: the national profile's `reasonText` has 200.
pub const DETAIL_LIMIT: usize = 200;

const fn detail(key: &'static str, kind: DetailKind) -> DetailRule {
    DetailRule { key, kind }
}
const TEXT: DetailKind = DetailKind::Text(1, DETAIL_LIMIT);

/// The table of reasons (provinces-and-reasons, "Reasons and what each must bring").
pub const REASONS: [ReasonRule; 6] = [
    ReasonRule {
        reason: Reason::Education,
        word: "education",
        zh: "升学",
        details: &[
            detail("school_name", TEXT),
            detail("school_address", TEXT),
            detail(
                "stage",
                DetailKind::Choice(&["senior_high", "vocational", "junior_college", "bachelor", "graduate"]),
            ),
        ],
    },
    ReasonRule {
        reason: Reason::Employment,
        word: "employment",
        zh: "已落实工作单位",
        details: &[
            detail("employer_name", TEXT),
            detail("employer_address", TEXT),
            detail("employer_has_organization", DetailKind::Flag),
        ],
    },
    ReasonRule {
        reason: Reason::WorkTransfer,
        word: "work_transfer",
        zh: "工作调动",
        details: &[detail("employer_name", TEXT), detail("employer_address", TEXT)],
    },
    ReasonRule {
        reason: Reason::Abroad,
        word: "abroad",
        zh: "出国(境)",
        details: &[
            detail("country", TEXT),
            detail("purpose", DetailKind::Choice(&["official", "study", "private"])),
            detail("until", DetailKind::Month),
            detail("contact_name", DetailKind::Name),
            detail("contact_phone", DetailKind::Phone),
        ],
    },
    ReasonRule {
        reason: Reason::Residence,
        word: "residence",
        zh: "居住地或户籍地",
        details: &[detail("address", TEXT), detail("basis", DetailKind::Choice(&["residence", "household"]))],
    },
    ReasonRule {
        reason: Reason::Other,
        word: "other",
        zh: "其他",
        details: &[detail("text", DetailKind::Text(10, DETAIL_LIMIT))],
    },
];

/// Known words that never leave through the gateway: only a branch account may start them, and not online.
pub const BRANCH_ONLY: [(&str, &str); 2] = [("enlistment", "参军入伍"), ("classified_unit", "涉密单位")];

impl Reason {
    /// Reads a word of the upstream interface.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        REASONS.iter().find(|rule| rule.word == word).map(|rule| rule.reason)
    }

    /// Its line of the table.
    #[must_use]
    pub fn rule(self) -> &'static ReasonRule {
        // REASONS stands in the order of the enum; a test holds them together.
        &REASONS[self as usize]
    }

    /// Its word in the upstream interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.rule().word
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl DetailKind {
    /// The value in the form that is kept and sent, or what it should have been, in Chinese and English.
    ///
    /// # Errors
    /// What the value must be.
    pub fn read(self, input: &str) -> Result<String, (String, String)> {
        match self {
            Self::Text(least, most) => text::clean(input, least, most).map_err(|_| {
                (
                    format!("须为 {least} 至 {most} 个字符，不含控制字符"),
                    format!("must be {least} to {most} printable characters"),
                )
            }),
            Self::Choice(words) => {
                let found = words.iter().find(|word| **word == input.trim());
                found.map(|word| (*word).to_owned()).ok_or_else(|| {
                    (
                        format!("须为以下之一：{}", words.join("、")),
                        format!("must be one of {}", words.join(", ")),
                    )
                })
            }
            Self::Flag => match input.trim() {
                "true" => Ok("true".to_owned()),
                "false" => Ok("false".to_owned()),
                _ => Err(("须为 true 或 false".into(), "must be true or false".into())),
            },
            Self::Month => YearMonth::parse(input)
                .map(|month| month.to_string())
                .ok_or_else(|| ("须为年月，如 2026-09".into(), "must be a month like 2026-09".into())),
            Self::Name => PersonName::parse(input).map(|name| name.expose().to_owned()).map_err(|_| {
                ("须为 1 至 50 个字符的姓名".into(), "must be a name of 1 to 50 characters".into())
            }),
            Self::Phone => PhoneNumber::parse(input)
                .map(|phone| phone.expose().to_owned())
                .ok_or_else(|| ("须为 11 位手机号码".into(), "must be a mobile number of 11 digits".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_stands_in_the_order_of_the_enum() {
        for rule in REASONS {
            assert_eq!(rule.reason.rule().word, rule.word);
            assert_eq!(Reason::parse(rule.word), Some(rule.reason));
        }
        assert_eq!(Reason::parse("enlistment"), None);
    }
}
