//! From an exchange that happened to a case that may be kept: other people, other secrets, the same bytes elsewhere.

use crate::case::{Case, DecodeFault, Exchange, Expected, Kind};
use crate::compare::{self, Difference};
use crate::load::{FixtureError, Fixtures, load_case};
use crate::save::{case_text, save};
use crate::{Disguise, Leak, People, examine, http, leaks};
use jiff::Timestamp;
use league_contract::{
    Adapter, Call, CallContext, DecodeError, Notary, Registration, Reply, System, Transfer, WireRequest,
    WireResponse,
};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// An exchange, as it happened.
#[derive(Debug, Clone)]
pub struct Taken {
    /// What was asked.
    pub call: Call,
    /// When, and with which nonce.
    pub at: CallContext,
    /// When the answer was read.
    pub answered_at: Timestamp,
    /// The request as it went out.
    pub request: WireRequest,
    /// The answer as it came.
    pub response: WireResponse,
    /// Whose exchange it is, where the call does not say so: a query's answer may name the member.
    pub about: Option<Box<Transfer>>,
}

/// How a case is called.
#[derive(Debug, Clone)]
pub struct Naming {
    /// Its folder's name: `submit-accepted`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The same in Chinese.
    pub title_zh: String,
    /// Words to filter by.
    pub tags: Vec<String>,
}

/// A tree of fixtures, with the profile of one system as the tree configures it.
pub struct Tree<'a> {
    /// The tree; its cases are not looked at.
    pub fixtures: &'a Fixtures,
    /// Who is made up in it.
    pub people: &'a People,
    /// The system.
    pub registration: Registration,
    /// Its adapter, with the tree's secrets.
    pub adapter: &'a dyn Adapter,
    /// Its notary, with the tree's secrets.
    pub notary: &'a dyn Notary,
}

/// Why an exchange is not kept. Nobody's data stands in it, and nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    /// There is one of this name.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The name is no name of a folder.
    #[error("a name has 1 to 64 of a-z 0-9 -")]
    Name,
    /// Whoever answered did not sign; signed anew, it would be genuine.
    #[error("the answer is not genuine: {0}")]
    NotGenuine(String),
    /// The adapter makes another request of this call.
    #[error(
        "the adapter does not make this request again: the configuration, the document or the program was another"
    )]
    OtherRequest,
    /// With other people it is no call.
    #[error("with made-up people the call is not valid: {0}")]
    Call(String),
    /// It can't be signed.
    #[error("it can't be signed anew: {0}")]
    Unsigned(String),
    /// With other people it says something else.
    #[error("with made-up people the answer is read otherwise: {}", fields(.0))]
    OtherAnswer(Vec<Difference>),
    /// Somebody is still in it.
    #[error("somebody who may be real is still in it: {}", .0.iter().map(|(file, leak)| format!("{file}: {leak}")).collect::<Vec<_>>().join("; "))]
    Leaks(Vec<(&'static str, Leak)>),
    /// The case that was written does not pass.
    #[error("the case does not replay: {}", fields(.0))]
    Fails(Vec<Difference>),
    /// It can't be read again.
    #[error(transparent)]
    Unreadable(#[from] FixtureError),
    /// It can't be written.
    #[error("it can't be written: {0}")]
    Io(#[from] io::Error),
}

fn fields(differences: &[Difference]) -> String {
    differences.iter().map(|one| one.field.as_str()).collect::<Vec<_>>().join(", ")
}

/// Headers that are the transport's, or somebody's session.
const NOT_KEPT: [&str; 8] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "set-cookie",
    "transfer-encoding",
    "via",
];

impl Tree<'_> {
    /// Replaces people, signs anew, scans, writes, and replays what was written; only then the case stands in the tree.
    ///
    /// `real` is the adapter that made the exchange, `secrets` what must not be found in the case, and `key` what the
    /// made-up people follow from: fresh for each recording, and thrown away.
    ///
    /// # Errors
    /// [`NotKept`]: nothing was written.
    pub fn keep(
        &self,
        taken: &Taken,
        real: &dyn Adapter,
        secrets: &[String],
        naming: Naming,
        key: [u8; 32],
    ) -> Result<PathBuf, NotKept> {
        let folder = self.folder(&naming.name)?;
        let mut disguise = Disguise::new(key);
        let case = self.case(taken, real, naming, (&folder, &mut disguise))?;
        let known = [disguise.known(), secrets.to_vec()].concat();
        let found = self.scan(&case, &known)?;
        if !found.is_empty() {
            return Err(NotKept::Leaks(found));
        }
        let written = self.written(&case);
        if written.is_err() {
            // What is left of it holds nobody; that it can't be removed is no other trouble than the first.
            fs::remove_dir_all(self.beside(&folder)).ok();
        }
        written.map(|()| folder)
    }

    fn folder(&self, name: &str) -> Result<PathBuf, NotKept> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=64).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(NotKept::Name);
        }
        let system = System::named(self.registration.system);
        let folder = self.fixtures.root.join(system.as_path()).join(name);
        if folder.exists() { Err(NotKept::Exists(folder)) } else { Ok(folder) }
    }

    fn case(
        &self,
        taken: &Taken,
        real: &dyn Adapter,
        naming: Naming,
        (folder, disguise): (&Path, &mut Disguise),
    ) -> Result<Case, NotKept> {
        let answered = CallContext { now: taken.answered_at, ..taken.at };
        if real.encode(&taken.call, &taken.at).as_ref() != Ok(&taken.request) {
            return Err(NotKept::OtherRequest);
        }
        let said = real.decode(&taken.call, &answered, &taken.response);
        if let Err(DecodeError::NotGenuine(problem)) = &said {
            return Err(NotKept::NotGenuine(problem.clone()));
        }
        if let Some(transfer) = &taken.about {
            disguise.call(&Call::Submit(transfer.clone())).map_err(NotKept::Call)?;
        }
        let call = disguise.call(&taken.call).map_err(NotKept::Call)?;
        let request =
            self.adapter.encode(&call, &taken.at).map_err(|error| NotKept::Call(error.to_string()))?;
        let mut response = disguise.response(&taken.response);
        response.headers.retain(|(name, _)| !NOT_KEPT.contains(&name.to_ascii_lowercase().as_str()));
        let response = self
            .notary
            .sign_answer(&request, taken.answered_at, response)
            .map_err(|error| NotKept::Unsigned(error.to_string()))?;
        let expected = self.adapter.decode(&call, &answered, &response);
        same_answer(&said, &expected, disguise)?;
        let codes =
            expected.as_ref().ok().and_then(code).filter(|code| self.registration.codes.contains(code));
        let system = System::named(self.registration.system);
        Ok(Case {
            name: format!("{}/{}", system.as_path(), naming.name),
            dir: folder.to_owned(),
            profile: self.fixtures.profiles.get(&system).cloned(),
            system,
            title: naming.title,
            title_zh: naming.title_zh,
            codes: codes.map(str::to_owned).into_iter().collect(),
            tags: naming.tags,
            now: taken.at.now,
            answered_at: taken.answered_at,
            nonce: taken.at.nonce,
            expires: None,
            kind: Kind::Exchange(Box::new(Exchange {
                call,
                request: Some(request),
                response: Some(response),
                expected: match expected {
                    Ok(reply) => Expected::Reply(reply),
                    Err(error) => Expected::DecodeError(DecodeFault::from(&error)),
                },
            })),
        })
    }

    /// Who is in the files, before they are.
    fn scan(&self, case: &Case, known: &[String]) -> Result<Vec<(&'static str, Leak)>, NotKept> {
        let Kind::Exchange(exchange) = &case.kind else { return Ok(Vec::new()) };
        let files = [
            ("case.toml", case_text(case)?.into_bytes()),
            ("request.http", exchange.request.as_ref().map(http::write_request).unwrap_or_default()),
            ("response.http", exchange.response.as_ref().map(http::write_response).unwrap_or_default()),
        ];
        let found = files.iter().flat_map(|(file, bytes)| {
            leaks(bytes, self.people, known).into_iter().map(move |leak| (*file, leak))
        });
        Ok(found.collect())
    }

    /// Writes the case beside its place, reads and replays it there, and moves it to its place.
    fn written(&self, case: &Case) -> Result<(), NotKept> {
        let beside = self.beside(&case.dir);
        save(&Case { dir: beside.clone(), ..case.clone() })?;
        let read = load_case(&self.fixtures.root, &beside, &case.system)?;
        let examined = examine(&read, self.adapter, self.notary);
        if !examined.passes(true) {
            return Err(NotKept::Fails([examined.differences, examined.restyled].concat()));
        }
        fs::rename(&beside, &case.dir)?;
        Ok(())
    }

    fn beside(&self, folder: &Path) -> PathBuf {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        folder.with_file_name(format!(".recording-{name}"))
    }
}

/// Whether the answer still says what it said, but for the people in it.
fn same_answer(
    said: &Result<Reply, DecodeError>,
    kept: &Result<Reply, DecodeError>,
    disguise: &mut Disguise,
) -> Result<(), NotKept> {
    let differences = match (said, kept) {
        (Ok(said), Ok(kept)) => {
            let text = serde_json::to_vec(said).unwrap_or_default();
            let replaced: serde_json::Value =
                serde_json::from_slice(&disguise.bytes(&text)).unwrap_or_default();
            compare::values("reply", &replaced, &serde_json::to_value(kept).unwrap_or_default())
        }
        (Err(said), Err(kept)) => {
            let word = |error| DecodeFault::from(error).to_string();
            compare::texts("error", &word(said), &word(kept))
        }
        (Ok(_), Err(error)) => {
            vec![Difference::new("reply", "a reply", DecodeFault::from(error).to_string())]
        }
        (Err(error), Ok(_)) => {
            vec![Difference::new("error", DecodeFault::from(error).to_string(), "a reply")]
        }
    };
    if differences.is_empty() { Ok(()) } else { Err(NotKept::OtherAnswer(differences)) }
}

/// The partner's code, where a reply bears one.
fn code(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Answered(_) => None,
        Reply::Refused { remark, .. }
        | Reply::TryLater { remark, .. }
        | Reply::Unclear { remark }
        | Reply::Blocked { remark, .. } => Some(&remark.code),
    }
}
