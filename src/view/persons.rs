//! Whom a message must not name: the persons of a transfer, starred out in whatever dress they stand there.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::{GBK, WINDOWS_1252};
use league_contract::identity::LeagueNumber;
use league_contract::reason::DetailKind;
use league_contract::{Transfer, mask, text};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// A longer value is starred out unread: what a profile has room for is shorter.
const LONGEST: usize = 4096;
/// The shortest run that is taken for an encoded one, in characters: two of GBK in Base64.
const SHORTEST_RUN: usize = 6;
/// So often may a value be dressed: Base64 of what was percent-encoded.
const LAYERS: usize = 2;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The persons of a transfer.
pub struct Persons<'a> {
    transfer: Option<&'a Transfer>,
    /// Every value that says something of them, bare, with what is shown instead.
    values: BTreeMap<String, String>,
    /// Names of organizations: what stands in them is shown anyway.
    open: String,
}

impl<'a> Persons<'a> {
    /// Nobody is known: no sentence can be shown.
    #[must_use]
    pub const fn unknown() -> Self {
        Self { transfer: None, values: BTreeMap::new(), open: String::new() }
    }

    /// Those of a document.
    #[must_use]
    pub fn of(transfer: &'a Transfer) -> Self {
        let open = bare(&format!("{}\n{}", transfer.destination.full_name, transfer.source.full_name));
        let mut persons = Self { transfer: Some(transfer), values: BTreeMap::new(), open };
        let member = &transfer.member;
        let id_number = member.id_number.expose();
        persons.add(id_number, member.id_number.masked());
        for part in [id_number.get(10..), id_number.get(6..14)].into_iter().flatten() {
            // The last eight are an initial password; before them stands the birth date.
            persons.add(part, "*".repeat(part.len()));
        }
        persons.add(member.phone.expose(), member.phone.masked());
        persons.add(member.name.expose(), member.name.masked());
        if let Some(number) = &member.league_number {
            persons.add(number.expose(), LeagueNumber::masked(number));
        }
        for rule in transfer.reason.rule().details {
            let Some(value) = transfer.details.get(rule.key) else { continue };
            match rule.kind {
                DetailKind::Name => persons.add(value, mask::name(value)),
                DetailKind::Phone => persons.add(value, mask::phone(value)),
                DetailKind::Text(..) => persons.also(value),
                DetailKind::Choice(_) | DetailKind::Flag | DetailKind::Month => {}
            }
        }
        persons
    }

    /// One more value that some message of the transfer hid: an amended document named others before.
    pub fn also(&mut self, value: &str) {
        let plain = bare(value);
        // Words of a list (`graduate`) and short numbers stand in anything.
        let word = value.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        let least = if plain.is_ascii() { 6 } else { 2 };
        if !word && plain.chars().count() >= least && !self.open.contains(&plain) {
            self.values.entry(plain).or_insert_with(|| "***".to_owned());
        }
    }

    fn add(&mut self, value: &str, shown: String) {
        let plain = bare(value);
        if plain.chars().count() >= 2 {
            self.values.insert(plain, shown);
        }
    }

    /// Whether anybody is known.
    #[must_use]
    pub const fn known(&self) -> bool {
        self.transfer.is_some()
    }

    /// What is shown in the place of a value that may not be.
    #[must_use]
    pub fn instead_of(&self, value: &str) -> String {
        self.values.get(&bare(value)).cloned().unwrap_or_else(|| "***".to_owned())
    }

    /// A number, a time, a code or an organization's name, if it hides nobody.
    #[must_use]
    pub fn plain(&self, value: &str) -> String {
        if unreadable(value) || looks_personal(value) {
            "***".to_owned()
        } else if self.stands_in(value, LAYERS) {
            self.sentence(value)
        } else {
            value.to_owned()
        }
    }

    /// A sentence, with everybody in it starred out; nothing of it where that can't be done with certainty.
    #[must_use]
    pub fn sentence(&self, value: &str) -> String {
        let Some(transfer) = self.transfer.filter(|_| !unreadable(value)) else { return "***".to_owned() };
        [value.to_owned(), text::half_width(value)]
            .iter()
            .map(|text| {
                let redacted = transfer.redact(text);
                self.values.iter().fold(redacted, |shown, (value, instead)| {
                    mask::known(&shown, value, &SEPARATORS, instead)
                })
            })
            .find(|shown| !self.stands_in(shown, LAYERS))
            .unwrap_or_else(|| "***".to_owned())
    }

    /// Whether a value stands in a text, bare or in any dress that it can be got out of.
    fn stands_in(&self, text: &str, layers: usize) -> bool {
        let plain = bare(text);
        if self.values.keys().any(|value| plain.contains(value.as_str())) {
            return true;
        }
        layers > 0
            && text.len() >= SHORTEST_RUN
            && undressed(text).iter().any(|inner| {
                // Only what came out whole is looked into further.
                let layers = if inner.whole { layers - 1 } else { 0 };
                inner.text != text && self.stands_in(&inner.text, layers)
            })
    }
}

/// What stands between the characters of a number that was written to be read.
const SEPARATORS: [char; 7] = [' ', '\u{3000}', '-', '－', '—', '.', '·'];

/// A text without what can be put between its characters, in one case and width.
fn bare(value: &str) -> String {
    let half = text::half_width(value);
    let kept = half
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !text::invisible(*c) && !SEPARATORS.contains(c));
    kept.collect::<String>().to_uppercase()
}

/// Too long to look through, or damaged on its way: what stood there can't be got back to be looked for.
fn unreadable(value: &str) -> bool {
    value.len() > LONGEST || value.contains(char::REPLACEMENT_CHARACTER)
}

/// A value of its own that is an ID number or a mobile number, whoever's.
fn looks_personal(value: &str) -> bool {
    let runs = value.split(|c: char| !c.is_ascii_alphanumeric());
    runs.into_iter().any(|run| {
        let mobile = run.len() == 11
            && run.starts_with('1')
            && !run.starts_with("10")
            && run.bytes().all(|b| b.is_ascii_digit());
        mobile || league_contract::identity::IdNumber::parse(run).is_ok()
    })
}

/// What may be inside a dress.
struct Inner {
    text: String,
    /// Nothing of it was lost, so it may be a dress again.
    whole: bool,
}

/// What a text may be the dress of.
fn undressed(text: &str) -> Vec<Inner> {
    let whole = |text| Inner { text, whole: true };
    let mut inner: Vec<Inner> = [entities(text), escapes(text)].into_iter().flatten().map(whole).collect();
    if text.contains('%') {
        read(&percent_decode_str(text).collect::<Vec<u8>>(), &mut inner);
    }
    // Bytes that were read in another encoding than they were written in.
    if !text.is_ascii() {
        for encoding in [GBK, WINDOWS_1252] {
            let (bytes, _, lost) = encoding.encode(text);
            if !lost {
                read(&bytes, &mut inner);
            }
        }
    }
    let alphabet = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    for run in text.split(|c| !alphabet(c)).filter(|run| run.len() >= SHORTEST_RUN) {
        let digits = run.bytes().take_while(u8::is_ascii_hexdigit).count();
        if let Ok(bytes) = hex::decode(&run[..digits - digits % 2]) {
            read(&bytes, &mut inner);
        }
        let standard = run.replace('=', "").replace('-', "+").replace('_', "/");
        // It may begin within something longer.
        for from in 0..4.min(standard.len()) {
            let rest = &standard[from..];
            let rest = &rest[..rest.len() - usize::from(rest.len() % 4 == 1)];
            if let Ok(bytes) = BASE64.decode(rest) {
                read(&bytes, &mut inner);
            }
        }
    }
    inner
}

/// Bytes as the texts that they can be.
fn read(bytes: &[u8], inner: &mut Vec<Inner>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => inner.push(Inner { text: text.to_owned(), whole: true }),
        Err(_) => inner.push(Inner { text: String::from_utf8_lossy(bytes).into_owned(), whole: false }),
    }
    if !bytes.is_ascii() {
        inner.push(Inner { text: GBK.decode(bytes).0.into_owned(), whole: false });
    }
}

/// `&#24352;` and `&#x5F20;` as what they stand for.
fn entities(text: &str) -> Option<String> {
    replaced(text, "&#", |rest| {
        let end = rest.find(';').filter(|end| *end <= 8)?;
        let number = &rest[..end];
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        Some((char::from_u32(code)?, end + 1))
    })
}

/// `\u5f20` as what it stands for.
fn escapes(text: &str) -> Option<String> {
    replaced(text, "\\u", |rest| {
        let code = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
        Some((char::from_u32(code)?, 4))
    })
}

/// A text with what follows each `mark` read as a character; nothing where there is none.
fn replaced(text: &str, mark: &str, read: impl Fn(&str) -> Option<(char, usize)>) -> Option<String> {
    let (first, mut rest) = text.split_once(mark)?;
    let mut out = first.to_owned();
    loop {
        match read(rest) {
            Some((c, length)) => {
                out.push(c);
                rest = &rest[length..];
            }
            None => out.push_str(mark),
        }
        let Some((between, after)) = rest.split_once(mark) else {
            out.push_str(rest);
            return Some(out);
        };
        out.push_str(between);
        rest = after;
    }
}
