//! Puts made-up people in the place of real ones, in calls and in the bytes of messages.
//!
//! What stands in a call is known field by field. In the bytes of a message the same values are looked for, in every
//! encoding and escape, and with them every ID and mobile number, whoever's it is; all else stays as it came, to the
//! byte. A name that no call holds can't be known: whoever records reads what was written.

use crate::dress::{BASE64, base64_runs, dresses, texts};
use crate::leaks::{Number, numbers};
use crate::people::Cast;
use base64::Engine as _;
use league_contract::identity::IdNumber;
use league_contract::reason::DetailKind;
use league_contract::{Call, Transfer, WireRequest, WireResponse, document};
use serde_json::Value;

/// What stands in the place of text that somebody wrote freely.
const FREE_TEXT: &str = "录制时替换的说明文字：因个人原因申请办理";
/// What stands in the place of where somebody lives.
const ADDRESS: &str = "某某市某某区某某路1号";

/// Replaces people, the same by the same throughout its life.
pub struct Disguise {
    cast: Cast,
    /// Real values and what stands for them, the longest first.
    pairs: Vec<(String, String)>,
}

impl Disguise {
    /// A disguise whose parts follow from the key alone. Throw the key away, and no part leads back.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { cast: Cast::new(key), pairs: Vec::new() }
    }

    /// The values that must not be found in what was replaced.
    #[must_use]
    pub fn known(&self) -> Vec<String> {
        self.pairs.iter().map(|(real, _)| real.clone()).collect()
    }

    /// The call with other people.
    ///
    /// # Errors
    /// Where what came of it is no valid transfer any more; names fields, not people.
    pub fn call(&mut self, call: &Call) -> Result<Call, String> {
        Ok(match call {
            Call::Submit(transfer) => Call::Submit(Box::new(self.transfer(transfer)?)),
            Call::Withdraw { request_id, reason } => {
                self.knows(reason, FREE_TEXT);
                Call::Withdraw { request_id: request_id.clone(), reason: FREE_TEXT.to_owned() }
            }
            Call::CheckOrganization { .. }
            | Call::SearchOrganizations { .. }
            | Call::Query { .. }
            | Call::ListChanges { .. } => call.clone(),
        })
    }

    fn transfer(&mut self, transfer: &Transfer) -> Result<Transfer, String> {
        let member = &transfer.member;
        let id_number = self.id_number(&member.id_number);
        let name = self.name(member.name.expose());
        let phone = self.phone(member.phone.expose());
        let mut value: Value =
            serde_json::from_str(&document::write(transfer)).map_err(|error| error.to_string())?;
        value["member"]["id_number"] = id_number.into();
        value["member"]["name"] = name.into();
        value["member"]["phone"] = phone.into();
        if let Some(number) = &member.league_number {
            let part = self.cast.league_number(number);
            self.knows(number.expose(), &part);
            value["member"]["league_number"] = part.into();
        }
        for rule in transfer.reason.rule().details {
            let Some(real) = transfer.details.get(rule.key) else { continue };
            let part = match (rule.kind, rule.key) {
                (DetailKind::Name, _) => self.name(real),
                (DetailKind::Phone, _) => self.phone(real),
                (DetailKind::Text(..), "address") => self.free(real, ADDRESS),
                (DetailKind::Text(..), "text") => self.free(real, FREE_TEXT),
                (DetailKind::Text(..) | DetailKind::Choice(_) | DetailKind::Flag | DetailKind::Month, _) => {
                    continue;
                }
            };
            value["details"][rule.key] = part.into();
        }
        document::read_canonical(&value).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })
    }

    /// The answer with other people; its signature no longer holds.
    pub fn response(&mut self, response: &WireResponse) -> WireResponse {
        let headers = self.headers(&response.headers);
        WireResponse { status: response.status, headers, body: self.bytes(&response.body) }
    }

    /// The pushed message with other people; its signature no longer holds.
    pub fn request(&mut self, request: &WireRequest) -> WireRequest {
        let headers = self.headers(&request.headers);
        let target = String::from_utf8(self.bytes(request.target.as_bytes())).unwrap_or_default();
        WireRequest { method: request.method, target, headers, body: self.bytes(&request.body) }
    }

    fn headers(&mut self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let replaced = |(name, value): &(String, String)| {
            let value = String::from_utf8(self.bytes(value.as_bytes())).unwrap_or_default();
            (name.clone(), value)
        };
        headers.iter().map(replaced).collect()
    }

    /// The bytes with other people in them.
    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        for (_, text) in texts(bytes) {
            for number in numbers(&text) {
                match number {
                    Number::Id(number) => {
                        if let Ok(number) = IdNumber::parse(&number) {
                            self.id_number(&number);
                        }
                    }
                    Number::Phone(number) => drop(self.phone(&number)),
                }
            }
        }
        self.replaced(bytes)
    }

    fn replaced(&self, bytes: &[u8]) -> Vec<u8> {
        let utf8 = std::str::from_utf8(bytes).is_ok();
        let mut out = bytes.to_vec();
        for (real, part) in &self.pairs {
            let pairs: Vec<(Vec<u8>, Vec<u8>)> = dresses(real).into_iter().zip(dresses(part)).collect();
            let last = pairs.len() - 1;
            for (at, (worn, instead)) in pairs.iter().enumerate() {
                // In UTF-8 the bytes of GB 18030 mean something else.
                if at == last && utf8 && !real.is_ascii() || at > 0 && *worn == pairs[0].0 {
                    continue;
                }
                out = replace(&out, worn, instead, may_go_on(real));
            }
        }
        for (place, inner) in base64_runs(&out).into_iter().rev() {
            let other = self.replaced(&inner);
            if other != inner {
                out.splice(place, BASE64.encode(other).into_bytes());
            }
        }
        out
    }

    fn id_number(&mut self, real: &IdNumber) -> String {
        let part = self.cast.id_number(real);
        let real = real.expose();
        self.knows(real, &part);
        self.knows(&real.to_ascii_lowercase(), &part.to_ascii_lowercase());
        // The last eight are an initial password, and partners speak of the last six; without the last one or the last
        // four it is as good as whole.
        for place in [10..18, 12..18, 0..17, 0..14] {
            self.knows(&real[place.clone()], &part[place]);
        }
        for (real, part) in birth_dates(real).into_iter().zip(birth_dates(&part)) {
            self.knows(&real, &part);
        }
        part
    }

    fn phone(&mut self, real: &str) -> String {
        let part = self.cast.phone(real);
        self.knows(real, &part);
        part
    }

    fn name(&mut self, real: &str) -> String {
        let part = self.cast.name(real);
        self.knows(real, &part);
        part
    }

    fn free(&mut self, real: &str, instead: &str) -> String {
        self.knows(real, instead);
        instead.to_owned()
    }

    fn knows(&mut self, real: &str, part: &str) {
        let known = self.pairs.iter().any(|(known, _)| known == real);
        if !known && real != part && real.chars().count() >= 2 {
            self.pairs.push((real.to_owned(), part.to_owned()));
            self.pairs.sort_by_key(|(real, _)| std::cmp::Reverse(real.len()));
        }
    }
}

/// The birth date of an ID number as people write it, with and without zeros; between its parts may stand any sign.
fn birth_dates(id_number: &str) -> Vec<String> {
    let (year, month, day) = (&id_number[6..10], &id_number[10..12], &id_number[12..14]);
    let [short_month, short_day] = [month, day].map(|part| part.trim_start_matches('0'));
    let mut dates = vec![format!("{year}{month}{day}")];
    for (month, day) in [(month, day), (short_month, short_day), (month, short_day), (short_month, day)] {
        let signs = ["-", "/", ".", " "].into_iter();
        dates.extend(signs.flat_map(|sign| [[year, month, day].join(sign), [day, month, year].join(sign)]));
        dates.extend(["日", "号", ""].map(|end| format!("{year}年{month}月{day}{end}")));
    }
    dates
}

/// Whether a value is a date without its zeros: where digits go on before it or behind it, it is another date.
fn may_go_on(real: &str) -> bool {
    real.contains(['-', '/', '.', ' ', '年']) && real.chars().filter(char::is_ascii_digit).count() < 8
}

/// The bytes with something else in the place of a value; where that is to stand `alone`, only between no digits.
fn replace(bytes: &[u8], worn: &[u8], instead: &[u8], alone: bool) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let goes_on = |at: usize| {
        let behind = at + worn.len();
        digit(worn.first()) && at > 0 && digit(bytes.get(at - 1))
            || digit(worn.last()) && digit(bytes.get(behind))
    };
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if !worn.is_empty() && bytes[at..].starts_with(worn) && !(alone && goes_on(at)) {
            out.extend_from_slice(instead);
            at += worn.len();
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{People, leaks};
    use serde_json::json;

    fn submit(reason: &str, details: &Value) -> Call {
        Call::Submit(Box::new(
            document::read_canonical(&json!({
                "request_id": "R", "initiator": "member",
                "member": {"name": "李雷<1>", "id_number": "320102200203150017", "phone": "13912345678",
                    "joined_on": "2018-05", "league_number": "201811000001"},
                "source": {"organization_id": "1", "full_name": "来源团支部"},
                "destination": {"province_code": "320000", "full_name": "共青团南京大学委员会"},
                "reason": reason, "details": details, "applied_at": "2024-07-01T09:30:00+08:00"
            }))
            .expect("a transfer"),
        ))
    }

    #[test]
    fn a_call_keeps_its_shape_and_nobody_of_it() {
        for (reason, details) in [
            ("other", json!({"text": "因父亲李大雷在外地，随迁居住"})),
            ("residence", json!({"address": "南京市鼓楼区汉口路22号", "basis": "residence"})),
            (
                "abroad",
                json!({"country": "法国", "purpose": "study", "until": "2026-07", "contact_name": "李四平", "contact_phone": "13900139000"}),
            ),
        ] {
            let mut disguise = Disguise::new([7; 32]);
            let call = submit(reason, &details);
            let Ok(Call::Submit(other)) = disguise.call(&call) else { panic!("a submit") };
            let written = document::write(&other).to_string();
            assert_eq!(
                leaks(written.as_bytes(), &People::default(), &disguise.known()),
                [].into(),
                "{written}"
            );
            let Call::Submit(real) = &call else { panic!("a submit") };
            assert_eq!(other.member.id_number.gender(), real.member.id_number.gender());
            assert_eq!(other.destination, real.destination);
            assert_eq!(other.details.len(), real.details.len());
        }
    }

    #[test]
    fn bytes_are_replaced_in_every_dress_and_nothing_else_of_them_is() {
        let mut disguise = Disguise::new([7; 32]);
        disguise.call(&submit("other", &json!({"text": "因家庭原因迁往外地居住生活"}))).expect("replaced");
        for value in ["李雷<1>", "320102200203150017", "03150017", "150017", "13912345678", "201811000001"]
        {
            for dress in dresses(value) {
                let message =
                    [b"{\"a\":[1, 2],\"b\":\"".as_slice(), &dress, b"\",\"c\":\"\xE6\x9F\x90\"}"].concat();
                for message in [message.clone(), BASE64.encode(&message).into_bytes()] {
                    let other = disguise.bytes(&message);
                    let found = leaks(&other, &People::default(), &disguise.known());
                    assert!(found.is_empty(), "{value}: {}: {found:?}", String::from_utf8_lossy(&other));
                    assert!(other.starts_with(b"{\"a\":[1, 2],\"b\":\"") || BASE64.decode(&other).is_ok());
                }
            }
        }
        let nobody = "{\"receiptNo\":\"TJ202407010000017\",\"at\":1719797400123}".as_bytes();
        assert_eq!(disguise.bytes(nobody), nobody);
    }

    /// Whoever was not in the call, but has a number.
    #[test]
    fn numbers_of_others_are_replaced_too_the_same_by_the_same() {
        let mut disguise = Disguise::new([8; 32]);
        let message = "经办人电话13698000002；13698000002；证件110105 19491231 002X".as_bytes();
        let other = String::from_utf8(disguise.bytes(message)).expect("UTF-8");
        let phone = &other["经办人电话".len().."经办人电话".len() + 11];
        assert_eq!(other.matches(phone).count(), 2, "{other}");
        assert!(leaks(other.as_bytes(), &People::default(), &disguise.known()).is_empty(), "{other}");
    }

    /// A date that begins as somebody's birth date does is none of theirs.
    #[test]
    fn another_date_stays() {
        let mut disguise = Disguise::new([7; 32]);
        disguise.id_number(&IdNumber::parse("110105194912011230").expect("an ID number"));
        let other = |text: &str, disguise: &mut Disguise| disguise.bytes(text.as_bytes()) != text.as_bytes();
        assert!(other("1949-12-1", &mut disguise) && other("1.12.1949", &mut disguise));
        assert!(!other("1949-12-17 21.12.1949", &mut disguise));
        assert!(leaks(b"1949-12-17 21.12.1949", &People::default(), &disguise.known()).is_empty());
    }
}
