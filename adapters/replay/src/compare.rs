//! Field by field: what differs between what was expected and what came. JSON is compared by value and XML by namespace,
//! so neither the order of keys nor a prefix is a difference; that the bytes differ all the same is said apart.

use league_contract::{WireRequest, WireResponse};
use league_xml::{Element, Encoding};
use serde::Serialize;
use serde_json::{Number, Value};
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

/// What differs between two messages.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The fields.
    pub(crate) fields: Vec<Difference>,
    /// The same fields in other bytes (order, white space, escapes, prefixes, encoding): the first byte.
    pub(crate) bytes: Vec<Difference>,
}

impl Found {
    /// Whoever compares byte for byte.
    pub(crate) fn exactly(self) -> Vec<Difference> {
        [self.fields, self.bytes].concat()
    }
}

/// A value by the path of each of its leaves, in order.
pub(crate) type Leaves = Vec<(String, String)>;

pub(crate) fn requests(expected: &WireRequest, actual: &WireRequest) -> Found {
    let mut found = bodies("request.body", &expected.body, &actual.body);
    let mut fields = texts("request.method", expected.method.as_str(), actual.method.as_str());
    fields.extend(texts("request.target", &expected.target, &actual.target));
    fields.extend(headers("request", &expected.headers, &actual.headers));
    fields.append(&mut found.fields);
    Found { fields, ..found }
}

pub(crate) fn responses(expected: &WireResponse, actual: &WireResponse) -> Found {
    let mut found = bodies("response.body", &expected.body, &actual.body);
    let mut fields = texts("response.status", &expected.status.to_string(), &actual.status.to_string());
    fields.extend(headers("response", &expected.headers, &actual.headers));
    fields.append(&mut found.fields);
    Found { fields, ..found }
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

fn bodies(field: &str, expected: &[u8], actual: &[u8]) -> Found {
    if expected == actual {
        return Found::default();
    }
    let by_field = structure(field, expected).zip(structure(field, actual));
    let fields = by_field.as_ref().map(|(one, other)| leaves(one, other)).unwrap_or_default();
    let first_byte = || vec![at_byte(field, expected, actual)];
    match by_field {
        Some(_) if fields.is_empty() => Found { fields, bytes: first_byte() },
        Some(_) => Found { fields, bytes: Vec::new() },
        None => Found { fields: first_byte(), bytes: Vec::new() },
    }
}

/// The leaves of a body that is JSON or XML.
pub(crate) fn structure(field: &str, body: &[u8]) -> Option<Leaves> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return Some(json(field, &value));
    }
    let root = league_xml::parse(body, &[Encoding::Utf8, Encoding::Gbk, Encoding::Gb18030]).ok()?;
    let mut found = Leaves::new();
    let path = format!("{field}/{}", root.name);
    xml(&path, "", &root, &mut found);
    Some(found)
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

pub(crate) fn leaves(expected: &Leaves, actual: &Leaves) -> Vec<Difference> {
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
        Value::Number(number) => vec![(path.to_owned(), by_value(number))],
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            vec![(path.to_owned(), value.to_string())]
        }
    }
}

/// `1`, `1.0` and `1e0` are one number. What a double can't tell apart from its neighbour stays as it is written.
fn by_value(number: &Number) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < EXACT => {
            format!("{value:.0}")
        }
        _ => number.to_string(),
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

/// The texts and attributes of an element, by the path of local names. A namespace is a leaf of its own, where it is not
/// the parent's.
fn xml(path: &str, parent: &str, element: &Element, found: &mut Leaves) {
    if *element.namespace != *parent {
        found.push((format!("{path} (namespace)"), element.namespace.to_string()));
    }
    let mut attributes: Vec<(String, String)> = element
        .attributes
        .iter()
        .map(|it| {
            let namespace =
                if it.namespace.is_empty() { String::new() } else { format!("{{{}}}", it.namespace) };
            (format!("{path}/@{namespace}{}", it.name), it.value.clone())
        })
        .collect();
    attributes.sort();
    found.append(&mut attributes);
    let mut siblings = Vec::new();
    for child in &element.children {
        let name = numbered(&mut siblings, &child.name);
        xml(&format!("{path}/{name}"), &element.namespace, child, found);
    }
    if element.children.is_empty() {
        found.push((path.to_owned(), element.text.clone()));
    } else if !element.text.trim().is_empty() {
        found.push((format!("{path}/text()"), element.text.trim().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(expected: &str, actual: &str) -> Vec<String> {
        let found = bodies("body", expected.as_bytes(), actual.as_bytes()).exactly();
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
    fn xml_is_compared_by_namespace_and_json_by_value() {
        let same = |one: &str, other: &str| {
            let found = bodies("body", one.as_bytes(), other.as_bytes());
            assert_eq!(found.bytes.len(), 1, "other bytes: {one}");
            found.fields
        };
        let prefixed = "<p:A xmlns:p='urn:a' x='1' y='2'><p:B>1 &lt; 2</p:B></p:A>";
        assert_eq!(same(prefixed, "<A xmlns=\"urn:a\" y=\"2\" x=\"1\">\n <B><![CDATA[1 < 2]]></B></A>"), []);
        assert_eq!(same(r#"{"a":1.0,"b":"\u5f20"}"#, r#"{ "b": "张", "a": 1 }"#), []);
        assert_eq!(
            fields("<p:A xmlns:p='urn:a'><p:B/></p:A>", "<p:A xmlns:p='urn:b'><B/></p:A>"),
            ["body/A (namespace): urn:a | urn:b", "body/A/B (namespace): (absent) | "]
        );
        assert_eq!(fields("<A>x<B/></A>", "<A>y<B/></A>"), ["body/A/text(): x | y"]);
        assert_eq!(fields(r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#).len(), 1);
    }

    #[test]
    fn gbk_documents_are_read_in_their_own_encoding() {
        let document = |name: &str| {
            let text = format!("<?xml version=\"1.0\" encoding=\"GBK\"?><A><N>{name}</N></A>");
            encoding_rs::GBK.encode(&text).0.into_owned()
        };
        let found = bodies("body", &document("广东"), &document("福建"));
        assert_eq!(found.exactly(), [Difference::new("body/A/N", "广东", "福建")]);
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
