//! Taking transfers in: the one validation behind every door (API, intake table, `enqueue`).

mod change;
mod document;
mod table;

pub(crate) use change::{known, not_allowed};
pub use document::parse;

use crate::clock::Clock;
use crate::notify::Bells;
use crate::organization::check::Organizations;
use crate::partner::Partners;
use crate::routing::Routes;
use crate::seal::Sealer;
use crate::store::{
    Inserted, NewTransfer, Sharing, Shown, Store, StoreError, Stored, Tx, Work, despite_races,
};
use crate::telemetry::{Role, Span, TraceId, record};
use crate::transfer::{Cause, Entry, Line, Milestone, State};
use league_contract::document::{Rules, read, unknown_province};
use league_contract::{Problem, ProblemCode, ProvinceCode, System, Transfer};
use league_directory::name;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Everything that taking a transfer in needs. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    /// Where transfers are kept.
    pub store: Store,
    /// What seals them.
    pub sealer: Arc<Sealer>,
    /// Where they go.
    pub routes: Arc<Routes>,
    /// The systems.
    pub partners: Arc<Partners>,
    /// What is known of organizations.
    pub organizations: Organizations,
    /// What time it is.
    pub clock: Clock,
    /// Rung when something came in.
    pub bells: Bells,
    /// Whether the database's log may hold clear text of rows that were taken from the intake table.
    pub log_dirty: Arc<AtomicBool>,
}

/// A document that was read as JSON, or why it can't be.
pub type Parsed = Result<Value, Vec<Problem>>;

/// What became of one of many documents, or why it was refused.
pub type Answered = Result<Taken, Vec<Problem>>;

/// What became of a document.
#[derive(Debug)]
pub enum Taken {
    /// A new transfer.
    Created(Stored),
    /// The same request with the same content was here already.
    Same(Stored),
}

/// Why a document was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The document's fault: all that is wrong with it, never empty.
    #[error("refused: {} problem(s)", .0.len())]
    Refused(Vec<Problem>),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sealer's.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
}

impl IntakeError {
    fn one(problem: Problem) -> Self {
        Self::Refused(vec![problem])
    }
}

impl Intake {
    /// Reads and checks a document: its form, the person, the route.
    ///
    /// # Errors
    /// All problems at once.
    pub fn read(&self, value: &Value) -> Result<(Transfer, System), Vec<Problem>> {
        let route = |text: &str| {
            let code = self.routes.resolve(text).ok_or_else(unknown_province)?;
            self.system(code).map(|_| code)
        };
        let read = read(value, Rules { province: &route, now: Some(self.clock.now()) });
        let (transfer, mut problems) =
            read.map_or_else(|found| (None, found), |read| (Some(read), Vec::new()));
        let field = "destination.full_name";
        let name = value.pointer("/destination/full_name").and_then(Value::as_str);
        let told = problems.iter().any(|problem| problem.field.as_deref() == Some(field));
        if name.is_some_and(name::is_blank) && !told {
            problems.push(Problem::at(
                ProblemCode::FieldInvalid,
                field,
                "组织全称为空，请填写接收组织的全称",
                "the full name is blank: give the receiving organization's full name",
            ));
        }
        match transfer {
            Some(transfer) if problems.is_empty() => {
                let system = self.system(transfer.destination.province_code);
                system.map(|system| (transfer, system)).map_err(|problem| vec![problem])
            }
            _ => Err(problems),
        }
    }

    /// The system that takes a province's transfers, if it is configured here.
    fn system(&self, code: ProvinceCode) -> Result<System, Problem> {
        let system = self.routes.system(code)?;
        if self.partners.contains_key(&system) {
            return Ok(system);
        }
        Err(Problem::at(
            ProblemCode::NoRoute,
            "destination.province_code",
            format!("尚未接通 {system}，请联系运维"),
            format!("{system} is not configured here: ask operations"),
        ))
    }

    /// Takes one document in; many that come together share a commit.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing is changed then.
    pub async fn create(&self, value: Value) -> Result<Taken, IntakeError> {
        let taken = self.store.grouped(Create { intake: self.clone(), value }).await??;
        self.bells.changed();
        Ok(taken)
    }

    /// Takes many documents in, in one transaction: each is taken or refused, in order, and what was taken is durable.
    ///
    /// # Errors
    /// [`IntakeError::Store`] or [`IntakeError::Seal`]; nothing is changed then.
    pub async fn create_all(&self, documents: &[Parsed]) -> Result<Vec<Answered>, IntakeError> {
        let answered = despite_races(async || {
            let (tx, answered) = self.take_all(documents).await?;
            tx.commit().await?;
            Ok::<_, IntakeError>(answered)
        })
        .await?;
        self.bells.changed();
        Ok(answered)
    }

    /// What [`Intake::create_all`] would answer; nothing is changed.
    ///
    /// # Errors
    /// [`IntakeError::Store`] or [`IntakeError::Seal`].
    pub async fn try_all(&self, documents: &[Parsed]) -> Result<Vec<Answered>, IntakeError> {
        let (_, answered) = despite_races(|| self.take_all(documents)).await?;
        Ok(answered)
    }

    async fn take_all(&self, documents: &[Parsed]) -> Result<(Tx, Vec<Answered>), IntakeError> {
        let mut tx = self.store.write("batch").await?;
        let mut answered = Vec::with_capacity(documents.len());
        for document in documents {
            answered.push(self.answer(&mut tx, document).await?);
        }
        Ok((tx, answered))
    }

    /// Takes a document in or refuses it, in the caller's transaction.
    async fn answer(&self, tx: &mut Tx, document: &Parsed) -> Result<Answered, IntakeError> {
        let taken = match document {
            Ok(value) => self.take(tx, value).await,
            Err(problems) => Err(IntakeError::Refused(problems.clone())),
        };
        match taken {
            Ok(taken) => Ok(Ok(taken)),
            Err(IntakeError::Refused(problems)) => Ok(Err(problems)),
            Err(error @ (IntakeError::Store(_) | IntakeError::Seal(_))) => Err(error),
        }
    }

    /// Takes one document in, in the caller's transaction. A refusal leaves the transaction as it was.
    ///
    /// # Errors
    /// [`IntakeError`].
    pub async fn take(&self, tx: &mut Tx, value: &Value) -> Result<Taken, IntakeError> {
        let (transfer, system) = self.read(value).map_err(IntakeError::Refused)?;
        let new = self.new_transfer(&transfer, system)?;
        match tx.in_the_way(&transfer.request_id, &new.person.index).await? {
            Some(known) if known.entry.request_id == transfer.request_id => {
                return known_already(known, &new);
            }
            Some(open) => return Err(open_already(&open)),
            None => {}
        }
        let following = self.partners.get(&new.entry.system).map(|partner| partner.policy.following);
        let lines =
            [Line::Milestone(Milestone::Received), Line::StateChanged { from: None, to: State::Queued }];
        let Inserted { id, awaited } = tx.insert_transfer(&new, &lines, Cause::Upstream).await?;
        let stored = match following.filter(|_| awaited) {
            None => Stored::new(id, new),
            Some(following) => {
                crate::inbound::apply_waiting(tx, &self.sealer, following, id, self.clock.now()).await?;
                tx.transfer_by_id(id).await?.ok_or(StoreError::LeaseLost(id))?
            }
        };
        let (request_id, system) = (transfer.request_id, stored.entry.system.clone());
        let (began, clock) = (stored.entry.created_at, self.clock.clone());
        tx.after_commit(move || {
            metrics::counter!("league_gateway_received_total", "system" => system.to_string()).increment(1);
            tracing::info!(%request_id, trace_id = %TraceId::of(&request_id), %system, "transfer received");
            record(|| Span {
                request_id: request_id.to_string(),
                name: Span::RECEIVED,
                role: Role::Consumer,
                began,
                ended: clock.now(),
                fields: vec![("league.system", system.to_string())],
                failed: None,
            });
        });
        Ok(Taken::Created(stored))
    }

    fn new_transfer(&self, transfer: &Transfer, system: System) -> Result<NewTransfer, IntakeError> {
        let now = self.clock.now();
        let destination = &transfer.destination;
        let (code, name) = (destination.province_code, &destination.full_name);
        let entry = Entry {
            warnings: self.warnings(&system, code, name),
            ..Entry::received(transfer.request_id.clone(), system, code, name.clone(), now)
        };
        let member = &transfer.member;
        let shown = Shown {
            name: member.name.masked(),
            id_number: member.id_number.masked(),
            phone: member.phone.masked(),
            source_id: transfer.source.organization_id.clone(),
            source_name: transfer.source.full_name.clone(),
            reason: transfer.reason.word().to_owned(),
        };
        Ok(NewTransfer {
            entry,
            shown,
            initiator: transfer.initiator.word(),
            person: self.sealer.seal_transfer(transfer)?,
        })
    }
}

impl Intake {
    /// What people should look at before the transfer goes wrong.
    fn warnings(&self, system: &System, code: ProvinceCode, name: &str) -> Vec<[String; 2]> {
        let elsewhere = self.routes.mismatch(code, name);
        // A system that checks names itself says so in its own time, with suggestions.
        let unchecked = self.partners.get(system).is_some_and(|partner| !partner.checks_names());
        let doubt = if unchecked { self.organizations.doubt(code, name) } else { None };
        elsewhere.into_iter().chain(doubt).collect()
    }
}

/// The person is on the way already.
fn open_already(open: &Stored) -> IntakeError {
    let (id, state) = (&open.entry.request_id, open.entry.state);
    IntakeError::one(Problem::at(
        ProblemCode::OpenTransferExists,
        "member.id_number",
        format!("该团员已有在途转接申请 {id}（{}），须待其结束", state.zh()),
        format!("the member already has an open transfer, {id} ({state}): wait for its end or withdraw it"),
    ))
}

/// The same content again, or another one under a key that is taken.
fn known_already(known: Stored, new: &NewTransfer) -> Result<Taken, IntakeError> {
    if known.created_digest == new.person.digest || known.document_digest == new.person.digest {
        return Ok(Taken::Same(known));
    }
    let id = &known.entry.request_id;
    Err(IntakeError::one(Problem::at(
        ProblemCode::RequestIdConflict,
        "request_id",
        format!("申请编号 {id} 已用于另一份内容，原申请未作改动；修改请用 amend"),
        format!(
            "{id} is taken by another content and nothing was changed: use amend to mend a returned request"
        ),
    )))
}

/// A document that comes alone.
struct Create {
    intake: Intake,
    value: Value,
}

impl Work for Create {
    const NAME: &'static str = "document";

    type Done = Result<Taken, IntakeError>;

    fn sharing(&self) -> Sharing {
        let key = self.value.get("request_id").and_then(Value::as_str);
        Sharing::Key(key.unwrap_or_default().to_owned())
    }

    async fn run(&self, tx: &mut Tx) -> Result<Self::Done, StoreError> {
        match self.intake.take(tx, &self.value).await {
            Err(IntakeError::Store(error)) => Err(error),
            taken => Ok(taken),
        }
    }
}
