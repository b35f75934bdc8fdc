//! A message of a partner's, or of ours to one, as it may be shown: laid out anew, with every value starred out but those
//! that the profile calls open ([`OpenFields`]) and that hide nobody.

use super::Bilingual;
use super::persons::Persons;
use league_contract::{OpenFields, document};
use league_replay::{parse_request, parse_response};
use league_xml::{Element, Encoding};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Headers that every profile has.
const HEADERS: [&str; 5] = ["Content-Type", "Content-Length", "Date", "Retry-After", "Server"];
const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Gbk, Encoding::Gb18030];

/// A message, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MessageView {
    /// `POST /api/v2/transfer/in`, or `HTTP 200`; nothing of a message whose head is not kept.
    pub start: Option<String>,
    /// Its headers; a value that must not be shown is `***`.
    pub headers: Vec<HeaderView>,
    /// How long the body was, in bytes.
    pub bytes: usize,
    /// The body: JSON or XML, laid out anew, each value shown, masked, or `***`.
    pub body: Option<String>,
    /// Why there is no body to see.
    pub withheld: Option<Bilingual>,
}

/// A header, masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeaderView {
    /// Its name.
    pub name: String,
    /// Its value, or `***`.
    pub value: String,
}

/// Masks the messages of one transfer.
pub struct Masking<'a> {
    fields: OpenFields,
    persons: Persons<'a>,
}

impl<'a> Masking<'a> {
    /// With a system's open fields, or none where the system is not known any more.
    #[must_use]
    pub fn new(fields: Option<OpenFields>, persons: Persons<'a>) -> Self {
        Self { fields: fields.unwrap_or(OpenFields { plain: &[], words: &[] }), persons }
    }

    /// What a request hides: a document that was amended since may have named others.
    #[must_use]
    pub fn hidden(&self, stored: &[u8]) -> Vec<String> {
        let mut hidden = Vec::new();
        let Ok(request) = parse_request(stored) else { return hidden };
        match Body::read(&request.body) {
            Body::Json(value) => self.hidden_in_json("", &value, &mut hidden),
            Body::Xml(root) => self.hidden_in_xml(&root, &mut hidden),
            Body::Empty | Body::Other => {}
        }
        hidden
    }

    /// A number or a code of somebody else's.
    #[must_use]
    pub fn plain(&self, text: &str) -> String {
        self.persons.plain(text)
    }

    /// A sentence of somebody else's.
    #[must_use]
    pub fn sentence(&self, text: &str) -> String {
        self.persons.sentence(text)
    }

    /// A request as it is kept.
    #[must_use]
    pub fn request(&self, stored: &[u8]) -> MessageView {
        let Ok(request) = parse_request(stored) else { return damaged(stored.len()) };
        let target = percent_decode_str(&request.target).decode_utf8_lossy().into_owned();
        let start = format!("{} {}", request.method.as_str(), self.persons.plain(&target));
        MessageView {
            start: Some(start),
            headers: self.headers(&request.headers),
            ..self.body(&request.body)
        }
    }

    /// An answer as it is kept.
    #[must_use]
    pub fn response(&self, stored: &[u8]) -> MessageView {
        let Ok(response) = parse_response(stored) else { return damaged(stored.len()) };
        let start = format!("HTTP {}", response.status);
        let headers = self.headers(&response.headers);
        MessageView { start: Some(start), headers, ..self.body(&response.body) }
    }

    /// A body alone.
    #[must_use]
    pub fn body(&self, raw: &[u8]) -> MessageView {
        let (body, withheld) = match Body::read(raw) {
            Body::Empty => (None, None),
            Body::Json(value) => (serde_json::to_string_pretty(&self.json("", value)).ok(), None),
            Body::Xml(root) => {
                let mut out = String::new();
                self.xml(&root, 0, &mut out);
                (Some(out), None)
            }
            Body::Other => (None, Some(shape(raw))),
        };
        MessageView { start: None, headers: Vec::new(), bytes: raw.len(), body, withheld }
    }

    fn headers(&self, headers: &[(String, String)]) -> Vec<HeaderView> {
        let open = |name: &str| {
            HEADERS.iter().chain(self.fields.plain).any(|known| known.eq_ignore_ascii_case(name))
        };
        let shown = |(name, value): &(String, String)| HeaderView {
            name: document::shown_key(name),
            value: if open(name) { self.persons.plain(value) } else { "***".to_owned() },
        };
        headers.iter().map(shown).collect()
    }

    /// The value of a field.
    fn value(&self, name: &str, value: &str) -> String {
        if value.trim().is_empty() {
            String::new()
        } else if self.fields.plain.contains(&name) {
            self.persons.plain(value)
        } else if self.fields.words.contains(&name) {
            self.persons.sentence(value)
        } else {
            self.persons.instead_of(value)
        }
    }

    fn is_open(&self, name: &str) -> bool {
        self.fields.plain.contains(&name) || self.fields.words.contains(&name)
    }

    fn json(&self, name: &str, value: Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value,
            Value::Number(number) => {
                let text = number.to_string();
                let shown = self.value(name, &text);
                if shown == text { Value::Number(number) } else { Value::String(shown) }
            }
            Value::String(text) => Value::String(self.value(name, &text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.json(name, item)).collect())
            }
            Value::Object(fields) => Value::Object(
                fields.into_iter().map(|(key, value)| (self.key(&key), self.json(&key, value))).collect(),
            ),
        }
    }

    /// A name may be anything, a person's too.
    fn key(&self, key: &str) -> String {
        if self.is_open(key) { key.to_owned() } else { self.persons.plain(&document::shown_key(key)) }
    }

    fn xml(&self, element: &Element, depth: usize, out: &mut String) {
        let name = self.key(&element.name);
        out.push_str(&"  ".repeat(depth));
        out.push_str(&format!("<{name}"));
        for attribute in &element.attributes {
            let value = self.value(&format!("@{}", attribute.name), &attribute.value);
            out.push_str(&format!(" {}=\"{}\"", self.key(&attribute.name), escaped(&value)));
        }
        let text = escaped(&self.value(&element.name, element.text.trim()));
        if element.children.is_empty() {
            out.push_str(&format!(">{text}</{name}>\n"));
            return;
        }
        out.push_str(&format!(">{text}\n"));
        for child in &element.children {
            self.xml(child, depth + 1, out);
        }
        out.push_str(&format!("{}</{name}>\n", "  ".repeat(depth)));
    }

    fn hidden_in_json(&self, name: &str, value: &Value, hidden: &mut Vec<String>) {
        match value {
            Value::String(text) if !self.is_open(name) => hidden.push(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            Value::Array(items) => items.iter().for_each(|item| self.hidden_in_json(name, item, hidden)),
            Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| self.hidden_in_json(key, value, hidden));
            }
        }
    }

    fn hidden_in_xml(&self, element: &Element, hidden: &mut Vec<String>) {
        if element.children.is_empty() && !self.is_open(&element.name) {
            hidden.push(element.text.clone());
        }
        element.children.iter().for_each(|child| self.hidden_in_xml(child, hidden));
    }
}

/// What a body is.
enum Body {
    Empty,
    Json(Value),
    Xml(Box<Element>),
    /// Not whole, or of no form that can be taken apart.
    Other,
}

impl Body {
    fn read(raw: &[u8]) -> Self {
        let first = raw.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            None => Self::Empty,
            Some(b'{' | b'[') => serde_json::from_slice(raw).map_or(Self::Other, Self::Json),
            Some(_) => {
                league_xml::parse(raw, &ENCODINGS).map_or(Self::Other, |root| Self::Xml(Box::new(root)))
            }
        }
    }
}

/// What can be said of a body that can't be taken apart.
fn shape(raw: &[u8]) -> Bilingual {
    let looks = match raw.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => ["类似 XML 或 HTML", "looks like XML or HTML"],
        Some(b'{' | b'[') => ["类似 JSON", "looks like JSON"],
        Some(_) | None => ["其他格式", "something else"],
    };
    let utf8 = std::str::from_utf8(raw).is_ok();
    let encoding = if utf8 { ["UTF-8", "UTF-8"] } else { ["非 UTF-8", "not UTF-8"] };
    let bytes = raw.len();
    Bilingual {
        zh: format!("{bytes} 字节，{}，{}；无法解析，不能确保遮盖个人信息，故不显示", looks[0], encoding[0]),
        en: format!(
            "{bytes} bytes, {}, {}: it can't be taken apart, so nobody can be sure that it is masked, and it is not shown",
            looks[1], encoding[1]
        ),
    }
}

fn damaged(bytes: usize) -> MessageView {
    let withheld = Bilingual {
        zh: "报文头无法解析，故不显示".to_owned(),
        en: "its head can't be read: it is not shown".to_owned(),
    };
    MessageView { start: None, headers: Vec::new(), bytes, body: None, withheld: Some(withheld) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
