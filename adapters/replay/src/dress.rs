//! The ways in which a text may stand in a message: encodings, escapes, and one inside another.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::{GB18030, UTF_16BE, UTF_16LE};
use league_contract::text::half_width;
use std::collections::BTreeSet;
use std::ops::Range;
use unicode_normalization::UnicodeNormalization as _;

/// Base64 with or without its padding.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// The shortest run in which anybody may be: eleven digits make sixteen characters. Of shorter ones only
/// [`short_texts`] tells.
const SHORTEST_BASE64: usize = 12;
/// The fewest bytes in which a name is: two characters of GBK.
const SHORTEST_INNER: usize = 4;
/// The shortest run that is looked at as hex: two characters of GBK.
const SHORTEST_HEX: usize = 8;
/// One inside another, at most so often.
const DEEPEST: usize = 4;
/// At most so many texts of one message.
pub(crate) const MOST_TEXTS: usize = 4096;

/// A value as its bytes may stand in a message, in a fixed order: the n-th dress of one value and of another are of a
/// kind.
pub(crate) fn dresses(value: &str) -> Vec<Vec<u8>> {
    let each = |write: &dyn Fn(char) -> String| -> Vec<u8> {
        let plain = |c: char| if c.is_ascii() { c.to_string() } else { write(c) };
        value.chars().map(plain).collect::<String>().into_bytes()
    };
    let units = |c: char, upper: bool| -> String {
        let mut buffer = [0u16; 2];
        let units = c.encode_utf16(&mut buffer).iter();
        units.map(|unit| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }).collect()
    };
    let percent = |bytes: &[u8], upper: bool| -> Vec<u8> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let one = |byte: &u8| match (unreserved(*byte), upper) {
            (true, _) => char::from(*byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        bytes.iter().map(one).collect::<String>().into_bytes()
    };
    let chinese = GB18030.encode(value).0.into_owned();
    let wide =
        |c: char| if c.is_ascii_graphic() { char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c) } else { c };
    let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    vec![
        value.as_bytes().to_vec(),
        escaped.into_bytes(),
        each(&|c| units(c, false)),
        each(&|c| units(c, true)),
        each(&|c| format!("&#{};", u32::from(c))),
        each(&|c| format!("&#x{:x};", u32::from(c))),
        each(&|c| format!("&#x{:X};", u32::from(c))),
        percent(value.as_bytes(), true),
        percent(value.as_bytes(), false),
        percent(&chinese, true),
        value.chars().map(wide).collect::<String>().into_bytes(),
        spaced(value, " ").into_bytes(),
        spaced(value, "-").into_bytes(),
        chinese,
    ]
}

/// `138-0013-8000`, `110105-19491231-002X`.
fn spaced(value: &str, separator: &str) -> String {
    if !value.is_ascii() {
        return value.to_owned();
    }
    match value.len() {
        11 => [&value[..3], &value[3..7], &value[7..]].join(separator),
        18 => [&value[..6], &value[6..14], &value[14..]].join(separator),
        _ => value.to_owned(),
    }
}

/// Every text that somebody could read out of a message, with the way there.
pub(crate) fn texts(message: &[u8]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<(&'static str, Vec<u8>, usize)> = vec![("as it stands", message.to_vec(), 0)];
    while let Some((dress, bytes, depth)) = open.pop() {
        for text in decoded(&bytes) {
            if found.len() >= MOST_TEXTS || !seen.insert(text.clone()) {
                continue;
            }
            if depth < DEEPEST {
                let inner = [
                    ("percent-encoded", unescaped_percent(&text)),
                    ("escaped as JSON", unescaped_json(&text).map(String::into_bytes)),
                    ("escaped as XML", unescaped_xml(&text).map(String::into_bytes)),
                ];
                open.extend(inner.into_iter().filter_map(|(dress, inner)| Some((dress, inner?, depth + 1))));
                let runs = base64_runs(text.as_bytes()).into_iter();
                let runs = runs.filter(|(place, _)| place.len() >= SHORTEST_BASE64);
                open.extend(runs.map(|(_, inner)| ("in Base64", inner, depth + 1)));
                let runs = hex_runs(&text).chain(hex_pairs(&text));
                open.extend(runs.map(|inner| ("in hex", inner, depth + 1)));
            }
            let text = plain(&text);
            // A raised figure may be a part of a number, or a note to it.
            let folded = (!text.is_ascii()).then(|| folded(&text)).filter(|folded| *folded != text);
            found.extend(folded.map(|folded| (dress, folded)));
            found.push((dress, text));
        }
    }
    found
}

/// What is in runs of Base64 too short for a number: a name is. Mostly noise, so look there only for what is known.
pub(crate) fn short_texts(text: &str) -> Vec<String> {
    let runs = base64_runs(text.as_bytes()).into_iter();
    let short = runs.filter(|(place, _)| place.len() < SHORTEST_BASE64);
    short.flat_map(|(_, inner)| decoded(&inner)).map(|text| folded(&text)).collect()
}

/// The text of bytes: as UTF-8, and where they are none, as GB 18030 too; and as UTF-16, where that is text throughout.
fn decoded(bytes: &[u8]) -> Vec<String> {
    let mut texts = match std::str::from_utf8(bytes) {
        Ok(text) => vec![text.to_owned()],
        Err(_) => vec![String::from_utf8_lossy(bytes).into_owned(), GB18030.decode(bytes).0.into_owned()],
    };
    let wide = [UTF_16LE, UTF_16BE].map(|encoding| encoding.decode_without_bom_handling(bytes));
    let readable = |text: &str| text.chars().all(readable);
    texts.extend(
        wide.into_iter()
            .filter(|(text, broken)| !broken && !text.is_empty() && readable(text))
            .map(|(text, _)| text.into_owned()),
    );
    texts
}

/// What people write in, here: ASCII, Chinese and its signs.
const fn readable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{A0}' | '·' | '\u{2000}'..='\u{206F}' | '\u{3000}'..='\u{9FFF}' | '\u{FEFF}' | '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Full-width forms, and the digits of other scripts, as ASCII.
fn plain(text: &str) -> String {
    half_width(text).chars().map(|c| ascii_digit(c).unwrap_or(c)).collect()
}

/// The same, and all that looks otherwise and means the same (NFKC): `①`, `¹`, ideographs that stand twice in Unicode.
pub(crate) fn folded(text: &str) -> String {
    plain(text).nfkc().collect()
}

/// A text with a space for each of its tags: `李</b><b>雷`. None where it has no tags.
pub(crate) fn untagged(text: &str) -> Option<String> {
    let begins = |c: char| c.is_alphabetic() || matches!(c, '/' | '!' | '?');
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        let tag = behind.split_once('>').filter(|(tag, _)| tag.starts_with(begins) && !tag.contains('<'));
        out.push(if tag.is_some() { ' ' } else { '<' });
        rest = tag.map_or(behind, |(_, behind)| behind);
        changed |= tag.is_some();
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// The ASCII digit for one of another script, or in a circle.
fn ascii_digit(c: char) -> Option<char> {
    /// Where circled digits without a compatible form begin, with 1.
    const ONES: [u32; 4] = [0x24F5, 0x2776, 0x2780, 0x278A];
    /// Where the digits of a script begin: Arabic, Persian, N'Ko, those of India, Thai, Lao, Tibetan, Burmese, Khmer,
    /// Mongolian, and mathematical ones.
    const ZEROS: [u32; 23] = [
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66,
        0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6,
    ];
    let code = u32::from(c);
    let zero = ZEROS.into_iter().find(|zero| (*zero..zero + 10).contains(&code));
    let zero =
        zero.or_else(|| ONES.into_iter().find(|one| (*one..one + 9).contains(&code)).map(|one| one - 1));
    char::from_digit(code - zero?, 10)
}

/// The runs of hex digits in a text, as bytes; of an odd run all but its last and all but its first digit.
fn hex_runs(text: &str) -> impl Iterator<Item = Vec<u8>> {
    let runs = text.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= SHORTEST_HEX);
    runs.flat_map(|run| {
        (0..=run.len() % 2).filter_map(|from| hex::decode(&run[from..from + run.len() / 2 * 2]).ok())
    })
}

/// The bytes in pairs of hex digits that one sign parts: `e6 9d 8e`, `E6:9D:8E`.
fn hex_pairs(text: &str) -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    for part in text.split(|c: char| !c.is_ascii_hexdigit()) {
        let byte = (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok()).flatten();
        match (byte, found.last_mut()) {
            (Some(byte), Some(last)) => last.push(byte),
            (_, Some(last)) if last.len() < SHORTEST_INNER => last.clear(),
            _ => found.push(Vec::new()),
        }
    }
    found.retain(|bytes| bytes.len() >= SHORTEST_INNER);
    found
}

/// The runs of Base64 in a text, where they stand, and what is in them. Digits and letters alone may be something else;
/// then what comes out is noise, and nobody is in it.
pub(crate) fn base64_runs(text: &[u8]) -> Vec<(Range<usize>, Vec<u8>)> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].iter().take_while(|byte| part(byte)).count();
        let padding = text[at + length..].iter().take_while(|byte| **byte == b'=').count();
        let run = &text[at..at + length];
        let inner = BASE64.decode(run).or_else(|_| BASE64_URL.decode(run)).ok();
        let inner = inner.filter(|inner| inner.len() >= SHORTEST_INNER);
        found.extend(inner.map(|inner| (at..at + length + padding.min(2), inner)));
        at += length + padding.max(1);
    }
    found
}

fn unescaped_percent(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut changed) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let code = code.and_then(|code| hex::decode(code).ok());
        match code.as_deref() {
            Some([code]) => {
                out.push(*code);
                (at, changed) = (at + 3, true);
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

fn unescaped_json(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    while let Some(c) = rest.chars().next() {
        let code = rest.strip_prefix("\\u").and_then(|rest| rest.get(..4));
        if let Some(unit) = code.and_then(|code| u16::from_str_radix(code, 16).ok()) {
            units.push(unit);
            (rest, changed) = (&rest[6..], true);
        } else if let Some(sign) = rest.strip_prefix('\\').and_then(|rest| rest.chars().next()).and_then(sign)
        {
            units.push(sign);
            (rest, changed) = (&rest[2..], true);
        } else {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            rest = &rest[c.len_utf8()..];
        }
    }
    changed.then(|| String::from_utf16_lossy(&units))
}

/// What a letter behind `\` stands for.
fn sign(letter: char) -> Option<u16> {
    let known =
        [('n', '\n'), ('t', '\t'), ('r', '\r'), ('b', ' '), ('f', ' '), ('"', '"'), ('/', '/'), ('\\', '\\')];
    known
        .into_iter()
        .find(|(known, _)| *known == letter)
        .and_then(|(_, sign)| u16::try_from(u32::from(sign)).ok())
}

fn unescaped_xml(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut changed) = (text, false);
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        let reference = from.split_once(';').and_then(|(name, behind)| Some((entity(name)?, behind)));
        match reference {
            Some((c, behind)) => {
                out.push(c);
                (rest, changed) = (behind, true);
            }
            None => {
                out.push('&');
                rest = from;
            }
        }
    }
    out.push_str(rest);
    changed.then_some(out)
}

fn entity(name: &str) -> Option<char> {
    if let Some(code) = name.strip_prefix('#') {
        let code = match code.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => code.parse(),
        };
        return code.ok().and_then(char::from_u32);
    }
    let known = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
    known.into_iter().find(|(known, _)| *known == name).map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a value wears, it is read; and so one inside another.
    #[test]
    fn every_dress_is_seen_through() {
        for value in ["张三", "𠮷·㛃<b>", "11010519491231002X", "13800138000"] {
            for dress in dresses(value) {
                let plain = |bytes: &[u8]| {
                    let texts = texts(&[b"<a>\"", bytes, b"\"</a>"].concat());
                    texts.iter().any(|(_, text)| text.replace([' ', '-'], "").contains(value))
                };
                assert!(plain(&dress), "{value}: {}", String::from_utf8_lossy(&dress));
                let wrapped = BASE64.encode([b"{\"name\":\"".as_slice(), &dress, b"\"}"].concat());
                assert!(plain(wrapped.as_bytes()), "{value} in Base64");
                let url = unpadded(&wrapped);
                assert!(plain(url.as_bytes()), "{value} in Base64 for URLs");
            }
        }
    }

    fn unpadded(text: &str) -> String {
        text.trim_end_matches('=').replace('+', "-").replace('/', "_")
    }

    #[test]
    fn noise_is_no_trouble() {
        let noise: Vec<u8> =
            (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
        assert!(!texts(&noise).is_empty());
        assert!(texts(b"").is_empty() || texts(b"") == [("as it stands", String::new())]);
        for broken in ["%", "%4", "%zz", "\\u12", "\\u", "&#;", "&#x110000;", "&nothing", "&;"] {
            assert!(texts(broken.as_bytes()).iter().any(|(_, text)| text == broken), "{broken}");
        }
    }
}
