//! Writing a document.

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

/// Writes a document as UTF-8 text, without white space of its own.
///
/// Texts and attributes are escaped. Characters that XML can't hold at all are the caller's to keep out.
pub struct Writer {
    inner: quick_xml::Writer<Vec<u8>>,
    open: Vec<String>,
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

impl Writer {
    /// An empty document, or part of one.
    #[must_use]
    pub fn new() -> Self {
        // A message of the profiles fits; a longer one grows.
        Self { inner: quick_xml::Writer::new(Vec::with_capacity(2048)), open: Vec::new() }
    }

    /// Begins an element; namespace declarations are attributes like others.
    pub fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.put(Event::Start(tag(name, attributes)));
        self.open.push(name.to_owned());
    }

    /// Ends the innermost element that was begun and has not ended; does nothing where there is none.
    pub fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.put(Event::End(BytesEnd::new(name)));
        }
    }

    /// An element that holds text alone.
    pub fn leaf(&mut self, name: &str, text: &str) {
        self.leaf_with(name, &[], text);
    }

    /// An element with attributes that holds text alone.
    pub fn leaf_with(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.start(name, attributes);
        self.put(Event::Text(BytesText::new(text)));
        self.end();
    }

    /// An element that holds nothing: `<name/>`.
    pub fn empty(&mut self, name: &str) {
        self.put(Event::Empty(tag(name, &[])));
    }

    /// Text that is XML already, as it stands.
    pub fn raw(&mut self, xml: &str) {
        self.put(Event::Text(BytesText::from_escaped(xml)));
    }

    /// What was written; elements still open are ended.
    #[must_use]
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        // Only text went in.
        String::from_utf8(self.inner.into_inner()).unwrap_or_default()
    }

    fn put(&mut self, event: Event<'_>) {
        // Writing to a Vec can't fail.
        self.inner.write_event(event).ok();
    }
}

fn tag<'a>(name: &'a str, attributes: &[(&str, &str)]) -> BytesStart<'a> {
    BytesStart::new(name).with_attributes(attributes.iter().copied())
}
