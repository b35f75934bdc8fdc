//! Characters levelled one by one: width, dashes, brackets, traditional forms; what is invisible goes.
//!
//! Names are handled as UTF-16 units. Almost every character of a name is one unit, which makes a name an array that
//! can be compared, cut and counted without decoding.

use std::collections::HashMap;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization as _;

/// Simplified characters with the traditional ones that stand for them.
const TRADITIONAL: &str = include_str!("../../data/traditional.txt");
/// All kinds of dash that people type, and that fonts make look alike.
const DASHES: &str = "‐‑‒–—―−－﹣~～";
const OPENING: &str = "〔【﹙［[";
const CLOSING: &str = "〕】﹚］]";

/// 中国共产主义青年团
pub(crate) const LONG_PREFIX: [u16; 9] = units("中国共产主义青年团");
/// 共青团
pub(crate) const SHORT_PREFIX: [u16; 3] = units("共青团");

/// Stands in the table for what has no single unit.
const ELSEWHERE: u16 = 1;

/// For each unit what it becomes; 0 where it goes.
static TABLE: LazyLock<Box<[u16]>> = LazyLock::new(table);
/// What [`TABLE`] can't hold.
static REST: LazyLock<HashMap<char, char>> = LazyLock::new(rest);

/// The units of a text that has `N` of them, all in the Basic Multilingual Plane, at compile time.
pub(crate) const fn units<const N: usize>(text: &str) -> [u16; N] {
    let bytes = text.as_bytes();
    let mut out = [0; N];
    let (mut at, mut n) = (0, 0);
    while n < N {
        let first = bytes[at] as u16;
        if first < 0x80 {
            out[n] = first;
            at += 1;
        } else {
            let (second, third) = (bytes[at + 1] as u16, bytes[at + 2] as u16);
            out[n] = (first & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F;
            at += 3;
        }
        n += 1;
    }
    assert!(at == bytes.len(), "a text of another length, or with characters of two or four bytes");
    out
}

/// Appends a text's levelled units, and shortens the League's long prefix.
pub(crate) fn fold_into(text: &str, out: &mut Vec<u16>) {
    let table: &[u16] = &TABLE;
    let from = out.len();
    for c in text.chars() {
        match u16::try_from(u32::from(c)).map(|unit| table[usize::from(unit)]) {
            Ok(0) => {}
            Ok(ELSEWHERE) | Err(_) => fold_rare(c, out),
            Ok(unit) => out.push(unit),
        }
    }
    if out[from..].starts_with(&LONG_PREFIX) {
        out.splice(from..from + LONG_PREFIX.len(), SHORT_PREFIX);
    }
}

/// A text's levelled units.
pub(crate) fn fold(text: &str) -> Vec<u16> {
    let mut out = Vec::with_capacity(text.len() / 2);
    fold_into(text, &mut out);
    out
}

/// Units as text.
pub(crate) fn text(units: &[u16]) -> String {
    String::from_utf16_lossy(units)
}

/// A unit in lower case, for searching.
#[inline]
pub(crate) fn lower(unit: u16) -> u16 {
    match unit {
        0x2E80.. | 0..=0x40 | 0x5B..=0xBF => {
            if (0xA640..=0xABFF).contains(&unit) {
                lower_rare(unit)
            } else {
                unit
            }
        }
        0x41..=0x5A => unit + 0x20,
        _ => lower_rare(unit),
    }
}

fn lower_rare(unit: u16) -> u16 {
    let mut lowered = char::from_u32(u32::from(unit)).into_iter().flat_map(char::to_lowercase);
    match (lowered.next().map(|c| u16::try_from(u32::from(c))), lowered.next()) {
        (Some(Ok(one)), None) => one,
        _ => unit,
    }
}

fn fold_rare(c: char, out: &mut Vec<u16>) {
    if invisible(c) {
        return;
    }
    let c = compatible(c);
    match u16::try_from(u32::from(c)).map(|unit| TABLE[usize::from(unit)]) {
        Ok(unit) if unit > ELSEWHERE => out.push(unit),
        _ => out.extend_from_slice(REST.get(&c).unwrap_or(&c).encode_utf16(&mut [0; 2])),
    }
}

fn table() -> Box<[u16]> {
    let mut table: Vec<u16> = (0..=u16::MAX).collect();
    let simplified = simplified();
    for (unit, entry) in (0..=u16::MAX).zip(table.iter_mut()) {
        let Some(c) = char::from_u32(u32::from(unit)) else { continue };
        *entry = if invisible(c) { 0 } else { unit_of(level(c, &simplified)) };
    }
    table.into_boxed_slice()
}

fn unit_of(c: char) -> u16 {
    u16::try_from(u32::from(c)).unwrap_or(ELSEWHERE)
}

fn rest() -> HashMap<char, char> {
    let simplified = simplified();
    let mut rest = HashMap::new();
    for &c in simplified.keys() {
        let levelled = level(c, &simplified);
        if u32::from(c) > 0xFFFF || u32::from(levelled) > 0xFFFF {
            rest.insert(c, levelled);
        }
    }
    rest
}

fn simplified() -> HashMap<char, char> {
    let mut map = HashMap::new();
    for line in TRADITIONAL.lines().filter(|line| !line.starts_with('#')) {
        let mut characters = line.chars();
        if let Some(simple) = characters.next() {
            map.extend(characters.map(|traditional| (traditional, simple)));
        }
    }
    map
}

fn level(c: char, simplified: &HashMap<char, char>) -> char {
    let c = compatible(c);
    if DASHES.contains(c) {
        return '-';
    }
    if OPENING.contains(c) {
        return '(';
    }
    if CLOSING.contains(c) {
        return ')';
    }
    simplified.get(&c).copied().unwrap_or(c)
}

/// Full width becomes half width, and a second code of a Chinese character becomes its first.
fn compatible(c: char) -> char {
    match u32::from(c) {
        0xFF01..=0xFF5E | 0x2F00..=0x2FD5 | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F => {
            let mut all = std::iter::once(c).nfkc();
            match (all.next(), all.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        }
        _ => c,
    }
}

/// White space, control characters, and what has no width.
pub(crate) fn invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(u32::from(c),
            0xAD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x202A..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
            | 0xFFF9..=0xFFFB | 0xE0000..=0xE0FFF)
}
