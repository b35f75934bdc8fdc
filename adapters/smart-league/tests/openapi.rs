//! What we send is what `openapi.yaml` allows: every request of the fixtures, against the published contract.

#![expect(clippy::expect_used, reason = "the helpers of a test may panic as the test may")]

use league_contract::{Method, System, WireRequest};
use league_replay::{Kind, load_system};
use serde_json::{Value, json};
use std::path::Path;

fn contract() -> Value {
    serde_saphyr::from_str(include_str!("../../../docs/profiles/smart-league/openapi.yaml")).expect("YAML")
}

/// What is wrong with a value, by a schema of the contract.
fn breaches(contract: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let schema = json!({"components": contract["components"], "allOf": [schema]});
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The template of the path, and the request id that stands in it.
fn template(path: &str) -> (String, Option<String>) {
    let Some(rest) = path.strip_prefix("/api/v2/transfer/in/") else { return (path.to_owned(), None) };
    let (id, tail) =
        rest.split_once('/').map_or((rest, String::new()), |(id, tail)| (id, format!("/{tail}")));
    (format!("/api/v2/transfer/in/{{requestId}}{tail}"), Some(id.to_owned()))
}

fn check(contract: &Value, request: &WireRequest) -> Vec<String> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let (template, id) = template(path);
    let method = match request.method {
        Method::Get => "get",
        Method::Post => "post",
    };
    let item = &contract["paths"][&template];
    let operation = &item[method];
    if operation.is_null() {
        return vec![format!("the contract has no {method} {template}")];
    }
    let mut found = Vec::new();
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if body.is_null() {
        found.extend((!request.body.is_empty()).then(|| "a body where none belongs".to_owned()));
    } else {
        let value = serde_json::from_slice(&request.body).expect("JSON");
        found.extend(breaches(contract, body, &value));
    }
    let mut given: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .chain(id.map(|id| ("requestId".to_owned(), id)))
        .collect();
    let parameters = [&item["parameters"], &operation["parameters"]];
    for parameter in parameters.iter().filter_map(|list| list.as_array()).flatten() {
        let name = parameter["name"].as_str().expect("a name");
        let Some(at) = given.iter().position(|(known, _)| known == name) else {
            found.extend((parameter["required"] == true).then(|| format!("{name} is missing")));
            continue;
        };
        let (_, text) = given.remove(at);
        let whole = parameter["schema"]["type"] == "integer";
        let value = if whole { json!(text.parse::<u64>().expect("a number")) } else { json!(text) };
        found.extend(breaches(contract, &parameter["schema"], &value));
    }
    found.extend(given.into_iter().map(|(name, _)| format!("{name} is not of the contract")));
    found
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().expect("UTF-8").into_owned()
}

#[test]
fn every_request_fits_the_published_contract() {
    let contract = contract();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let fixtures = load_system(&root, &System::named("smart_league")).expect("readable fixtures");
    let mut checked = 0;
    for case in &fixtures.cases {
        let Kind::Exchange(exchange) = &case.kind else { continue };
        let Some(request) = &exchange.request else { continue };
        assert_eq!(check(&contract, request), Vec::<String>::new(), "{}", case.name);
        checked += 1;
    }
    assert!(checked >= 20, "{checked}");
}

/// Validation that would let anything pass would prove nothing.
#[test]
fn the_validation_refuses_what_the_contract_forbids() {
    let request = |target: &str, body: &str| WireRequest {
        method: if body.is_empty() { Method::Get } else { Method::Post },
        target: target.to_owned(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    };
    for bad in [
        request("/api/v2/org/exists", r#"{"provinceCode":"32","orgFullName":"共青团南京大学委员会"}"#),
        request("/api/v2/org/exists", r#"{"orgFullName":"共青团南京大学委员会"}"#),
        request("/api/v2/org/search?provinceCode=320000&keyword=%E5%8D%97&page=1&size=20", ""),
        request("/api/v2/org/search?provinceCode=320000&keyword=%E5%8D%97%E4%BA%AC&size=51", ""),
        request("/api/v2/org/search?keyword=%E5%8D%97%E4%BA%AC", ""),
        request("/api/v2/transfer/in/a.b", ""),
        request("/api/v2/transfer/in", "{}"),
        request("/api/v3/transfer/in", "{}"),
    ] {
        assert!(!check(&contract(), &bad).is_empty(), "{}", bad.target);
    }
}
