//! What upstream does with a transfer that it put in: mends it, takes it back.

use super::{Intake, IntakeError, open_already};
use crate::store::{Author, Deed, StoreError, Stored, Tx, despite_races};
use crate::telemetry::{Role, Span, TraceId, record};
use crate::transfer::{Advance, Cause, Entry, Event, Facts, Line, State, Verdict, Withdrawal, advance};
use league_contract::{Problem, ProblemCode, RequestId, document, text};
use serde_json::Value;

impl Intake {
    /// Mends a returned transfer and puts it back into the queue. `changes` has any of `destination`, `reason`,
    /// `details`, `member`; objects are merged field by field, but `details` of another reason are replaced.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing is changed then.
    pub async fn amend(
        &self,
        request_id: &RequestId,
        changes: &Value,
        author: &Author,
    ) -> Result<Stored, IntakeError> {
        let stored = despite_races(|| self.amend_once(request_id, changes, author)).await?;
        self.bells.changed();
        Ok(stored)
    }

    async fn amend_once(
        &self,
        request_id: &RequestId,
        changes: &Value,
        author: &Author,
    ) -> Result<Stored, IntakeError> {
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
        if let Some(other) = open.filter(|open| open.entry.id != known.entry.id) {
            return Err(open_already(&other));
        }
        tx.replace_document(&new, known.entry.id).await?;
        let after = Entry {
            system: new.entry.system.clone(),
            province_code: new.entry.province_code,
            destination_name: new.entry.destination_name.clone(),
            warnings: new.entry.warnings.clone(),
            ..known.entry.clone()
        };
        let sent_name = self.name_after(&known.entry, &after, changes);
        let facts = Facts { sent_name, ..Facts::default() };
        let stored =
            self.occur(&mut tx, after, (Event::Amended, facts), ("修改", "amended"), Cause::Upstream).await?;
        let outcome = format!("amended: {} for {}", stored.entry.state, stored.entry.system);
        self.note(&mut tx, request_id, ("amend", "", &outcome), author).await?;
        tx.commit().await?;
        Ok(stored)
    }

    /// Under which name an amended transfer is sent; nothing where the system checks the name first. Who writes a name anew
    /// means it: it goes out as it is written now, and not as the local directory writes it. Who mends something else leaves it.
    fn name_after(&self, before: &Entry, after: &Entry, changes: &Value) -> Option<String> {
        if self.partners.get(&after.system).is_none_or(|partner| partner.checks_names()) {
            return None;
        }
        let written = changes.pointer("/destination/full_name").is_some();
        let moved = (&after.system, after.province_code) != (&before.system, before.province_code);
        if written || moved {
            written.then(|| after.destination_name.clone())
        } else {
            before.sent_name.clone()
        }
    }

    /// Takes a transfer back: at once where no partner has it, else by asking the partner. The answer says which.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing is changed then.
    pub async fn withdraw(
        &self,
        request_id: &RequestId,
        reason: &str,
        author: &Author,
    ) -> Result<Stored, IntakeError> {
        let reason = text::clean(reason, 1, 200).map_err(|_| {
            IntakeError::one(Problem::at(
                ProblemCode::FieldInvalid,
                "reason",
                "请填写撤回原因（1 至 200 个字符）",
                "give a reason of 1 to 200 characters",
            ))
        })?;
        let stored = despite_races(|| self.withdraw_once(request_id, &reason, author)).await?;
        self.bells.changed();
        Ok(stored)
    }

    async fn withdraw_once(
        &self,
        request_id: &RequestId,
        reason: &str,
        author: &Author,
    ) -> Result<Stored, IntakeError> {
        let mut tx = self.store.write("withdraw").await?;
        let known = known(tx.transfer(request_id).await?, request_id)?;
        let before = known.entry.clone();
        // The log names nobody: a reason that can't be read beside its document is left out of it.
        let transfer = self.sealer.open_transfer(request_id, &known.document_sealed);
        let redacted = transfer.map_or_else(|_| String::new(), |transfer| transfer.redact(reason));
        let stored = self.take_back(&mut tx, known, reason, Cause::Upstream).await?;
        // Asked again, nothing changes.
        if stored.entry != before {
            let outcome =
                if stored.entry.state == State::Withdrawn { "withdrawn" } else { "the partner is asked" };
            self.note(&mut tx, request_id, ("withdraw", &redacted, outcome), author).await?;
        }
        tx.commit().await?;
        Ok(stored)
    }

    /// Upstream's act in the audit log, and, once it is committed, in the daemon's.
    async fn note(
        &self,
        tx: &mut Tx,
        request_id: &RequestId,
        (act, reason, outcome): (&'static str, &str, &str),
        author: &Author,
    ) -> Result<(), StoreError> {
        let subject = format!("transfer:{request_id}");
        let deed = Deed { author, act, subject, reason, outcome, at: self.clock.now() };
        tx.audit(&self.sealer, deed).await?;
        self.tell_act(tx, request_id, ("upstream's act", act), &author.name);
        Ok(())
    }

    /// Takes a transfer back in the caller's transaction, for upstream or an operator.
    ///
    /// # Errors
    /// [`IntakeError`]; nothing is changed then.
    pub async fn take_back(
        &self,
        tx: &mut Tx,
        known: Stored,
        reason: &str,
        cause: Cause,
    ) -> Result<Stored, IntakeError> {
        let entry = known.entry.clone();
        match entry.state {
            State::Withdrawn => Ok(known),
            // A submit may have arrived after all: it is asked about before this is called withdrawn.
            State::Queued if tx.may_have_arrived(entry.id).await? => {
                self.wish(tx, known, reason, cause).await
            }
            State::Queued | State::Returned => {
                self.occur(tx, entry, (Event::WithdrawnHere, Facts::default()), ("撤回", "withdrawn"), cause)
                    .await
            }
            State::Sending | State::Unconfirmed | State::Submitted | State::AwaitingCheckIn => {
                self.wish(tx, known, reason, cause).await
            }
            State::Completed | State::Rejected | State::Overdue | State::Failed => {
                Err(not_allowed(&entry, "撤回", "withdrawn"))
            }
        }
    }

    /// Notes that upstream wants a transfer back that a partner may have: delivery asks the partner.
    async fn wish(
        &self,
        tx: &mut Tx,
        known: Stored,
        reason: &str,
        cause: Cause,
    ) -> Result<Stored, IntakeError> {
        if known.entry.withdrawal.is_some() {
            return Ok(known);
        }
        let mut entry = known.entry.clone();
        let partner = self.partners.get(&entry.system);
        if partner.is_none_or(|partner| !partner.capabilities().withdraw) {
            return Err(not_allowed(&entry, "撤回", "withdrawn"));
        }
        let now = self.clock.now();
        // The reason is kept readable and goes into the partner's file: it names nobody.
        let transfer = self.sealer.open_transfer(&entry.request_id, &known.document_sealed)?;
        entry.withdrawal = Some(Withdrawal { reason: transfer.redact(reason), at: now });
        // In `sending` the outcome of the submit comes first; elsewhere the partner is asked at once.
        entry.due_at = if entry.state == State::Sending { None } else { Some(now) };
        entry.updated_at = now;
        let text = if cause == Cause::Operator {
            "管理员请求撤回 (an operator asks for it back)"
        } else {
            "上游请求撤回 (upstream asks for it back)"
        };
        let note = Line::Note { code: "withdrawal_requested", text: text.to_owned() };
        let step = Advance { entry, lines: vec![note], verdict: Verdict::Stays };
        tx.save(&step, false, cause, now).await?;
        Ok(Stored { entry: step.entry, ..known })
    }

    /// Logs what somebody did to a transfer, once it is committed; spans name nobody.
    pub(crate) fn tell_act(
        &self,
        tx: &mut Tx,
        request_id: &RequestId,
        (name, act): (&'static str, &'static str),
        author: &str,
    ) {
        let (request_id, author) = (request_id.clone(), author.to_owned());
        let (clock, began) = (self.clock.clone(), self.clock.now());
        tx.after_commit(move || {
            tracing::info!(%request_id, trace_id = %TraceId::of(&request_id), act, author, name);
            record(|| Span {
                request_id: request_id.to_string(),
                name,
                role: Role::Internal,
                began,
                ended: clock.now(),
                fields: vec![("league.act", act.to_owned())],
                failed: None,
            });
        });
    }

    async fn occur(
        &self,
        tx: &mut Tx,
        entry: Entry,
        (event, facts): (Event, Facts),
        (zh, en): (&str, &str),
        cause: Cause,
    ) -> Result<Stored, IntakeError> {
        let now = self.clock.now();
        let Some(partner) = self.partners.get(&entry.system) else { return Err(not_allowed(&entry, zh, en)) };
        let step = advance(partner.policy.following, &entry, Some(event), facts, now);
        if step.verdict == Verdict::Conflict {
            return Err(not_allowed(&entry, zh, en));
        }
        tx.save(&step, false, cause, now).await?;
        Ok(tx.transfer_by_id(entry.id).await?.ok_or(StoreError::LeaseLost(entry.id))?)
    }
}

/// The transfer that was looked for, or that there is none.
///
/// # Errors
/// `not_found`.
pub(crate) fn known(found: Option<Stored>, request_id: &RequestId) -> Result<Stored, IntakeError> {
    found.ok_or_else(|| {
        IntakeError::one(Problem::at(
            ProblemCode::NotFound,
            "request_id",
            format!("没有申请 {request_id}"),
            format!("there is no transfer {request_id}"),
        ))
    })
}

/// The state does not allow it.
pub(crate) fn not_allowed(entry: &Entry, zh: &str, en: &str) -> IntakeError {
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
