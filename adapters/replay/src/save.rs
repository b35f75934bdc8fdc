//! Writes a case: what a recorder does with an exchange that it saw.

use crate::case::{Case, Exchange, Expected, Kind, Opened, Push};
use crate::file::{self, CallFile, CaseFile, ExpectFile};
use crate::http;
use league_contract::Call;
use serde::Deserialize;
use std::{fs, io};

/// Reads the `[call]` of a text in the form of `case.toml`; what else stands there is not looked at.
///
/// # Errors
/// Which key, and what it must be.
pub fn read_call(text: &str) -> Result<Call, String> {
    #[derive(Deserialize)]
    struct CallAlone {
        call: CallFile,
    }
    let file: CallAlone = toml::from_str(text).map_err(|error| error.to_string())?;
    file.call.read().map_err(|problem| format!("call.{problem}"))
}

/// Writes the case into its folder, which is made. The messages are written as they are: whoever records must have
/// replaced persons and secrets before.
///
/// # Errors
/// Where a file can't be written.
pub fn save(case: &Case) -> io::Result<()> {
    let (request, response) = match &case.kind {
        Kind::Exchange(exchange) => (exchange.request.as_ref(), exchange.response.as_ref()),
        Kind::Callback(push) => (Some(&push.request), push.response.as_ref()),
    };
    let text = case_text(case)?;
    fs::create_dir_all(&case.dir)?;
    fs::write(case.dir.join("case.toml"), text)?;
    if let Some(request) = request {
        fs::write(case.dir.join("request.http"), http::write_request(request))?;
    }
    if let Some(response) = response {
        fs::write(case.dir.join("response.http"), http::write_response(response))?;
    }
    Ok(())
}

/// A call as `case.toml` writes it: the same for the same question.
#[must_use]
pub fn call_text(call: &Call) -> String {
    toml::to_string(&CallFile::of(call)).unwrap_or_default()
}

/// The text of `case.toml`.
pub(crate) fn case_text(case: &Case) -> io::Result<String> {
    let (call, expect) = match &case.kind {
        Kind::Exchange(exchange) => (Some(CallFile::of(&exchange.call)), expected(exchange)),
        Kind::Callback(push) => (None, opened(push)),
    };
    toml::to_string(&CaseFile {
        title: case.title.clone(),
        title_zh: case.title_zh.clone(),
        codes: case.codes.clone(),
        tags: case.tags.clone(),
        now: case.now,
        answered_at: (case.answered_at != case.now).then_some(case.answered_at),
        nonce: case.nonce.to_hex(),
        profile: case.profile.clone(),
        expires: case.expires,
        call,
        expect,
    })
    .map_err(io::Error::other)
}

fn expected(exchange: &Exchange) -> ExpectFile {
    match &exchange.expected {
        Expected::Reply(reply) => ExpectFile { reply: Some(reply.clone()), ..ExpectFile::default() },
        Expected::DecodeError(fault) => {
            ExpectFile { error: Some(fault.to_string()), ..ExpectFile::default() }
        }
        Expected::EncodeError(fault) => {
            ExpectFile { encode_error: Some(fault.to_string()), ..ExpectFile::default() }
        }
    }
}

fn opened(push: &Push) -> ExpectFile {
    let verdict = file::verdict_word(push.verdict);
    match &push.opened {
        Opened::Event { event, replay_key } => ExpectFile {
            verdict,
            event: Some(event.clone()),
            replay_key: Some(replay_key.clone()),
            ..ExpectFile::default()
        },
        Opened::Refused(fault) => {
            ExpectFile { verdict, error: Some(fault.to_string()), ..ExpectFile::default() }
        }
    }
}
