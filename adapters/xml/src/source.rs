//! From bytes to text: which encoding, whether the bytes fit it, and the way back from the text to the bytes.

use crate::XmlError;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::borrow::Cow;

/// An encoding that a document may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, also where nothing is declared. A byte order mark is tolerated.
    Utf8,
    /// GBK: one and two bytes.
    Gbk,
    /// GB 18030: one, two and four bytes.
    Gb18030,
}

impl Encoding {
    fn of(declared: &str) -> Option<Self> {
        let known = [("UTF-8", Self::Utf8), ("GBK", Self::Gbk), ("GB18030", Self::Gb18030)];
        known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(declared)).map(|(_, encoding)| encoding)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A document as text that remembers where its tags stood as bytes.
pub(crate) struct Source<'a> {
    pub(crate) text: Cow<'a, str>,
    offsets: Offsets,
}

enum Offsets {
    /// UTF-8: the text is the bytes after so many.
    Shifted(usize),
    /// The offset of every `<` and `>` in the text and in the bytes, in order. No other character of GBK or GB 18030
    /// holds these bytes, so the n-th in the text is the n-th in the bytes.
    Marks(Vec<(usize, usize)>),
}

impl<'a> Source<'a> {
    pub(crate) fn decode(raw: &'a [u8], accepted: &[Encoding]) -> Result<Self, XmlError> {
        let body = raw.strip_prefix(BYTE_ORDER_MARK).unwrap_or(raw);
        let encoding = declared(body)?;
        if !accepted.contains(&encoding) {
            return Err(XmlError::EncodingNotAccepted);
        }
        let shift = raw.len() - body.len();
        let source = match encoding {
            Encoding::Utf8 => {
                let text = std::str::from_utf8(body).map_err(|_| XmlError::EncodingMismatch)?;
                Self { text: Cow::Borrowed(text), offsets: Offsets::Shifted(shift) }
            }
            Encoding::Gbk | Encoding::Gb18030 if shift > 0 => return Err(XmlError::EncodingMismatch),
            Encoding::Gbk => Self::chinese(body, encoding_rs::GBK)?,
            Encoding::Gb18030 => Self::chinese(body, encoding_rs::GB18030)?,
        };
        if !source.text.chars().all(is_xml_char) || source.text.starts_with('\u{FEFF}') {
            return Err(XmlError::Character);
        }
        Ok(source)
    }

    fn chinese(raw: &'a [u8], encoding: &'static encoding_rs::Encoding) -> Result<Self, XmlError> {
        // The decoder reads GB 18030 under either name; a document that says GBK holds no four bytes.
        if encoding == encoding_rs::GBK && has_four_bytes(raw) {
            return Err(XmlError::EncodingMismatch);
        }
        let text = encoding
            .decode_without_bom_handling_and_without_replacement(raw)
            .ok_or(XmlError::EncodingMismatch)?;
        let in_text = text.match_indices(['<', '>']).map(|(at, _)| at);
        let in_raw = raw.iter().enumerate().filter(|(_, byte)| matches!(byte, b'<' | b'>')).map(|(at, _)| at);
        let marks = in_text.zip(in_raw).collect();
        Ok(Self { text, offsets: Offsets::Marks(marks) })
    }

    /// Where the `<` or `>` at this offset of the text stands in the raw document.
    pub(crate) fn raw_offset(&self, mark: usize) -> usize {
        match &self.offsets {
            Offsets::Shifted(shift) => mark + shift,
            // Only offsets of marks are asked for; any other would be a fault of ours and give an empty span.
            Offsets::Marks(marks) => {
                marks.binary_search_by_key(&mark, |(text, _)| *text).map_or(0, |at| marks[at].1)
            }
        }
    }
}

/// The encoding that the declaration names. The declaration itself is ASCII in every accepted encoding.
fn declared(body: &[u8]) -> Result<Encoding, XmlError> {
    let after = body.strip_prefix(b"<?xml").and_then(|rest| rest.first());
    let declares = after.is_some_and(|next| next.is_ascii_whitespace() || *next == b'?');
    if !declares {
        return Ok(Encoding::Utf8);
    }
    let end = body.windows(2).position(|pair| pair == b"?>").ok_or(XmlError::Declaration)?;
    let text = std::str::from_utf8(&body[..end + 2]).map_err(|_| XmlError::Declaration)?;
    let Ok(Event::Decl(declaration)) = Reader::from_str(text).read_event() else {
        return Err(XmlError::Declaration);
    };
    if declaration.version().ok().as_deref() != Some("1.0") {
        return Err(XmlError::Declaration);
    }
    match declaration.encoding() {
        None => Ok(Encoding::Utf8),
        Some(Ok(name)) => Encoding::of(&name).ok_or(XmlError::EncodingNotAccepted),
        Some(Err(_)) => Err(XmlError::Declaration),
    }
}

/// Whether a digit follows a lead byte, which in GB 18030 begins four bytes. (0x80 stands alone: the euro sign.)
fn has_four_bytes(raw: &[u8]) -> bool {
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte > 0x80 && bytes.next().is_some_and(u8::is_ascii_digit) {
            return true;
        }
    }
    false
}

/// `Char` of XML 1.0, 2.2.
pub(crate) const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}
