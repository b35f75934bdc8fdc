//! Looks for people in what is to be kept: ID numbers whose checksum holds and mobile numbers that are not made up, and
//! what is known of those who were replaced; through every encoding and escape.

use crate::People;
use crate::dress::{MOST_TEXTS, folded, short_texts, texts, untagged};
use league_contract::identity::IdNumber;
use league_contract::mask;
use league_contract::text::invisible;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// Somebody real, perhaps. Shows nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Leak {
    /// What it is.
    pub what: Personal,
    /// The value, masked.
    pub masked: String,
    /// How it stands there: `as it stands`, `in Base64`.
    pub dress: &'static str,
}

/// What of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Personal {
    /// An ID number whose checksum holds.
    IdNumber,
    /// A mobile number.
    Phone,
    /// A value that was to be replaced.
    Known,
    /// Nobody was found in what was looked through, and that is not all.
    Unread,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            Personal::IdNumber => "an ID number",
            Personal::Phone => "a mobile number",
            Personal::Known => "a value of the person",
            Personal::Unread => return f.write_str("more is encoded in it than is looked through"),
        };
        write!(f, "{what} ({}), {}", self.masked, self.dress)
    }
}

/// Who is in a message: numbers that are not made up, and any of the values that are `known`.
#[must_use]
pub fn leaks(message: &[u8], people: &People, known: &[String]) -> BTreeSet<Leak> {
    let known: Vec<Sought> = known.iter().map(|value| Sought::new(value)).collect();
    let mut found = BTreeSet::new();
    let texts = texts(message);
    if texts.len() >= MOST_TEXTS {
        found.insert(Leak { what: Personal::Unread, masked: String::new(), dress: "encoded" });
    }
    for (dress, text) in texts {
        for number in numbers(&text) {
            let leak = match number {
                Number::Id(number) if !people.made_up_id_number(&number) => {
                    Leak { what: Personal::IdNumber, masked: mask::id_number(&number), dress }
                }
                Number::Phone(number) if !people.made_up_phone(&number) => {
                    Leak { what: Personal::Phone, masked: mask::phone(&number), dress }
                }
                Number::Id(_) | Number::Phone(_) => continue,
            };
            found.insert(leak);
        }
        let mut know = |text: &str, dress| {
            let bare = Bare::of(text);
            if known.iter().any(|value| value.stands_in(text, &bare)) {
                found.insert(Leak { what: Personal::Known, masked: "***".to_owned(), dress });
            }
        };
        know(&text, dress);
        if !known.is_empty() {
            untagged(&text).iter().for_each(|untagged| know(untagged, dress));
            short_texts(&text).iter().for_each(|short| know(short, "in Base64"));
        }
    }
    found
}

/// The characters of an ID number.
const ID_NUMBER: usize = 18;
/// The digits of a mobile number; as many of anything are nobody else's by chance.
const PHONE: usize = 11;
/// Where a mobile number is parted by whatever signs: after so many digits. Other groups are a time or a list.
const PARTED: [&[usize]; 3] = [&[3, 7], &[3], &[7]];

/// A number of a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Number {
    Id(String),
    Phone(String),
}

/// The numbers in a text, also where something stands between their digits, and where one is glued to another.
pub(crate) fn numbers(text: &str) -> BTreeSet<Number> {
    let mut found = BTreeSet::new();
    for text in [text, &squeezed(text)] {
        for token in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|token| !is_digest(token)) {
            for run in runs(token) {
                found.extend(number(run));
                found.extend(glued(run));
            }
        }
    }
    found.extend(Bare::of(text).spread());
    found
}

/// The ID numbers in a longer run of digits, and what is before and behind them.
fn glued(run: &str) -> Vec<Number> {
    let windows = (0..(run.len() + 1).saturating_sub(ID_NUMBER)).filter(|_| run.len() > ID_NUMBER);
    let ids = windows.filter_map(|from| Some((from, number(&run[from..from + ID_NUMBER])?)));
    ids.flat_map(|(from, id)| {
        let beside = [&run[..from], &run[from + ID_NUMBER..]];
        std::iter::once(id).chain(beside.into_iter().filter_map(number))
    })
    .collect()
}

fn number(run: &str) -> Option<Number> {
    if run.len() == ID_NUMBER {
        return IdNumber::parse(run).ok().map(|id| Number::Id(id.expose().to_owned()));
    }
    // With the country's code, perhaps.
    let national = ["0086", "86", ""]
        .into_iter()
        .find_map(|code| run.strip_prefix(code).filter(|rest| rest.len() == 11))?;
    let mobile =
        national.starts_with('1') && national.as_bytes()[1] >= b'3' && !national.ends_with(['x', 'X']);
    mobile.then(|| Number::Phone(national.to_owned()))
}

/// A digest, a nonce, a key: long, of hex digits, with letters among them.
fn is_digest(token: &str) -> bool {
    let letters = token.bytes().any(|byte| byte.is_ascii_alphabetic());
    token.len() >= 32 && letters && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The digits of a token, with an `X` that closes seventeen of them or more.
fn runs(token: &str) -> impl Iterator<Item = &str> {
    let mut rest = token;
    std::iter::from_fn(move || {
        let begin = rest.find(|c: char| c.is_ascii_digit())?;
        let digits = rest[begin..].bytes().take_while(u8::is_ascii_digit).count();
        let closed = digits + 1 >= ID_NUMBER && rest[begin + digits..].starts_with(['x', 'X']);
        let (run, behind) = rest[begin..].split_at(digits + usize::from(closed));
        rest = behind;
        Some(run)
    })
}

/// Without the separators that stand between digits: `138-0013-8000`.
fn squeezed(text: &str) -> String {
    let part = |c: char| c.is_ascii_digit() || matches!(c, 'x' | 'X');
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let between =
            out.ends_with(|c: char| c.is_ascii_digit()) && chars.peek().is_some_and(|next| part(*next));
        if !(between && matches!(c, ' ' | '-' | '—' | '.')) {
            out.push(c);
        }
    }
    out
}

/// A value that must not be found.
struct Sought {
    value: String,
    bare: String,
}

impl Sought {
    fn new(value: &str) -> Self {
        let value = folded(value).to_ascii_uppercase();
        Self { bare: Bare::of(&value).text, value }
    }

    fn stands_in(&self, text: &str, bare: &Bare) -> bool {
        // As it stands, signs and all; one character is anything's.
        let raw = self.value.chars().count() >= 2 && {
            let text = text.to_ascii_uppercase();
            let nothing = BTreeSet::new();
            text.match_indices(&self.value).any(|(at, _)| !longer(&text, at..at + self.value.len(), &nothing))
        };
        raw || bare.holds(&self.bare)
    }
}

/// A text's letters and digits alone, and between which of them something else stood: `李 雷`, `(138)0013-8000`.
struct Bare {
    text: String,
    gaps: BTreeSet<usize>,
}

impl Bare {
    fn of(text: &str) -> Self {
        let mut bare = Self { text: String::with_capacity(text.len()), gaps: BTreeSet::new() };
        for c in text.chars() {
            if c.is_alphanumeric() && !invisible(c) {
                bare.text.push(c.to_ascii_uppercase());
            } else {
                bare.gaps.insert(bare.text.len());
            }
        }
        bare
    }

    /// Whether a bare value stands there. Where signs fall away, three letters meet by chance.
    fn holds(&self, value: &str) -> bool {
        let enough = value.chars().count() >= if value.is_ascii() { 4 } else { 2 };
        let long = value.len() >= PHONE;
        enough
            && self
                .text
                .match_indices(value)
                .any(|(at, _)| long || !longer(&self.text, at..at + value.len(), &self.gaps))
    }

    /// The numbers whose digits stand apart, whatever stands between them.
    fn spread(&self) -> BTreeSet<Number> {
        let mut found = BTreeSet::new();
        for from in self.gaps.iter().copied().chain([0]).chain(self.starts()) {
            for length in [ID_NUMBER, PHONE] {
                let Some(run) = self.text.get(from..from + length) else { continue };
                let parts: Vec<usize> =
                    self.gaps.range(from + 1..from + length).map(|at| at - from).collect();
                let parted = length == ID_NUMBER && !parts.is_empty() || PARTED.contains(&parts.as_slice());
                let digits = run.as_bytes()[..length - 1].iter().all(u8::is_ascii_digit);
                if parted && digits && !longer(&self.text, from..from + length, &self.gaps) {
                    found.extend(number(run));
                }
            }
        }
        found
    }

    /// Where digits begin behind a letter.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let letter = |c: char| !c.is_ascii_digit();
        self.text.match_indices(letter).map(|(at, letter)| at + letter.len())
    }
}

/// Whether the digits of a place are part of more digits.
fn longer(text: &str, place: Range<usize>, gaps: &BTreeSet<usize>) -> bool {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let (before, behind) = (&text[..place.start], &text[place.end..]);
    let inside = &text[place.clone()];
    let joined =
        |at: usize, one: Option<char>, other: Option<char>| !gaps.contains(&at) && digit(one) && digit(other);
    joined(place.start, before.chars().next_back(), inside.chars().next())
        || joined(place.end, inside.chars().next_back(), behind.chars().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dress::dresses;

    fn found(text: &str) -> Vec<Personal> {
        leaks(text.as_bytes(), &People::default(), &[]).into_iter().map(|leak| leak.what).collect()
    }

    #[test]
    fn numbers_of_people_are_found_and_others_are_not() {
        use Personal::{IdNumber, Phone};
        assert_eq!(found("id 11010519491231002x."), [IdNumber]);
        assert_eq!(found("{\"a\":\"110105 19491231 002X\",\"b\":\"138-0013-8000\"}"), [IdNumber, Phone]);
        assert_eq!(found("tel13800138000"), [Phone]);
        assert_eq!(found("+8613800138001"), [Phone]);
        for innocent in [
            "11019919491231002X", // made up, whatever its checksum
            "110105194912310021", // its checksum does not hold
            "16112345678",
            "1719797400123",  // milliseconds
            "20240701093000", // a stamp
            "12013800138",    // no mobile number
            "TJ202407010000017",
            "a13800138000b0112233445566778899", // a digest
            "2024-07-01T09:30:00.000+08:00",
        ] {
            assert_eq!(found(innocent), [], "{innocent}");
        }
    }

    #[test]
    fn listed_people_are_no_leak() {
        let people: People =
            toml::from_str("id_numbers = ['11010519491231002X']\nphones = ['13800138000']\nnames = ['张三']")
                .expect("TOML");
        assert!(leaks("11010519491231002x 13800138000".as_bytes(), &people, &[]).is_empty());
        assert!(people.made_up_name("张三"));
    }

    #[test]
    fn what_is_known_is_found_in_every_dress_and_never_shown() {
        let known = ["𠮷·㛃<b>", "李雷", "1231002X"].map(str::to_owned);
        for value in &known {
            for dress in dresses(value) {
                let message = [b"<a>".as_slice(), &dress, b"</a>"].concat();
                let found = leaks(&message, &People::default(), &known);
                assert!(!found.is_empty(), "{}", String::from_utf8_lossy(&dress));
                assert!(!format!("{found:?}").contains(value.as_str()));
            }
        }
        assert!(leaks(b"91231002X 1231002", &People::default(), &known).is_empty());
    }
}
