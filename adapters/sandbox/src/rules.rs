//! The rules of fields, the same words for JSON and XML; each partner's tables are its profile's.

use crate::partner::Content;
use crate::time::{read_instant, read_stamp};
use roxmltree::Node;
use serde_json::Value;

/// What a text must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rule {
    Any,
    /// So many characters.
    Length(usize, usize),
    /// Exactly so many digits.
    Digits(usize),
    OneOf(&'static [&'static str]),
    /// A whole number in this range.
    Number(i64, i64),
    /// 1 to 64 of `A-Z a-z 0-9 _ -`.
    RequestId,
    /// GB 11643, with its check character.
    IdNumber,
    /// 1 and ten digits.
    Phone,
    /// `yyyy-MM`
    Month,
    /// `yyyyMMddHHmmss`, a time that exists.
    Stamp,
    /// `xsd:dateTime` with an offset.
    DateTime,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Text(Rule),
    /// A JSON number of milliseconds, 0 or more.
    Millis,
    Object(&'static [Field]),
    /// Named texts: a JSON object, or up to 20 XML elements with a `name`.
    Details,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

pub(crate) const fn needs(name: &'static str, shape: Shape) -> Field {
    Field { name, required: true, shape }
}

pub(crate) const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, required: false, shape }
}

pub(crate) const fn text(name: &'static str, rule: Rule) -> Field {
    needs(name, Shape::Text(rule))
}

impl Rule {
    pub(crate) fn holds(self, value: &str) -> bool {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Self::Any => true,
            Self::Length(least, most) => (least..=most).contains(&value.chars().count()),
            Self::Digits(count) => value.len() == count && digits(value),
            Self::OneOf(words) => words.contains(&value),
            Self::Number(least, most) => {
                digits(value) && value.parse().is_ok_and(|number| (least..=most).contains(&number))
            }
            Self::RequestId => {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
                (1..=64).contains(&value.len()) && value.bytes().all(known)
            }
            Self::IdNumber => is_id_number(value),
            Self::Phone => value.len() == 11 && value.starts_with('1') && digits(value),
            Self::Month => value.split_once('-').is_some_and(|(year, month)| {
                Self::Digits(4).holds(year) && Self::Number(1, 12).holds(month) && month.len() == 2
            }),
            Self::Stamp => read_stamp(value).is_some(),
            Self::DateTime => read_instant(value).is_some(),
        }
    }
}

/// GB 11643: 17 digits and the check character of ISO 7064 MOD 11-2, which makes the weighted sum 1 modulo 11.
fn is_id_number(value: &str) -> bool {
    let bytes = value.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let last = match bytes[17] {
        b'X' => 10,
        digit if digit.is_ascii_digit() => u32::from(digit - b'0'),
        _ => return false,
    };
    // Horner's form of the sum of digit times 2^(places to its right).
    let sum = bytes[..17].iter().fold(0, |sum, digit| (sum + u32::from(digit - b'0')) * 2 % 11);
    (sum + last) % 11 == 1
}

/// Whether the 17th digit of an ID number says male.
pub(crate) fn is_male(id_number: &str) -> bool {
    id_number.as_bytes().get(16).is_some_and(|digit| digit % 2 == 1)
}

fn keep(path: String, value: &str, rule: Rule, out: &mut Content) -> Result<(), String> {
    if !rule.holds(value) {
        return Err(path);
    }
    if out.insert(path.clone(), value.to_owned()).is_some() {
        return Err(format!("{path} 重复"));
    }
    Ok(())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Reads a JSON object by its table. The error names the field.
pub(crate) fn read_json(
    value: &Value,
    fields: &[Field],
    path: &str,
    out: &mut Content,
) -> Result<(), String> {
    let object = value.as_object().ok_or_else(|| join(path, "须为对象"))?;
    if let Some(name) = object.keys().find(|name| !fields.iter().any(|field| field.name == name.as_str())) {
        return Err(format!("{} 未知", join(path, name)));
    }
    for field in fields {
        let at = join(path, field.name);
        match object.get(field.name) {
            None if field.required => return Err(format!("{at} 缺失")),
            None => {}
            Some(value) => read_json_field(value, field.shape, at, out)?,
        }
    }
    Ok(())
}

fn read_json_field(value: &Value, shape: Shape, at: String, out: &mut Content) -> Result<(), String> {
    match shape {
        Shape::Text(rule) => keep(at.clone(), value.as_str().ok_or(at)?, rule, out),
        Shape::Millis => {
            let millis = value.as_i64().filter(|millis| *millis >= 0).ok_or_else(|| at.clone())?;
            keep(at, &millis.to_string(), Rule::Any, out)
        }
        Shape::Object(fields) => read_json(value, fields, &at, out),
        Shape::Details => {
            let entries = value.as_object().ok_or_else(|| at.clone())?;
            entries.iter().try_for_each(|(name, value)| {
                let at = format!("{at}[{name}]");
                keep(at.clone(), value.as_str().ok_or(at)?, Rule::Any, out)
            })
        }
    }
}

/// The element children of a node. Text that is not white space beside them is an error.
pub(crate) fn children<'a, 'i>(node: Node<'a, 'i>) -> Result<Vec<Node<'a, 'i>>, String> {
    let stray = |child: &Node| child.is_text() && !child.text().unwrap_or_default().trim().is_empty();
    if node.children().any(|child| stray(&child)) {
        return Err(format!("{} 中有多余文字", node.tag_name().name()));
    }
    Ok(node.children().filter(Node::is_element).collect())
}

/// The text of an element without element children.
pub(crate) fn leaf(node: Node) -> Result<String, String> {
    if node.children().any(|child| child.is_element()) {
        return Err(format!("{} 须为文字", node.tag_name().name()));
    }
    Ok(node.children().filter_map(|child| child.text().filter(|_| child.is_text())).collect())
}

/// Reads the children of an element by their table, in its order and in the element's namespace. The error names
/// the field.
pub(crate) fn read_xml(node: Node, fields: &[Field], path: &str, out: &mut Content) -> Result<(), String> {
    let elements = children(node)?;
    let mut rest = &elements[..];
    for field in fields {
        let at = join(path, field.name);
        let most = if matches!(field.shape, Shape::Details) { 20 } else { 1 };
        let mut count = 0;
        while let Some((first, others)) = rest.split_first()
            && count < most
            && first.tag_name().name() == field.name
            && first.tag_name().namespace() == node.tag_name().namespace()
        {
            read_xml_field(*first, field.shape, at.clone(), out)?;
            (rest, count) = (others, count + 1);
        }
        if count == 0 && field.required {
            return Err(format!("{at} 缺失或次序不对"));
        }
    }
    rest.first()
        .map_or(Ok(()), |more| Err(format!("{} 未知、重复或次序不对", join(path, more.tag_name().name()))))
}

fn read_xml_field(node: Node, shape: Shape, at: String, out: &mut Content) -> Result<(), String> {
    let mut attributes = node.attributes();
    let name = match shape {
        Shape::Details => {
            let name = attributes.next().filter(|one| one.name() == "name" && one.namespace().is_none());
            Some(name.ok_or_else(|| format!("{at} 缺 name"))?.value().to_owned())
        }
        Shape::Text(_) | Shape::Object(_) | Shape::Millis => None,
    };
    if let Some(other) = attributes.next() {
        return Err(format!("{at} 属性 {} 未知", other.name()));
    }
    match (shape, name) {
        (Shape::Object(fields), _) => read_xml(node, fields, &at, out),
        (Shape::Text(rule), _) => keep(at, &leaf(node)?, rule, out),
        (Shape::Details, Some(name)) => keep(format!("{at}[{name}]"), &leaf(node)?, Rule::Any, out),
        (Shape::Millis | Shape::Details, _) => Err(at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_numbers_are_checked() {
        for good in ["11010519491231002X", "440524188001010014"] {
            assert!(Rule::IdNumber.holds(good), "{good}");
        }
        for bad in ["110105194912310021", "11010519491231002x", "1101051949123100", ""] {
            assert!(!Rule::IdNumber.holds(bad), "{bad}");
        }
        assert!(!is_male("11010519491231002X"));
        assert!(is_male("440524188001010014"));
    }

    #[test]
    fn each_rule_has_its_limits() {
        for (rule, good, bad) in [
            (Rule::Length(1, 2), "张三", "张三丰"),
            (Rule::Digits(6), "320000", "32000"),
            (Rule::OneOf(&["10"]), "10", "11"),
            (Rule::Number(1, 50), "50", "51"),
            (Rule::RequestId, "BJ-2024_1", "BJ 1"),
            (Rule::Phone, "13800138000", "23800138000"),
            (Rule::Month, "2018-05", "2018-13"),
            (Rule::Stamp, "20240701093000", "20240230093000"),
            (Rule::DateTime, "2024-07-01T09:30:00+08:00", "2024-07-01T09:30:00"),
        ] {
            assert!(rule.holds(good), "{rule:?} {good}");
            assert!(!rule.holds(bad), "{rule:?} {bad}");
            assert!(!rule.holds(""), "{rule:?} of nothing");
        }
    }
}
