//! Reads a tree of fixtures.

use crate::case::{Case, DecodeFault, EncodeFault, Exchange, Expected, Kind, OpenFault, Opened, Push};
use crate::file::{self, CallFile, CaseFile, ExpectFile};
use crate::http;
use league_contract::{AdapterConfig, Nonce, Secret, System};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A tree of fixtures, read.
#[derive(Debug, Clone)]
pub struct Fixtures {
    /// Where it stands.
    pub root: PathBuf,
    /// The configuration that the cases of each system were made with (`config.toml`). Its secrets are no secrets.
    pub configs: BTreeMap<System, AdapterConfig>,
    /// The version of the profile that each system speaks now, where `config.toml` names it.
    pub profiles: BTreeMap<System, String>,
    /// In order of their names.
    pub cases: Vec<Case>,
}

/// What is wrong with a fixture, and in which file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct FixtureError {
    /// Which file or folder.
    pub file: PathBuf,
    /// Which key, and what it must be.
    pub problem: String,
}

/// Reads all fixtures below `root`.
///
/// # Errors
/// The first file that can't be read, with what must change.
pub fn load(root: &Path) -> Result<Fixtures, FixtureError> {
    read(root, None)
}

/// Reads what can be read below `root`, and what is wrong with the rest.
///
/// # Errors
/// Where not even `config.toml` can be read.
pub fn survey(root: &Path) -> Result<(Fixtures, Vec<FixtureError>), FixtureError> {
    let (mut fixtures, dirs) = open(root, None)?;
    let mut wrong = Vec::new();
    for (dir, system) in dirs {
        match load_case(root, &dir, &system) {
            Ok(case) => fixtures.cases.push(case),
            Err(error) => wrong.push(error),
        }
    }
    fixtures.cases.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((fixtures, wrong))
}

/// Reads the fixtures of one system, whatever state the others are in.
///
/// # Errors
/// As [`load`].
pub fn load_system(root: &Path, system: &System) -> Result<Fixtures, FixtureError> {
    read(root, Some(system))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    base_url: String,
    identity: String,
    secrets: Vec<String>,
    profile: Option<String>,
}

fn read(root: &Path, only: Option<&System>) -> Result<Fixtures, FixtureError> {
    let (mut fixtures, dirs) = open(root, only)?;
    for (dir, system) in dirs {
        fixtures.cases.push(load_case(root, &dir, &system)?);
    }
    fixtures.cases.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(fixtures)
}

/// The tree without its cases, and the folders in which they stand.
fn open(root: &Path, only: Option<&System>) -> Result<(Fixtures, Vec<(PathBuf, System)>), FixtureError> {
    let files: BTreeMap<System, ConfigFile> = read_toml(&root.join("config.toml"))?;
    let profiles = files.iter().filter_map(|(system, file)| Some((system.clone(), file.profile.clone()?)));
    let profiles = profiles.collect();
    let configs: BTreeMap<System, AdapterConfig> =
        files.into_iter().map(|(system, file)| (system, file.into())).collect();
    let mut dirs = Vec::new();
    for system in configs.keys().filter(|system| only.is_none_or(|only| only == *system)) {
        for parent in [root.join(system.as_path()), root.join("callbacks").join(system.as_path())] {
            dirs.extend(folders(&parent)?.into_iter().map(|dir| (dir, system.clone())));
        }
    }
    Ok((Fixtures { root: root.to_owned(), configs, profiles, cases: Vec::new() }, dirs))
}

impl From<ConfigFile> for AdapterConfig {
    fn from(file: ConfigFile) -> Self {
        let secrets = file.secrets.into_iter().map(Secret::new).collect();
        Self { base_url: file.base_url, identity: file.identity, secrets }
    }
}

pub(crate) fn load_case(root: &Path, dir: &Path, system: &System) -> Result<Case, FixtureError> {
    let path = dir.join("case.toml");
    let file: CaseFile = read_toml(&path)?;
    let fault = |problem: String| FixtureError { file: path.clone(), problem };
    let nonce = hex::decode(&file.nonce).ok().and_then(|bytes| bytes.try_into().ok());
    let nonce = nonce.ok_or_else(|| fault("nonce: must be 32 hex digits".to_owned()))?;
    let name = dir.strip_prefix(root).unwrap_or(dir).to_string_lossy().replace('\\', "/");
    let kind = if name.starts_with("callbacks/") {
        Kind::Callback(Box::new(push(dir, file.call, file.expect, &fault)?))
    } else {
        Kind::Exchange(Box::new(exchange(dir, file.call, file.expect, &fault)?))
    };
    Ok(Case {
        name,
        dir: dir.to_owned(),
        system: system.clone(),
        title: file.title,
        title_zh: file.title_zh,
        codes: file.codes,
        tags: file.tags,
        now: file.now,
        answered_at: file.answered_at.unwrap_or(file.now),
        nonce: Nonce(nonce),
        profile: file.profile,
        expires: file.expires,
        kind,
    })
}

type Fault<'a> = &'a dyn Fn(String) -> FixtureError;

fn exchange(
    dir: &Path,
    call: Option<CallFile>,
    expect: ExpectFile,
    fault: Fault<'_>,
) -> Result<Exchange, FixtureError> {
    let call = call.ok_or_else(|| fault("[call]: an exchange needs one".to_owned()))?;
    let call = call.read().map_err(|problem| fault(format!("call.{problem}")))?;
    if expect.event.is_some() || expect.replay_key.is_some() || expect.verdict.is_some() {
        return Err(fault("expect.event, replay_key and verdict belong to callbacks".to_owned()));
    }
    let expected = match (expect.reply, expect.error, expect.encode_error) {
        (Some(reply), None, None) => Expected::Reply(reply),
        (None, Some(word), None) => Expected::DecodeError(
            DecodeFault::parse(&word).map_err(|problem| fault(format!("expect.error: {problem}")))?,
        ),
        (None, None, Some(word)) => Expected::EncodeError(
            EncodeFault::parse(&word).map_err(|problem| fault(format!("expect.encode_error: {problem}")))?,
        ),
        _ => return Err(fault("[expect]: an exchange has one of reply, error, encode_error".to_owned())),
    };
    let request = read_http(dir, "request.http", http::parse_request)?;
    let response = read_http(dir, "response.http", http::parse_response)?;
    let unsent = matches!(expected, Expected::EncodeError(_));
    if unsent && (request.is_some() || response.is_some()) {
        return Err(fault(
            "expect.encode_error: such a case has no request.http and no response.http".into(),
        ));
    }
    if !unsent && response.is_none() {
        return Err(FixtureError { file: dir.join("response.http"), problem: "is missing".to_owned() });
    }
    Ok(Exchange { call, request, response, expected })
}

fn push(
    dir: &Path,
    call: Option<CallFile>,
    expect: ExpectFile,
    fault: Fault<'_>,
) -> Result<Push, FixtureError> {
    if call.is_some() || expect.reply.is_some() || expect.encode_error.is_some() {
        return Err(fault("a callback has no [call], expect.reply or expect.encode_error".to_owned()));
    }
    let opened = match (expect.event, expect.replay_key, expect.error) {
        (Some(event), Some(replay_key), None) => Opened::Event { event, replay_key },
        (None, None, Some(error)) => Opened::Refused(
            OpenFault::parse(&error).map_err(|problem| fault(format!("expect.error: {problem}")))?,
        ),
        _ => return Err(fault("[expect]: a callback has event and replay_key, or error".to_owned())),
    };
    let word = expect.verdict.ok_or_else(|| fault("expect.verdict: a callback needs one".to_owned()))?;
    let verdict = file::verdict(&word).map_err(|problem| fault(format!("expect.verdict: {problem}")))?;
    let request = read_http(dir, "request.http", http::parse_request)?;
    let request = request
        .ok_or_else(|| FixtureError { file: dir.join("request.http"), problem: "is missing".to_owned() })?;
    let response = read_http(dir, "response.http", http::parse_response)?;
    Ok(Push { request, opened, verdict, response })
}

pub(crate) fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FixtureError> {
    let fault = |problem: String| FixtureError { file: path.to_owned(), problem };
    let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    toml::from_str(&text).map_err(|error| fault(error.to_string()))
}

/// A message, or `None` where the file is not there.
fn read_http<T>(
    dir: &Path,
    file: &str,
    parse: fn(&[u8]) -> Result<T, String>,
) -> Result<Option<T>, FixtureError> {
    let path = dir.join(file);
    match fs::read(&path) {
        Ok(bytes) => parse(&bytes).map(Some).map_err(|problem| FixtureError { file: path, problem }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FixtureError { file: path, problem: error.to_string() }),
    }
}

/// The folders in `parent`, or none where it is not there.
fn folders(parent: &Path) -> Result<Vec<PathBuf>, FixtureError> {
    let fault = |error: io::Error| FixtureError { file: parent.to_owned(), problem: error.to_string() };
    if !parent.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = r#"
title = "Query: on file"
title_zh = "查询：已受理"
now = "2024-07-01T01:30:00Z"
nonce = "00112233445566778899aabbccddeeff"
[call]
operation = "query"
request_id = "BJ-1"
[expect]
reply = { answered = "not_received" }
"#;

    /// A tree with one exchange, and what loading it says.
    fn loaded(case: &str) -> Result<Fixtures, String> {
        let root = tempfile::tempdir().expect("a temporary folder");
        let dir = root.path().join("guangdong/one");
        fs::create_dir_all(&dir).expect("created");
        let config = "[guangdong]\nbase_url = \"http://h\"\nidentity = \"BJGQT\"\nsecrets = [\"s\"]\n";
        fs::write(root.path().join("config.toml"), config).expect("written");
        fs::write(dir.join("case.toml"), case).expect("written");
        fs::write(dir.join("response.http"), "HTTP/1.1 200\n\n{}").expect("written");
        load(root.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_case_is_read_with_its_defaults() {
        let fixtures = loaded(CASE).expect("readable");
        let case = &fixtures.cases[0];
        assert_eq!(case.name, "guangdong/one");
        assert_eq!(case.answered_at, case.now);
        assert_eq!(case.nonce.to_hex(), "00112233445566778899aabbccddeeff");
        let Kind::Exchange(exchange) = &case.kind else { panic!("an exchange") };
        assert!(exchange.request.is_none(), "not blessed yet");
    }

    #[test]
    fn every_mistake_names_file_and_key() {
        let submit = "operation = \"submit\"\ntransfer = { request_id = \"BJ-1\" }";
        for (from, to, says) in [
            ("nonce = \"00", "nonce = \"0", "nonce: must be 32 hex digits"),
            ("title_zh", "titel_zh", "unknown field `titel_zh`"),
            ("\"query\"", "\"ask\"", "unknown variant `ask`"),
            ("operation = \"query\"\nrequest_id = \"BJ-1\"", submit, "(member): this field is required"),
            (
                "reply = { answered = \"not_received\" }",
                "error = \"broken\"",
                "expect.error: `broken` is none of",
            ),
            ("reply = { answered = \"not_received\" }", "", "[expect]: an exchange has one of"),
            ("[expect]", "[expect]\nverdict = \"stored\"", "belong to callbacks"),
            (
                "reply = { answered = \"not_received\" }",
                "encode_error = \"unsupported\"",
                "has no request.http",
            ),
        ] {
            assert!(CASE.contains(from), "{from}");
            let error = loaded(&CASE.replace(from, to)).expect_err("refused");
            assert!(error.contains("case.toml") && error.contains(says), "{error}");
        }
    }
}
