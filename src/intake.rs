//! Taking transfers in: the one validation behind every door (API, intake table, `enqueue`).

use crate::clock::Clock;
use crate::notify::Bell;
use crate::organization::normalize;
use crate::partner::Partners;
use crate::routing::Routes;
use crate::seal::Sealer;
use crate::store::{IntakeRow, NewTransfer, Sharing, Shown, Store, StoreError, Stored, Tx, Work};
use crate::transfer::{
    Cause, Entry, Event, Facts, Line, Milestone, Milestones, State, Verdict, Withdrawal, advance,
};
use league_contract::document::{self, Rules, unknown_province};
use league_contract::{Problem, ProblemCode, ProvinceCode, RequestId, System, Transfer, text};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// What time it is.
    pub clock: Clock,
    /// Rung when something came in.
    pub bell: Bell,
    /// Whether the database's log may hold clear text of rows that were taken from the intake table.
    pub log_dirty: Arc<AtomicBool>,
}

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
        let read = document::read(value, Rules { province: &route, now: Some(self.clock.now()) });
        let (transfer, mut problems) =
            read.map_or_else(|found| (None, found), |read| (Some(read), Vec::new()));
        let field = "destination.full_name";
        let name = value.pointer("/destination/full_name").and_then(Value::as_str);
        let told = problems.iter().any(|problem| problem.field.as_deref() == Some(field));
        if name.is_some_and(normalize::is_blank) && !told {
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
        self.bell.ring();
        Ok(taken)
    }

    /// Takes one document in, in the caller's transaction. A refusal leaves the transaction as it was.
    ///
    /// # Errors
    /// [`IntakeError`].
    pub async fn take(&self, tx: &mut Tx, value: &Value) -> Result<Taken, IntakeError> {
        let (transfer, system) = self.read(value).map_err(IntakeError::Refused)?;
        let new = self.new_transfer(&transfer, system)?;
        if let Some(known) = tx.transfer(&transfer.request_id).await? {
            return known_already(known, &new);
        }
        // Where many write, the same document may have come in by another door since that look.
        match tx.open_transfer_of(&new.person.index).await? {
            Some(open) if open.entry.request_id == transfer.request_id => return known_already(open, &new),
            Some(open) => return Err(open_already(&open)),
            None => {}
        }
        let following = self.partners.get(&new.entry.system).map(|partner| partner.policy.following);
        let lines =
            [Line::Milestone(Milestone::Received), Line::StateChanged { from: None, to: State::Queued }];
        let id = tx.insert_transfer(&new, &lines, Cause::Upstream).await?;
        if let Some(following) = following {
            crate::inbound::apply_waiting(tx, &self.sealer, following, id, self.clock.now()).await?;
        }
        let stored = tx.transfer_by_id(id).await?.ok_or(StoreError::LeaseLost(id))?;
        metrics::counter!("league_gateway_received_total", "system" => stored.entry.system.to_string())
            .increment(1);
        tracing::info!(request_id = %stored.entry.request_id, system = %stored.entry.system, "transfer received");
        Ok(Taken::Created(stored))
    }

    fn new_transfer(&self, transfer: &Transfer, system: System) -> Result<NewTransfer, IntakeError> {
        let now = self.clock.now();
        let destination = &transfer.destination;
        let entry = Entry {
            id: 0,
            request_id: transfer.request_id.clone(),
            system,
            state: State::Queued,
            province_code: destination.province_code,
            destination_name: destination.full_name.clone(),
            sent_name: None,
            organization_id: None,
            receipt_no: None,
            attempts: 0,
            tries: 0,
            due_at: Some(now),
            deadline_at: None,
            held: None,
            withdrawal: None,
            last_error: None,
            milestones: Milestones { received_at: Some(now), ..Milestones::default() },
            warnings: self
                .routes
                .mismatch(destination.province_code, &destination.full_name)
                .into_iter()
                .collect(),
            created_at: now,
            updated_at: now,
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

    /// Mends a returned transfer and puts it back into the queue. `changes` has any of `destination`, `reason`,
    /// `details`, `member`; objects are merged field by field, but `details` of another reason are replaced.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing is changed then.
    pub async fn amend(&self, request_id: &RequestId, changes: &Value) -> Result<Stored, IntakeError> {
        let mut tx = self.store.write("amend").await?;
        let known = known(tx.transfer(request_id).await?, request_id)?;
        if known.entry.state != State::Returned {
            return Err(not_allowed(&known.entry, "修改", "amended"));
        }
        let transfer = self.sealer.open_transfer(request_id, &known.document_sealed)?;
        let current: Value = serde_json::from_str(&document::write(&transfer)).unwrap_or_default();
        let merged = merge(current, changes).map_err(IntakeError::one)?;
        let (transfer, system) = self.read(&merged).map_err(IntakeError::Refused)?;
        let new = self.new_transfer(&transfer, system)?;
        let open = tx.open_transfer_of(&new.person.index).await?;
        if let Some(open) = open.filter(|open| open.entry.id != known.entry.id) {
            return Err(open_already(&open));
        }
        tx.replace_document(&new, known.entry.id).await?;
        let after = Entry {
            system: new.entry.system.clone(),
            province_code: new.entry.province_code,
            destination_name: new.entry.destination_name.clone(),
            warnings: new.entry.warnings.clone(),
            ..known.entry.clone()
        };
        let stored = self.occur(&mut tx, after, Event::Amended, "修改", "amended").await?;
        tx.commit().await?;
        self.bell.ring();
        Ok(stored)
    }

    /// Takes a transfer back: at once where no partner has it, else by asking the partner. The answer says which.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing is changed then.
    pub async fn withdraw(&self, request_id: &RequestId, reason: &str) -> Result<Stored, IntakeError> {
        let reason = text::clean(reason, 1, 200).map_err(|_| {
            IntakeError::one(Problem::at(
                ProblemCode::FieldInvalid,
                "reason",
                "请填写撤回原因（1 至 200 个字符）",
                "give a reason of 1 to 200 characters",
            ))
        })?;
        let mut tx = self.store.write("withdraw").await?;
        let known = known(tx.transfer(request_id).await?, request_id)?;
        let entry = known.entry.clone();
        let stored = match entry.state {
            State::Withdrawn => return Ok(known),
            // A submit may have arrived after all: it is asked about before this is called withdrawn.
            State::Queued if tx.may_have_arrived(entry.id).await? => {
                self.wish(&mut tx, known, &reason).await?
            }
            State::Queued | State::Returned => {
                self.occur(&mut tx, entry, Event::WithdrawnHere, "撤回", "withdrawn").await?
            }
            State::Sending | State::Unconfirmed | State::Submitted | State::AwaitingCheckIn => {
                self.wish(&mut tx, known, &reason).await?
            }
            State::Completed | State::Rejected | State::Overdue | State::Failed => {
                return Err(not_allowed(&entry, "撤回", "withdrawn"));
            }
        };
        tx.commit().await?;
        self.bell.ring();
        Ok(stored)
    }

    /// Notes that upstream wants a transfer back that a partner may have: delivery asks the partner.
    async fn wish(&self, tx: &mut Tx, known: Stored, reason: &str) -> Result<Stored, IntakeError> {
        if known.entry.withdrawal.is_some() {
            return Ok(known);
        }
        let mut entry = known.entry.clone();
        let partner = self.partners.get(&entry.system);
        if partner.is_none_or(|partner| !partner.adapter.capabilities().withdraw) {
            return Err(not_allowed(&entry, "撤回", "withdrawn"));
        }
        let now = self.clock.now();
        // The reason is kept readable and goes into the partner's file: it names nobody.
        let transfer = self.sealer.open_transfer(&entry.request_id, &known.document_sealed)?;
        entry.withdrawal = Some(Withdrawal { reason: transfer.redact(reason), at: now });
        // In `sending` the outcome of the submit comes first; elsewhere the partner is asked at once.
        entry.due_at = if entry.state == State::Sending { None } else { Some(now) };
        entry.updated_at = now;
        let text = "上游请求撤回 (upstream asks for it back)".to_owned();
        let note = Line::Note { code: "withdrawal_requested", text };
        let step = crate::transfer::Advance { entry, lines: vec![note], verdict: Verdict::Stays };
        tx.save(&step, false, Cause::Upstream, now).await?;
        Ok(Stored { entry: step.entry, ..known })
    }

    async fn occur(
        &self,
        tx: &mut Tx,
        entry: Entry,
        event: Event,
        zh: &str,
        en: &str,
    ) -> Result<Stored, IntakeError> {
        let now = self.clock.now();
        let Some(partner) = self.partners.get(&entry.system) else { return Err(not_allowed(&entry, zh, en)) };
        let step = advance(partner.policy.following, &entry, Some(event), Facts::default(), now);
        if step.verdict == Verdict::Conflict {
            return Err(not_allowed(&entry, zh, en));
        }
        tx.save(&step, false, Cause::Upstream, now).await?;
        Ok(tx.transfer_by_id(entry.id).await?.ok_or(StoreError::LeaseLost(entry.id))?)
    }

    /// Takes in what upstream put into the intake table, in order: each row leaves in the transaction that creates its
    /// transfer, or moves to `intake_refused` with its problems. Returns how many rows were looked at.
    ///
    /// # Errors
    /// [`IntakeError::Store`] or [`IntakeError::Seal`]; the rows then stay.
    pub async fn drain_table(&self, limit: u32) -> Result<u32, IntakeError> {
        // A look costs nothing; the write lock is taken only when there is something to take.
        if self.store.read("intake").await?.intake(1).await?.is_empty() {
            self.empty_log().await?;
            return Ok(0);
        }
        let mut tx = self.store.write("intake").await?;
        let rows = tx.intake(limit).await?;
        let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        for row in rows {
            let value = std::str::from_utf8(&row.request_id).map_err(|_| vec![not_utf8()]);
            let value = value.and_then(|_| parse(&row.payload)).and_then(|value| {
                let key = value.get("request_id").and_then(Value::as_str).map(str::as_bytes);
                (key == Some(&row.request_id)).then_some(value).ok_or_else(|| {
                    vec![Problem::at(
                        ProblemCode::FieldInvalid,
                        "request_id",
                        "intake 行的 request_id 与内容不一致",
                        "the row's request_id is not the document's",
                    )]
                })
            });
            let taken = match value {
                Ok(value) => self.take(&mut tx, &value).await,
                Err(problems) => Err(IntakeError::Refused(problems)),
            };
            match taken {
                Ok(_) => tx.intake_taken(row.id).await?,
                Err(IntakeError::Refused(problems)) => {
                    tracing::warn!(intake_row = row.id, problems = %codes(&problems), "intake row refused");
                    let sealed = self.seal_refused(&row)?;
                    let problems = serde_json::to_string(&problems).unwrap_or_default();
                    tx.intake_refused(&row, &problems, &sealed, self.clock.now()).await?;
                }
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        self.log_dirty.store(true, Ordering::Relaxed);
        self.bell.ring();
        if count < limit {
            self.empty_log().await?;
        }
        Ok(count)
    }

    /// What upstream wrote, sealed. A key that is none may be anything: it is sealed too, on a line before the payload.
    fn seal_refused(&self, row: &IntakeRow) -> Result<Vec<u8>, crate::seal::SealError> {
        let clear = match row.key() {
            Some(_) => row.payload.clone(),
            None => [row.request_id.as_slice(), row.payload.as_slice()].join(&b'\n'),
        };
        self.sealer.seal("intake_refused", &row.id.to_string(), &clear)
    }

    /// The payloads were clear text, and nothing is left of them in the table: now in the database's log neither.
    async fn empty_log(&self) -> Result<(), StoreError> {
        if self.log_dirty.load(Ordering::Relaxed) && self.store.empty_log().await? {
            self.log_dirty.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
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

/// A document that comes alone.
struct Create {
    intake: Intake,
    value: Value,
}

impl Work for Create {
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

/// Reads JSON as a document.
///
/// # Errors
/// One `malformed` problem with line and column, without the text.
pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Value, Vec<Problem>> {
    let text = std::str::from_utf8(bytes.as_ref()).map_err(|_| vec![not_utf8()])?;
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        vec![Problem::new(
            ProblemCode::Malformed,
            format!("不是有效的 JSON（第 {line} 行第 {column} 列）"),
            format!("not valid JSON (line {line}, column {column})"),
        )]
    })
}

fn not_utf8() -> Problem {
    Problem::new(ProblemCode::Malformed, "不是 UTF-8 文本", "the text is not UTF-8")
}

/// The codes of problems, for a log line.
#[must_use]
pub fn codes(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>().join(", ")
}

fn known(found: Option<Stored>, request_id: &RequestId) -> Result<Stored, IntakeError> {
    found.ok_or_else(|| {
        IntakeError::one(Problem::at(
            ProblemCode::NotFound,
            "request_id",
            format!("没有申请 {request_id}"),
            format!("there is no transfer {request_id}"),
        ))
    })
}

fn not_allowed(entry: &Entry, zh: &str, en: &str) -> IntakeError {
    IntakeError::one(Problem::new(
        ProblemCode::NotAllowedInState,
        format!("申请 {} 处于“{}”，不能{zh}", entry.request_id, entry.state.zh()),
        format!("{} is {} and can't be {en}", entry.request_id, entry.state),
    ))
}

/// The document with an amendment's fields in place.
fn merge(mut current: Value, changes: &Value) -> Result<Value, Problem> {
    let malformed = |field: &str, zh: &str, en: &str| Problem::at(ProblemCode::FieldInvalid, field, zh, en);
    let Value::Object(changes) = changes else {
        return Err(Problem::new(
            ProblemCode::Malformed,
            "应为一个 JSON 对象",
            "the body must be a JSON object",
        ));
    };
    if changes.is_empty() {
        return Err(Problem::new(ProblemCode::Malformed, "没有要修改的内容", "there is nothing to amend"));
    }
    let new_reason = changes.get("reason").is_some_and(|reason| Some(reason) != current.get("reason"));
    for (key, change) in changes {
        let known = matches!(key.as_str(), "destination" | "reason" | "details" | "member");
        if !known {
            return Err(malformed(
                &document::shown_key(key),
                "只能修改 destination、reason、details、member",
                "only destination, reason, details and member can be amended",
            ));
        }
        match (&mut current[key.as_str()], change) {
            (Value::Object(fields), Value::Object(changed)) if !(key == "details" && new_reason) => {
                fields.extend(changed.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            (slot, change) => *slot = change.clone(),
        }
    }
    if new_reason && !changes.contains_key("details") {
        current["details"] = Value::Object(serde_json::Map::new());
    }
    Ok(current)
}
