//! The canonical document: a transfer as the JSON of the upstream interface.
//!
//! [`read`] reports **all** problems of a document at once, each with its field; [`write()`] gives back the one form
//! that is sealed in the store. What depends on the day or on routes (age, unknown provinces) is the gateway's.

use crate::identity::{IdNumber, IdNumberError, LeagueNumber, PersonName, PhoneNumber, YearMonth};
use crate::reason::{BRANCH_ONLY, DetailKind, REASONS, Reason, ReasonRule};
use crate::transfer::{Destination, Initiator, Member, Source};
use crate::{CLOCK_WINDOW_SECONDS, Problem, ProblemCode, ProvinceCode, RequestId, Transfer, mask, text};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The longest organization full name, in characters (gateway: "over 200 characters").
pub const FULL_NAME_LIMIT: usize = 200;

/// The youngest and the oldest that a member can be, in years (provinces-and-reasons, "People").
pub const AGE_RANGE: std::ops::RangeInclusive<i16> = 13..=120;

/// What a document is held against beside its own form.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Which code a province's text means and whether a transfer may go there: the routes' knowledge. The problem is
    /// reported as it is.
    pub province: &'a dyn Fn(&str) -> Result<ProvinceCode, Problem>,
    /// Now, for ages, months and the time of the application; nothing for a document that was accepted before.
    pub now: Option<Timestamp>,
}

/// The refusal of a province that nobody knows.
#[must_use]
pub fn unknown_province() -> Problem {
    Problem::at(
        ProblemCode::UnknownProvince,
        "destination.province_code",
        "没有这个省级单位，请填写六位代码（如 320000）、前两位或名称",
        "no such province: give its six digits (320000), the first two, or its name",
    )
}

/// Writes the document. It holds personal data in clear: it goes to the sealer or to a role that may see it.
#[must_use]
pub fn write(transfer: &Transfer) -> Zeroizing<String> {
    let Transfer { request_id, initiator, member, source, destination, reason, details, applied_at } =
        transfer;
    let value = json!({
        "request_id": request_id,
        "initiator": initiator.word(),
        "member": {
            "name": member.name.expose(),
            "id_number": member.id_number.expose(),
            "phone": member.phone.expose(),
            "joined_on": member.joined_on.to_string(),
            "league_number": member.league_number.as_ref().map(LeagueNumber::expose),
            "ethnicity": member.ethnicity,
        },
        "source": {"organization_id": source.organization_id, "full_name": source.full_name},
        "destination": {"province_code": destination.province_code, "full_name": destination.full_name},
        "reason": reason.word(),
        "details": details,
        "applied_at": applied_at.to_string(),
    });
    Zeroizing::new(value.to_string())
}

/// Reads a document whose provinces are written as codes: one that [`write()`] made, or a fixture's.
///
/// # Errors
/// Every problem of the document.
pub fn read_canonical(value: &Value) -> Result<Transfer, Vec<Problem>> {
    let province = |text: &str| ProvinceCode::parse(text).ok_or_else(unknown_province);
    read(value, Rules { province: &province, now: None })
}

/// Reads a document as upstream sends it.
///
/// # Errors
/// Every problem of the document, each with its field.
pub fn read(value: &Value, rules: Rules<'_>) -> Result<Transfer, Vec<Problem>> {
    let mut reader = Reader { problems: Vec::new(), rules };
    let transfer = reader.transfer(value);
    match transfer {
        Some(transfer) if reader.problems.is_empty() => Ok(transfer),
        _ => Err(reader.problems),
    }
}

/// A field's name as a problem repeats it. A document may have anything in the place of a name, a person too: what no
/// name of ours has becomes `?`, and long numbers are starred out.
#[must_use]
pub fn shown_key(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '?' };
    mask::digits(&key.chars().take(40).map(plain).collect::<String>())
}

struct Reader<'r> {
    problems: Vec<Problem>,
    rules: Rules<'r>,
}

/// An object of the document, with its path for problems.
#[derive(Clone, Copy)]
struct Node<'a> {
    path: &'static str,
    fields: &'a Map<String, Value>,
}

impl Node<'_> {
    fn field(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Reader<'_> {
    fn report(&mut self, code: ProblemCode, field: String, zh: impl Into<String>, en: impl Into<String>) {
        self.problems.push(Problem::at(code, field, zh, en));
    }

    fn invalid(&mut self, field: String, zh: impl Into<String>, en: impl Into<String>) {
        self.report(ProblemCode::FieldInvalid, field, zh, en);
    }

    /// Days are counted in Shanghai.
    fn today(&self) -> Option<Date> {
        self.rules.now.map(|now| jiff::tz::offset(8).to_datetime(now).date())
    }

    fn missing(&mut self, field: String) {
        self.invalid(field, "缺少该字段", "this field is required");
    }

    fn transfer(&mut self, value: &Value) -> Option<Transfer> {
        let Value::Object(fields) = value else {
            self.problems.push(Problem::new(
                ProblemCode::Malformed,
                "应为一个 JSON 对象",
                "the document must be a JSON object",
            ));
            return None;
        };
        let top = Node { path: "", fields };
        self.known(
            top,
            &[
                "request_id",
                "initiator",
                "member",
                "source",
                "destination",
                "reason",
                "details",
                "applied_at",
            ],
        );
        // Every part is read before any is missed, so that all problems come at once.
        let request_id = self.request_id(top);
        let initiator = self.initiator(top);
        let member = self.object(top, "member").and_then(|node| self.member(node));
        let source = self.object(top, "source").and_then(|node| self.source(node));
        let destination = self.object(top, "destination").and_then(|node| self.destination(node));
        let reason = self.reason(top);
        let details = reason.and_then(|reason| self.details(top, reason.rule()));
        let applied_at = self.instant(top, "applied_at");
        Some(Transfer {
            request_id: request_id?,
            initiator: initiator?,
            member: member?,
            source: source?,
            destination: destination?,
            reason: reason?,
            details: details?,
            applied_at: applied_at?,
        })
    }

    /// A field that nobody knows is a mistake that its writer should hear of: a misspelt optional one would be lost.
    fn known(&mut self, node: Node<'_>, keys: &[&str]) {
        for key in node.fields.keys().filter(|key| !keys.contains(&key.as_str())) {
            let known = keys.join(", ");
            self.invalid(
                node.field(&shown_key(key)),
                format!("未知字段，可用字段：{known}"),
                format!("unknown field; known are {known}"),
            );
        }
    }

    fn object<'a>(&mut self, node: Node<'a>, key: &'static str) -> Option<Node<'a>> {
        match node.fields.get(key) {
            Some(Value::Object(fields)) => Some(Node { path: key, fields }),
            None | Some(Value::Null) => {
                self.missing(node.field(key));
                None
            }
            Some(_) => {
                self.invalid(node.field(key), "应为一个对象", "must be an object");
                None
            }
        }
    }

    /// A text, if it is there; another type is a problem. Numbers are not taken for texts: a phone number that came
    /// as a number may have lost its zeros on the way.
    fn optional<'a>(&mut self, node: Node<'a>, key: &str) -> Option<&'a str> {
        match node.fields.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.invalid(node.field(key), "应为字符串", "must be a string");
                None
            }
        }
    }

    fn required<'a>(&mut self, node: Node<'a>, key: &str) -> Option<&'a str> {
        let before = self.problems.len();
        let text = self.optional(node, key);
        if text.is_none() && self.problems.len() == before {
            self.missing(node.field(key));
        }
        text
    }

    fn bounded(&mut self, node: Node<'_>, key: &str, least: usize, most: usize) -> Option<String> {
        let input = self.required(node, key)?;
        let read = text::clean(input, least, most).ok();
        if read.is_none() {
            self.invalid(
                node.field(key),
                format!("须为 {least} 至 {most} 个字符，不含控制字符"),
                format!("must be {least} to {most} printable characters"),
            );
        }
        read
    }

    fn request_id(&mut self, top: Node<'_>) -> Option<RequestId> {
        let id = RequestId::parse(self.required(top, "request_id")?);
        if id.is_none() {
            self.invalid(
                "request_id".into(),
                "须为 1 至 64 位字母、数字、下划线或连字符",
                "must be 1 to 64 of A-Z a-z 0-9 _ -",
            );
        }
        id
    }

    fn initiator(&mut self, top: Node<'_>) -> Option<Initiator> {
        match self.required(top, "initiator")? {
            "member" => Some(Initiator::Member),
            "branch" => Some(Initiator::Branch),
            _ => {
                self.invalid("initiator".into(), "须为 member 或 branch", "must be member or branch");
                None
            }
        }
    }

    fn member(&mut self, node: Node<'_>) -> Option<Member> {
        self.known(node, &["name", "id_number", "phone", "joined_on", "league_number", "ethnicity"]);
        let name = self.name(node);
        let id_number = self.id_number(node);
        let phone = self.required(node, "phone").and_then(|input| {
            let phone = PhoneNumber::parse(input);
            if phone.is_none() {
                self.invalid(
                    node.field("phone"),
                    "须为 11 位手机号码",
                    "must be a mobile number of 11 digits",
                );
            }
            phone
        });
        let joined_on = self.joined_on(node, id_number.as_ref());
        let league_number = joined_on.and_then(|joined_on| self.league_number(node, joined_on));
        let ethnicity = self.ethnicity(node);
        Some(Member {
            name: name?,
            id_number: id_number?,
            phone: phone?,
            joined_on: joined_on?,
            league_number: league_number?,
            ethnicity: ethnicity?,
        })
    }

    fn name(&mut self, node: Node<'_>) -> Option<PersonName> {
        let name = PersonName::parse(self.required(node, "name")?).ok();
        if name.is_none() {
            let (zh, en) = ("须为 1 至 50 个可见字符的姓名", "must be a name of 1 to 50 visible characters");
            self.invalid(node.field("name"), zh, en);
        }
        name
    }

    fn id_number(&mut self, node: Node<'_>) -> Option<IdNumber> {
        use IdNumberError::{BirthDate, Characters, Checksum, Length, OtherDocument, Region};
        let input = self.required(node, "id_number")?;
        let error = match IdNumber::parse(input) {
            Ok(id_number) if self.today().is_none_or(|day| AGE_RANGE.contains(&id_number.age_on(day))) => {
                return Some(id_number);
            }
            Ok(_) => BirthDate,
            Err(error) => error,
        };
        let (code, zh, en) = match error {
            OtherDocument => (
                ProblemCode::IdDocumentNotSupported,
                "仅支持 18 位居民身份证号码，不支持 15 位旧号码及其他证件",
                "only the 18-character resident ID number is supported, not 15-digit numbers or other documents",
            ),
            Length => {
                (ProblemCode::IdNumberInvalid, "身份证号码应为 18 位", "an ID number has 18 characters")
            }
            Characters => (
                ProblemCode::IdNumberInvalid,
                "身份证号码应为 17 位数字加 1 位数字或 X",
                "an ID number is 17 digits and a digit or X",
            ),
            Region => (
                ProblemCode::IdNumberInvalid,
                "身份证号码的地址码有误",
                "the ID number's address code does not exist",
            ),
            BirthDate => (
                ProblemCode::IdNumberInvalid,
                "身份证号码的出生日期有误",
                "the ID number's birth date does not exist",
            ),
            Checksum => (
                ProblemCode::IdNumberInvalid,
                "身份证号码校验码有误，请核对每一位",
                "the ID number's check character does not fit: compare every digit",
            ),
        };
        self.report(code, node.field("id_number"), zh, en);
        None
    }

    fn joined_on(&mut self, node: Node<'_>, id_number: Option<&IdNumber>) -> Option<YearMonth> {
        let joined = YearMonth::parse(self.required(node, "joined_on")?);
        let plausible = joined.filter(|month| {
            // The League was founded in May 1922; nobody joins before birth.
            month.year() >= 1922
                && id_number.is_none_or(|id| *month > YearMonth::of(id.birth_date()))
                && self.today().is_none_or(|day| *month <= YearMonth::of(day))
        });
        if plausible.is_none() {
            self.invalid(
                node.field("joined_on"),
                "入团年月须为 YYYY-MM，不早于 1922 年和出生年月，不晚于本月",
                "the month of joining must be YYYY-MM, not before 1922 or birth, and not in the future",
            );
        }
        plausible
    }

    /// `Some(None)` where it may be missing and is.
    fn league_number(&mut self, node: Node<'_>, joined_on: YearMonth) -> Option<Option<LeagueNumber>> {
        let before = self.problems.len();
        let input = self.optional(node, "league_number").map(str::trim).filter(|text| !text.is_empty());
        let field = node.field("league_number");
        match input {
            None if self.problems.len() > before => None,
            None if LeagueNumber::required(joined_on) => {
                let (zh, en) = (
                    "2017 年及以后入团须填写 12 位发展团员编号",
                    "required of those who joined from 2017: 12 digits",
                );
                self.report(ProblemCode::LeagueNumberInvalid, field, zh, en);
                None
            }
            None => Some(None),
            Some(input) => {
                let number = LeagueNumber::parse(input, joined_on);
                if number.is_none() {
                    self.report(
                        ProblemCode::LeagueNumberInvalid,
                        field,
                        "发展团员编号应为 12 位数字，前四位为入团年份（2017、2018 年入团者可为 2017 或 2018）",
                        "must be 12 digits that begin with the year of joining (2017 or 2018 for those who joined in either)",
                    );
                }
                number.map(Some)
            }
        }
    }

    fn ethnicity(&mut self, node: Node<'_>) -> Option<Option<String>> {
        let before = self.problems.len();
        match self.optional(node, "ethnicity") {
            None => (self.problems.len() == before).then_some(None),
            Some(code) if code.len() == 2 && code.bytes().all(|b| b.is_ascii_digit()) => {
                Some(Some(code.to_owned()))
            }
            Some(_) => {
                self.invalid(
                    node.field("ethnicity"),
                    "须为两位民族代码（GB/T 3304）",
                    "must be the two digits of GB/T 3304",
                );
                None
            }
        }
    }

    fn source(&mut self, node: Node<'_>) -> Option<Source> {
        self.known(node, &["organization_id", "full_name"]);
        let organization_id = self.bounded(node, "organization_id", 1, 64);
        let full_name = self.bounded(node, "full_name", 2, FULL_NAME_LIMIT);
        Some(Source { organization_id: organization_id?, full_name: full_name? })
    }

    fn destination(&mut self, node: Node<'_>) -> Option<Destination> {
        self.known(node, &["province_code", "full_name"]);
        let province_code = self.required(node, "province_code").and_then(|input| {
            (self.rules.province)(input).map_err(|problem| self.problems.push(problem)).ok()
        });
        let full_name = self.bounded(node, "full_name", 2, FULL_NAME_LIMIT);
        Some(Destination { province_code: province_code?, full_name: full_name? })
    }

    fn reason(&mut self, top: Node<'_>) -> Option<Reason> {
        let word = self.required(top, "reason")?;
        if let Some((_, zh)) = BRANCH_ONLY.iter().find(|(known, _)| *known == word) {
            self.report(
                ProblemCode::BranchOnlyOffline,
                "reason".into(),
                format!("{zh}不属于跨系统转接，须由团支部按规定线下办理"),
                format!("{word} is not an external transfer: only the branch may handle it, offline"),
            );
            return None;
        }
        let reason = Reason::parse(word);
        if reason.is_none() {
            let known = REASONS.map(|rule| rule.word).join(", ");
            self.invalid(
                "reason".into(),
                format!("须为以下之一：{known}"),
                format!("must be one of {known}"),
            );
        }
        reason
    }

    fn details(&mut self, top: Node<'_>, rule: &ReasonRule) -> Option<BTreeMap<String, String>> {
        let empty = Map::new();
        let fields = match top.fields.get("details") {
            Some(Value::Object(fields)) => fields,
            None | Some(Value::Null) => &empty,
            Some(_) => {
                self.invalid("details".into(), "应为一个对象", "must be an object");
                return None;
            }
        };
        let node = Node { path: "details", fields };
        let keys: Vec<&str> = rule.details.iter().map(|detail| detail.key).collect();
        self.known(node, &keys);
        let mut details = BTreeMap::new();
        for detail in rule.details {
            let flag = matches!(detail.kind, DetailKind::Flag);
            let input = match fields.get(detail.key) {
                Some(Value::String(text)) if !text.trim().is_empty() => text.clone(),
                Some(Value::Bool(value)) if flag => value.to_string(),
                None | Some(Value::Null | Value::String(_)) => {
                    self.report(
                        ProblemCode::DetailMissing,
                        node.field(detail.key),
                        format!("转接原因“{}”须填写此项", rule.zh),
                        format!("the reason {} asks for it", rule.word),
                    );
                    continue;
                }
                Some(_) => {
                    self.invalid(node.field(detail.key), "应为字符串", "must be a string");
                    continue;
                }
            };
            match detail.kind.read(&input) {
                Ok(value) => drop(details.insert(detail.key.to_owned(), value)),
                Err((zh, en)) => self.invalid(node.field(detail.key), zh, en),
            }
        }
        (details.len() == rule.details.len()).then_some(details)
    }

    fn instant(&mut self, node: Node<'_>, key: &str) -> Option<Timestamp> {
        // Upstream's clock may be ahead of ours by as much as a partner's may.
        let latest = self.rules.now.map(|now| now.as_second().saturating_add(CLOCK_WINDOW_SECONDS));
        let instant =
            self.required(node, key)?.parse::<Timestamp>().ok().filter(|at| at.as_millisecond() >= 0);
        let instant = instant.filter(|at| latest.is_none_or(|latest| at.as_second() <= latest));
        if instant.is_none() {
            self.invalid(
                node.field(key),
                "须为带时区的时间，如 2024-07-01T09:30:00+08:00，且不晚于现在",
                "must be a time with an offset, like 2024-07-01T09:30:00+08:00, not in the future",
            );
        }
        // Partners count in milliseconds; what can't be said to them must not distinguish two contents.
        instant.and_then(|at| Timestamp::from_millisecond(at.as_millisecond()).ok())
    }
}

#[cfg(test)]
mod tests;
