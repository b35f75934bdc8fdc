//! The structure of answers apart from their values: fields, types, namespaces.

use crate::case::{Case, Expected, Kind};
use crate::compare::structure;
use league_contract::{Answer, Call, DecodeError, OrganizationCheck, Reply, WireResponse};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The fields of an answer, each with its type. Items of a list count as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape(BTreeMap<String, String>);

/// One way in which an answer is built otherwise than all that were recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Which field.
    pub field: String,
    /// What the recordings have.
    pub recorded: String,
    /// What the answer has.
    pub answered: String,
}

impl Shape {
    /// The structure of an answer.
    #[must_use]
    pub fn of(response: &WireResponse) -> Self {
        let mut fields = BTreeMap::from([("status".to_owned(), response.status.to_string())]);
        if let Some(kind) = response.header("Content-Type") {
            let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            fields.insert("header.Content-Type".to_owned(), kind);
        }
        let json = serde_json::from_slice::<Value>(&response.body).is_ok();
        match structure("body", &response.body) {
            Some(leaves) => {
                for (path, value) in leaves {
                    let kind = if json { json_kind(&value) } else { xml_kind(&path, &value) };
                    fields.insert(without_numbers(&path), kind);
                }
            }
            None if response.body.is_empty() => drop(fields.insert("body".to_owned(), "empty".to_owned())),
            None => drop(fields.insert("body".to_owned(), "neither JSON nor XML".to_owned())),
        }
        Self(fields)
    }

    /// How this answer is built otherwise than those that were recorded: a field that none of them has, one that all of
    /// them have, a type that none of them has. Nothing recorded, nothing to say.
    #[must_use]
    pub fn drift(&self, recorded: &[&Self]) -> Vec<Drift> {
        const ABSENT: &str = "(absent)";
        let kinds = |field: &str| -> BTreeSet<&str> {
            recorded.iter().filter_map(|shape| Some(shape.0.get(field)?.as_str())).collect()
        };
        let told = |field: &str, recorded: &str, answered: &str| Drift {
            field: field.to_owned(),
            recorded: recorded.to_owned(),
            answered: answered.to_owned(),
        };
        if recorded.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (field, kind) in &self.0 {
            let known = kinds(field);
            // A list or an object that is empty here had items there.
            let emptied = kind == EMPTY && recorded.iter().any(|shape| shape.has_below(field));
            if known.is_empty() && !emptied {
                found.push(told(field, ABSENT, kind));
            } else if !emptied && !known.contains(kind.as_str()) {
                found.push(told(field, &Vec::from_iter(known).join(" | "), kind));
            }
        }
        let everywhere =
            recorded[0].0.keys().filter(|field| recorded.iter().all(|shape| shape.0.contains_key(*field)));
        for field in everywhere.filter(|field| !self.0.contains_key(*field)) {
            let filled = self.has_below(field);
            let under_empty = self.0.iter().any(|(known, kind)| kind == EMPTY && below(field, known));
            if !filled && !under_empty {
                found.push(told(field, &Vec::from_iter(kinds(field)).join(" | "), ABSENT));
            }
        }
        found
    }

    fn has_below(&self, field: &str) -> bool {
        self.0.keys().any(|known| below(known, field))
    }
}

/// What stands for a list or an object without content.
const EMPTY: &str = "empty";

fn below(field: &str, parent: &str) -> bool {
    field.strip_prefix(parent).is_some_and(|rest| rest.starts_with(['.', '[', '/']))
}

fn json_kind(written: &str) -> String {
    match written.as_bytes().first() {
        Some(b'"') => "text",
        Some(b'[' | b'{') => EMPTY,
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "number",
    }
    .to_owned()
}

/// A namespace is part of the structure, with its value; a text is a text.
fn xml_kind(path: &str, value: &str) -> String {
    if path.ends_with("(namespace)") { value.to_owned() } else { "text".to_owned() }
}

/// `items[3].id` → `items[].id`, `O[2]/N` → `O[]/N`, and the first of several like the others.
fn without_numbers(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, from)) = rest.split_once('[') {
        out.push_str(before);
        match from.split_once(']') {
            Some((number, behind)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                if behind.starts_with(['.', '[']) || behind.is_empty() && !path.contains('/') {
                    out.push_str("[]");
                }
                rest = behind;
            }
            _ => {
                out.push('[');
                rest = from;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What an answer says, without what it says of whom: answers that mean the same are built the same.
#[must_use]
pub fn meaning(call: &Call, read: &Result<Reply, DecodeError>) -> String {
    let operation = call.operation();
    let word = match read {
        Ok(Reply::Answered(answer)) => match answer {
            Answer::Organization(OrganizationCheck::Exists { .. }) => "exists".to_owned(),
            Answer::Organization(OrganizationCheck::NotFound) => "not found".to_owned(),
            Answer::Organization(OrganizationCheck::Ambiguous) => "ambiguous".to_owned(),
            Answer::Organizations(_) => "organizations".to_owned(),
            Answer::Receipt(receipt) => format!("receipt, duplicate {}", receipt.duplicate),
            Answer::Record(record) => format!("{:?}", record.status),
            Answer::NotReceived => "not received".to_owned(),
            Answer::Changes(_) => "changes".to_owned(),
            Answer::CursorExpired => "cursor expired".to_owned(),
        },
        Ok(
            Reply::Refused { remark, .. }
            | Reply::TryLater { remark, .. }
            | Reply::Unclear { remark }
            | Reply::Blocked { remark, .. },
        ) => format!("code {}", remark.code),
        Err(DecodeError::NotGenuine(_)) => "not genuine".to_owned(),
        Err(DecodeError::Malformed(_)) => "malformed".to_owned(),
        Err(DecodeError::UnknownCode(_)) => "unknown code".to_owned(),
    };
    format!("{operation}: {word}")
}

/// The meaning of a recorded answer, and its structure, for cases that were answered as the profile says.
#[must_use]
pub fn recorded_shape(case: &Case) -> Option<(String, Shape)> {
    let Kind::Exchange(exchange) = &case.kind else { return None };
    let Expected::Reply(reply) = &exchange.expected else { return None };
    let response = exchange.response.as_ref()?;
    Some((meaning(&exchange.call, &Ok(reply.clone())), Shape::of(response)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(body: &str) -> Shape {
        Shape::of(&WireResponse { status: 200, headers: vec![], body: body.as_bytes().to_vec() })
    }

    fn drift(recorded: &[&str], answered: &str) -> Vec<String> {
        let recorded: Vec<Shape> = recorded.iter().map(|body| shape(body)).collect();
        let found = shape(answered).drift(&recorded.iter().collect::<Vec<_>>());
        found.into_iter().map(|one| format!("{}: {} | {}", one.field, one.recorded, one.answered)).collect()
    }

    #[test]
    fn values_are_no_drift_and_structure_is() {
        let one = r#"{"code":0,"data":{"items":[{"id":"1"},{"id":"2","kind":"A"}],"note":null}}"#;
        let other = r#"{"code":0,"data":{"items":[{"id":"3"}],"note":"x"}}"#;
        assert_eq!(
            drift(&[one, other], r#"{"code":7,"data":{"items":[{"id":"9","kind":"B"}],"note":"y"}}"#),
            [""; 0]
        );
        assert_eq!(drift(&[one, other], r#"{"code":0,"data":{"items":[],"note":null}}"#), [""; 0]);
        assert_eq!(
            drift(&[one, other], r#"{"code":"0","data":{"items":[{"id":"1","new":1}]}}"#),
            [
                "body.code: number | text",
                "body.data.items[].new: (absent) | number",
                "body.data.note: null | text | (absent)"
            ]
        );
        assert_eq!(drift(&[], "{}"), [""; 0]);
        assert_eq!(drift(&[one], "<html>")[..1], ["body: (absent) | neither JSON nor XML"]);
    }

    #[test]
    fn xml_drifts_by_namespace_and_not_by_prefix() {
        let recorded = "<a:A xmlns:a='urn:1'><a:B>x</a:B><a:B>y</a:B></a:A>";
        assert_eq!(drift(&[recorded], "<A xmlns='urn:1'><B>z</B></A>"), [""; 0]);
        assert_eq!(
            drift(&[recorded], "<A xmlns='urn:2'><B>z</B><C/></A>"),
            ["body/A (namespace): urn:1 | urn:2", "body/A/C: (absent) | text"]
        );
    }
}
