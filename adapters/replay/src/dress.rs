//! The ways in which a text may stand in a message: encodings, escapes, and one inside another.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::GB18030;
use league_contract::text::half_width;
use std::collections::BTreeSet;
use std::ops::Range;

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
/// The shortest run that is looked at as Base64: eleven digits make sixteen characters.
const SHORTEST_BASE64: usize = 12;
/// One inside another, at most so often.
const DEEPEST: usize = 4;
/// At most so many texts of one message.
const MOST_TEXTS: usize = 512;

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
                open.extend(runs.map(|(_, inner)| ("in Base64", inner, depth + 1)));
            }
            found.push((dress, half_width(&text)));
        }
    }
    found
}

/// The text of bytes: as UTF-8, and where they are none, as GB 18030 too.
fn decoded(bytes: &[u8]) -> Vec<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => vec![text.to_owned()],
        Err(_) => vec![String::from_utf8_lossy(bytes).into_owned(), GB18030.decode(bytes).0.into_owned()],
    }
}

/// The runs of Base64 in a text, where they stand, and what is in them. Digits and letters alone may be something else;
/// then what comes out is noise, and nobody is in it.
pub(crate) fn base64_runs(text: &[u8]) -> Vec<(Range<usize>, Vec<u8>)> {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    let mut found = Vec::new();
    let mut begin = None;
    for at in 0..=text.len() {
        let inside = text.get(at).is_some_and(|byte| part(*byte));
        match (begin, inside) {
            (None, true) => begin = Some(at),
            (Some(from), false) => {
                let run = &text[from..at];
                let inner = BASE64.decode(run).or_else(|_| BASE64_URL.decode(run)).ok();
                let inner = inner.filter(|_| run.len() >= SHORTEST_BASE64);
                found.extend(inner.map(|inner| (from..at, inner)));
                begin = None;
            }
            (None, false) | (Some(_), true) => {}
        }
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
        } else {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            rest = &rest[c.len_utf8()..];
        }
    }
    changed.then(|| String::from_utf16_lossy(&units))
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
