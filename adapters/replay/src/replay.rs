//! Runs a case through an adapter.

use crate::case::{Case, DecodeFault, EncodeFault, Exchange, Expected, Kind, OpenFault, Opened, Push};
use crate::compare::{self, Difference, Found};
use crate::http;
use league_contract::Adapter;
use std::path::PathBuf;
use std::{fs, io};

/// What the adapter makes otherwise than the case says, byte for byte; nothing when it passes.
pub fn replay(case: &Case, adapter: &dyn Adapter) -> Vec<Difference> {
    run(case, adapter).exactly()
}

/// What the adapter makes otherwise than the case says.
pub(crate) fn run(case: &Case, adapter: &dyn Adapter) -> Found {
    match &case.kind {
        Kind::Exchange(exchange) => replay_exchange(case, exchange, adapter),
        Kind::Callback(push) => replay_callback(case, push, adapter),
    }
}

/// Writes what the adapter produces into the case: `request.http` of an exchange, `response.http` of a callback.
/// For authors, who then read what was written. Gives the files that it wrote.
///
/// # Errors
/// Where a file can't be written, or the adapter refuses a call that the case expects it to encode.
pub fn bless(case: &Case, adapter: &dyn Adapter) -> io::Result<Vec<PathBuf>> {
    let (path, bytes) = match &case.kind {
        Kind::Exchange(exchange) if matches!(exchange.expected, Expected::EncodeError(_)) => {
            return Ok(Vec::new());
        }
        Kind::Exchange(exchange) => {
            let request = adapter.encode(&exchange.call, &case.context()).map_err(io::Error::other)?;
            (case.dir.join("request.http"), http::write_request(&request))
        }
        Kind::Callback(push) => {
            let answer = adapter.answer_callback(&push.request, push.verdict, &case.answer_context());
            (case.dir.join("response.http"), http::write_response(&answer))
        }
    };
    fs::write(&path, bytes)?;
    Ok(vec![path])
}

fn replay_exchange(case: &Case, exchange: &Exchange, adapter: &dyn Adapter) -> Found {
    let request = match (adapter.encode(&exchange.call, &case.context()), &exchange.expected) {
        (Ok(request), Expected::Reply(_) | Expected::DecodeError(_)) => request,
        (Ok(_), Expected::EncodeError(fault)) => {
            return fields(vec![Difference::new("expect.encode_error", fault.to_string(), "a request")]);
        }
        (Err(error), Expected::EncodeError(fault)) => {
            let actual = EncodeFault::from(&error);
            return fields(compare::texts("expect.encode_error", &fault.to_string(), &actual.to_string()));
        }
        (Err(error), Expected::Reply(_) | Expected::DecodeError(_)) => {
            return fields(vec![Difference::new("request", "a request", format!("no request: {error}"))]);
        }
    };
    let mut found = match &exchange.request {
        Some(expected) => compare::requests(expected, &request),
        None => fields(vec![Difference::new("request", "(request.http is missing)", format!("{request:?}"))]),
    };
    let Some(response) = &exchange.response else { return found };
    let reply = adapter.decode(&exchange.call, &case.answer_context(), response);
    found.fields.extend(match (&exchange.expected, reply) {
        (Expected::Reply(expected), Ok(actual)) => compare::values("expect.reply", expected, &actual),
        (Expected::Reply(expected), Err(error)) => {
            let actual = format!("{}: {error}", DecodeFault::from(&error));
            vec![Difference::new("expect.reply", compare::shown(expected), actual)]
        }
        (Expected::DecodeError(expected), Ok(actual)) => {
            vec![Difference::new("expect.error", expected.to_string(), compare::shown(&actual))]
        }
        (Expected::DecodeError(expected), Err(error)) => {
            let actual = DecodeFault::from(&error);
            let differs = *expected != actual;
            let line = || Difference::new("expect.error", expected.to_string(), format!("{actual}: {error}"));
            differs.then(line).into_iter().collect()
        }
        (Expected::EncodeError(_), _) => Vec::new(),
    });
    found
}

fn replay_callback(case: &Case, push: &Push, adapter: &dyn Adapter) -> Found {
    let opened = adapter.open_callback(&push.request, case.now);
    let mut differences = match (&push.opened, opened) {
        (Opened::Event { event, replay_key }, Ok(actual)) => {
            let mut found = compare::values("expect.event", event, &actual.event);
            found.extend(compare::texts("expect.replay_key", replay_key, &actual.replay_key));
            found
        }
        (Opened::Event { event, .. }, Err(error)) => {
            let actual = format!("{}: {error}", OpenFault::from(&error));
            vec![Difference::new("expect.event", compare::shown(event), actual)]
        }
        (Opened::Refused(expected), Ok(actual)) => {
            vec![Difference::new("expect.error", expected.to_string(), compare::shown(&actual.event))]
        }
        (Opened::Refused(expected), Err(error)) => {
            let actual = OpenFault::from(&error);
            let differs = *expected != actual;
            let line = || Difference::new("expect.error", expected.to_string(), format!("{actual}: {error}"));
            differs.then(line).into_iter().collect()
        }
    };
    let answer = adapter.answer_callback(&push.request, push.verdict, &case.answer_context());
    let mut found = match &push.response {
        Some(expected) => compare::responses(expected, &answer),
        None => {
            fields(vec![Difference::new("response", "(response.http is missing)", format!("{answer:?}"))])
        }
    };
    differences.append(&mut found.fields);
    Found { fields: differences, ..found }
}

fn fields(fields: Vec<Difference>) -> Found {
    Found { fields, bytes: Vec::new() }
}
