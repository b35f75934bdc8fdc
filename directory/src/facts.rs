//! What a row says beside its key: how the name is written, the identifier, kind and parent.

use crate::bytes::{Reader, put, put_bytes};
use crate::name::fold::{LONG_PREFIX, SHORT_PREFIX};

/// The name has the long prefix where the key has the short one.
pub(crate) const LONG: u8 = 1;
/// The name's brackets are all of full width.
pub(crate) const WIDE: u8 = 2;
/// The name stands here, since key and marks can't tell it.
pub(crate) const VERBATIM: u8 = 4;
const SAME_PARENT: u8 = 8;
const SAME_KIND: u8 = 16;

/// An identifier. Those that are numbers take four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Id<'a> {
    /// There is none: a parent's.
    None,
    /// Digits only, and no zero before them.
    Number(u64),
    /// Anything else.
    Text(&'a str),
}

impl<'a> Id<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let canonical = matches!(bytes, [b'1'..=b'9', ..] | b"0") && bytes.len() <= 18;
        match text.parse() {
            _ if bytes.is_empty() => Self::None,
            Ok(number) if canonical && bytes.iter().all(u8::is_ascii_digit) => Self::Number(number),
            _ => Self::Text(text),
        }
    }

    pub(crate) fn text(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.to_owned()),
        }
    }

    pub(crate) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::None => put(out, 1),
            Self::Number(number) => put(out, number << 1),
            Self::Text(text) => {
                put(out, (text.len() as u64) << 1 | 1);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let head = reader.number()?;
        match (head & 1, head >> 1) {
            (0, number) => Some(Self::Number(number)),
            (_, 0) => Some(Self::None),
            (_, length) => {
                let bytes = reader.take(usize::try_from(length).ok()?)?;
                Some(Self::Text(std::str::from_utf8(bytes).ok()?))
            }
        }
    }
}

/// What a row says. Kind 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowFacts<'a> {
    pub(crate) writing: u8,
    pub(crate) id: Id<'a>,
    pub(crate) parent: Id<'a>,
    pub(crate) kind: u64,
    pub(crate) verbatim: &'a str,
}

impl Default for RowFacts<'_> {
    fn default() -> Self {
        Self { writing: 0, id: Id::None, parent: Id::None, kind: 0, verbatim: "" }
    }
}

impl<'a> RowFacts<'a> {
    /// Appends, leaving out what is as in the row before.
    pub(crate) fn put(&self, before: &RowFacts<'_>, out: &mut Vec<u8>) {
        let mut flags = self.writing;
        flags |= if self.parent == before.parent { SAME_PARENT } else { 0 };
        flags |= if self.kind == before.kind { SAME_KIND } else { 0 };
        out.push(flags);
        self.id.put(out);
        if flags & SAME_PARENT == 0 {
            self.parent.put(out);
        }
        if flags & SAME_KIND == 0 {
            put(out, self.kind);
        }
        if flags & VERBATIM != 0 {
            put_bytes(out, self.verbatim.as_bytes());
        }
    }

    /// The next row, given the row before.
    pub(crate) fn read(reader: &mut Reader<'a>, before: &RowFacts<'a>) -> Option<Self> {
        let flags = reader.take(1)?[0];
        let id = Id::read(reader)?;
        let parent = if flags & SAME_PARENT == 0 { Id::read(reader)? } else { before.parent };
        let kind = if flags & SAME_KIND == 0 { reader.number()? } else { before.kind };
        let verbatim = if flags & VERBATIM == 0 { "" } else { reader.text()? };
        Some(Self { writing: flags & (LONG | WIDE | VERBATIM), id, parent, kind, verbatim })
    }

    /// The name as it was given.
    pub(crate) fn name(&self, key: &[u16]) -> String {
        if self.writing & VERBATIM != 0 {
            return self.verbatim.to_owned();
        }
        let mut name = String::with_capacity((key.len() + LONG_PREFIX.len()) * 3);
        name.extend(spelled(key, self.writing));
        name
    }
}

/// A key as the marks say that its name is written.
fn spelled(key: &[u16], writing: u8) -> impl Iterator<Item = char> {
    let long = writing & LONG != 0 && key.starts_with(&SHORT_PREFIX);
    let (prefix, rest): (&[u16], _) =
        if long { (&LONG_PREFIX, &key[SHORT_PREFIX.len()..]) } else { (&[], key) };
    let units = prefix.iter().chain(rest).copied();
    let wide = writing & WIDE != 0;
    char::decode_utf16(units).map(move |c| match c.unwrap_or(char::REPLACEMENT_CHARACTER) {
        '(' if wide => '（',
        ')' if wide => '）',
        c => c,
    })
}

/// The marks that make a name of its key.
pub(crate) fn writing(name: &str, key: &[u16]) -> u8 {
    let mut marks = 0;
    // Three bytes each: no name with the short prefix begins with these.
    if name.starts_with('中') && key.starts_with(&SHORT_PREFIX) {
        marks |= LONG;
    }
    if name.contains('（') || name.contains('）') {
        marks |= WIDE;
    }
    if spelled(key, marks).eq(name.chars()) { marks } else { VERBATIM }
}
