//! Field by field: what differs between what was expected and what came.

use league_contract::{WireRequest, WireResponse};
use quick_xml::events::{BytesStart, Event};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which: `request.header.X-Nonce`, `request.body.member.name` (JSON), `request.body/Exchange/Head/AppKey` (XML),
    /// `expect.reply.answered.receipt.status`.
    pub field: String,
    /// What the fixture says.
    pub expected: String,
    /// What the adapter made.
    pub actual: String,
}

/// Stands for a value that is not there.
const ABSENT: &str = "(absent)";

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  expected: {}\n  actual:   {}", self.field, self.expected, self.actual)
    }
}

impl Difference {
    pub(crate) fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), expected: expected.into(), actual: actual.into() }
    }
}

/// A value by the path of each of its leaves, in order.
type Leaves = Vec<(String, String)>;

pub(crate) fn requests(expected: &WireRequest, actual: &WireRequest) -> Vec<Difference> {
    let mut found = texts("request.method", expected.method.as_str(), actual.method.as_str());
    found.extend(texts("request.target", &expected.target, &actual.target));
    found.extend(headers("request", &expected.headers, &actual.headers));
    found.extend(bodies("request.body", &expected.body, &actual.body));
    found
}

pub(crate) fn responses(expected: &WireResponse, actual: &WireResponse) -> Vec<Difference> {
    let mut found = texts("response.status", &expected.status.to_string(), &actual.status.to_string());
    found.extend(headers("response", &expected.headers, &actual.headers));
    found.extend(bodies("response.body", &expected.body, &actual.body));
    found
}

/// Two values of the contract, as the JSON that they serialize to.
pub(crate) fn values<T: Serialize>(field: &str, expected: &T, actual: &T) -> Vec<Difference> {
    leaves(&json(field, &to_value(expected)), &json(field, &to_value(actual)))
}

/// A value on one line, for a difference of kind.
pub(crate) fn shown<T: Serialize>(value: &T) -> String {
    to_value(value).to_string()
}

pub(crate) fn texts(field: &str, expected: &str, actual: &str) -> Vec<Difference> {
    if expected == actual { Vec::new() } else { vec![Difference::new(field, expected, actual)] }
}

fn to_value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn headers(side: &str, expected: &[(String, String)], actual: &[(String, String)]) -> Vec<Difference> {
    let list = |headers: &[(String, String)]| {
        let mut seen = Vec::new();
        let named = headers
            .iter()
            .map(|(name, value)| (format!("{side}.header.{}", numbered(&mut seen, name)), value.clone()));
        named.collect::<Leaves>()
    };
    let found = leaves(&list(expected), &list(actual));
    if !found.is_empty() || expected == actual {
        return found;
    }
    let names = |headers: &[(String, String)]| {
        headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    texts(&format!("{side}.headers (order)"), &names(expected), &names(actual))
}

fn bodies(field: &str, expected: &[u8], actual: &[u8]) -> Vec<Difference> {
    if expected == actual {
        return Vec::new();
    }
    let parsed = |parse: &dyn Fn(&[u8]) -> Option<Leaves>| Some((parse(expected)?, parse(actual)?));
    let as_json = |bytes: &[u8]| Some(json(field, &serde_json::from_slice(bytes).ok()?));
    let as_xml = |bytes: &[u8]| xml(field, bytes);
    let by_field = parsed(&as_json).or_else(|| parsed(&as_xml)).map(|(one, other)| leaves(&one, &other));
    // The same fields in other bytes (order, white space, escapes, encoding) are still another message.
    by_field.filter(|found| !found.is_empty()).unwrap_or_else(|| vec![at_byte(field, expected, actual)])
}

/// The first byte that differs, with what stands around it.
fn at_byte(field: &str, expected: &[u8], actual: &[u8]) -> Difference {
    let at = expected.iter().zip(actual).take_while(|(one, other)| one == other).count();
    let around = |bytes: &[u8]| {
        let window = &bytes[at.saturating_sub(24).min(bytes.len())..(at + 40).min(bytes.len())];
        format!("… {:?} … ({} bytes)", String::from_utf8_lossy(window), bytes.len())
    };
    Difference::new(format!("{field} (byte {at})"), around(expected), around(actual))
}

fn leaves(expected: &Leaves, actual: &Leaves) -> Vec<Difference> {
    let find = |list: &Leaves, path: &str| {
        list.iter().find(|(known, _)| known == path).map(|(_, value)| value.clone())
    };
    let mut found = Vec::new();
    for (path, value) in expected {
        match find(actual, path) {
            Some(other) if other == *value => {}
            other => found.push(Difference::new(path, value, other.unwrap_or_else(|| ABSENT.to_owned()))),
        }
    }
    let extra = actual.iter().filter(|(path, _)| find(expected, path).is_none());
    found.extend(extra.map(|(path, value)| Difference::new(path, ABSENT, value)));
    found
}

fn json(path: &str, value: &Value) -> Leaves {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().flat_map(|(key, value)| json(&format!("{path}.{key}"), value)).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let numbered = items.iter().enumerate();
            numbered.flat_map(|(at, value)| json(&format!("{path}[{at}]"), value)).collect()
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => vec![(path.to_owned(), value.to_string())],
    }
}

/// The second of a name is `name[2]`.
fn numbered(seen: &mut Vec<String>, name: &str) -> String {
    seen.push(name.to_owned());
    match seen.iter().filter(|known| *known == name).count() {
        1 => name.to_owned(),
        count => format!("{name}[{count}]"),
    }
}

/// The texts and attributes of an XML document, by path; `None` where it is none.
fn xml(field: &str, bytes: &[u8]) -> Option<Leaves> {
    let text = declared_encoding(bytes).decode_without_bom_handling_and_without_replacement(bytes)?;
    let mut reader = quick_xml::Reader::from_str(&text);
    // The path so far, with the names of the children that it has had.
    let mut open: Vec<(String, Vec<String>)> = vec![(field.to_owned(), Vec::new())];
    let mut found = Leaves::new();
    let mut content = String::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                content.clear();
                let path = enter(&mut open, &start, &mut found)?;
                open.push((path, Vec::new()));
            }
            Event::Empty(start) => {
                let path = enter(&mut open, &start, &mut found)?;
                found.push((path, String::new()));
            }
            Event::Text(part) => content.push_str(&part),
            Event::CData(part) => content.push_str(&part),
            Event::GeneralRef(name) => content.push_str(&format!("&{};", &*name)),
            Event::End(_) => {
                let (path, children) = open.pop()?;
                if children.is_empty() {
                    found.push((path, content.clone()));
                }
                content.clear();
            }
            Event::Eof => return (open.len() == 1 && !found.is_empty()).then_some(found),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

fn enter(open: &mut [(String, Vec<String>)], start: &BytesStart<'_>, found: &mut Leaves) -> Option<String> {
    let name = start.name().as_ref().to_owned();
    let (parent, siblings) = open.last_mut()?;
    let path = format!("{parent}/{}", numbered(siblings, &name));
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        found.push((format!("{path}/@{}", attribute.key.as_ref()), attribute.value.into_owned()));
    }
    Some(path)
}

fn declared_encoding(bytes: &[u8]) -> &'static encoding_rs::Encoding {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(100)]).into_owned();
    let label = head.split_once("encoding=").and_then(|(_, rest)| rest.get(1..)?.split(['"', '\'']).next());
    label.and_then(|label| encoding_rs::Encoding::for_label(label.as_bytes())).unwrap_or(encoding_rs::UTF_8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(expected: &str, actual: &str) -> Vec<String> {
        let found = bodies("body", expected.as_bytes(), actual.as_bytes());
        found.into_iter().map(|one| format!("{}: {} | {}", one.field, one.expected, one.actual)).collect()
    }

    #[test]
    fn json_differs_by_path() {
        assert_eq!(
            fields(r#"{"a":{"b":"x","c":[1,2]}}"#, r#"{"a":{"b":"y","c":[1]},"d":null}"#),
            [r#"body.a.b: "x" | "y""#, "body.a.c[1]: 2 | (absent)", "body.d: (absent) | null"]
        );
    }

    #[test]
    fn xml_differs_by_path() {
        assert_eq!(
            fields(
                "<E v=\"1\"><B><O><N>a</N></O><O><N>b</N></O></B></E>",
                "<E v=\"2\"><B><O><N>a</N></O><O><N>c</N><M/></O></B></E>"
            ),
            ["body/E/@v: 1 | 2", "body/E/B/O[2]/N: b | c", "body/E/B/O[2]/M: (absent) | "]
        );
    }

    #[test]
    fn the_same_fields_in_other_bytes_still_differ() {
        let found = fields(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("body (byte 2): "), "{found:?}");
        assert_eq!(fields("<A>x</A>", "<A>x</A>\n").len(), 1);
        assert_eq!(fields("plain", "plainer").len(), 1);
    }

    #[test]
    fn gbk_documents_are_read_in_their_own_encoding() {
        let document = |name: &str| {
            let text = format!("<?xml version=\"1.0\" encoding=\"GBK\"?><A><N>{name}</N></A>");
            encoding_rs::GBK.encode(&text).0.into_owned()
        };
        let found = bodies("body", &document("广东"), &document("福建"));
        assert_eq!(found, [Difference::new("body/A/N", "广东", "福建")]);
    }

    #[test]
    fn headers_differ_by_name_then_by_order() {
        let list = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let one = list(&[("A", "1"), ("B", "2")]);
        assert_eq!(headers("request", &one, &one), []);
        assert_eq!(
            headers("request", &one, &list(&[("A", "1"), ("B", "3")])),
            [Difference::new("request.header.B", "2", "3")]
        );
        assert_eq!(
            headers("request", &one, &list(&[("B", "2"), ("A", "1")])),
            [Difference::new("request.headers (order)", "A, B", "B, A")]
        );
    }
}
