//! A status event that nothing came of is applied again, in the way that new ones are.

use super::{Operator, cleaned};
use crate::inbound::apply::apply_again;
use crate::intake::IntakeError;
use crate::store::{Author, CallbackRow, CallbackVerdict, Deed, Stored, Tx, despite_races};
use crate::transfer::{Line, Verdict};
use league_contract::{Problem, ProblemCode, RequestId, System};

/// What came of an event that was applied again.
#[derive(Debug)]
pub struct Reapplied {
    /// The event after it.
    pub row: CallbackRow,
    /// Its transfer after it.
    pub stored: Stored,
    /// What was done, in Chinese and English.
    pub did: [String; 2],
}

impl Operator {
    /// Applies a kept event again: one that found no transfer, contradicted it, or met one that was damaged.
    ///
    /// # Errors
    /// [`IntakeError`]: why nothing comes of it; nothing is changed then, and nothing stands in the audit log.
    pub async fn reapply(&self, id: i64, reason: &str, author: &Author) -> Result<Reapplied, IntakeError> {
        let reason = cleaned(reason)?;
        let done = despite_races(|| self.reapply_once(id, &reason, author)).await?;
        self.intake.bells.changed();
        Ok(done)
    }

    async fn reapply_once(&self, id: i64, reason: &str, author: &Author) -> Result<Reapplied, IntakeError> {
        let mut tx = self.intake.store.write("reapply").await?;
        let row = tx.callback(id).await?.ok_or_else(|| no_event(id))?;
        let stored = self.transfer_of(&mut tx, &row).await?;
        let entry = &stored.entry;
        let Some(partner) = self.intake.partners.get(&entry.system) else {
            return Err(because(&row, "所属系统未配置", "its system is not configured here"));
        };
        let sealer = &self.intake.sealer;
        let now = self.intake.clock.now();
        let following = partner.policy.following;
        let mut step = apply_again(&mut tx, sealer, following, (&row, &stored), now).await?;
        let did = match step.verdict {
            Verdict::Conflict => {
                return Err(because(
                    &row,
                    &format!("仍与申请 {} 的状态“{}”矛盾，未作改动", entry.request_id, entry.state.zh()),
                    &format!(
                        "contradicts {} still, which is {}: nothing was changed",
                        entry.request_id, entry.state
                    ),
                ));
            }
            Verdict::To(to) => {
                [format!("已生效：申请变为“{}”", to.zh()), format!("applied: the transfer is now {to}")]
            }
            Verdict::Stays => ["已生效：状态不变".to_owned(), "applied: the state stays as it is".to_owned()],
        };
        let reason = sealer.open_transfer(&entry.request_id, &stored.document_sealed)?.redact(reason);
        // What the event brought is written; this line says who had it applied.
        step.lines = vec![Line::Note {
            code: "operator_reapply",
            text: format!("{}: {reason} (event {id}: {})", author.name, did[1]),
        }];
        tx.save(&step, false, crate::transfer::Cause::Operator, now).await?;
        let subject = format!("transfer:{}", entry.request_id);
        let outcome = format!("event {id}: {}", did[1]);
        let deed = Deed { author, act: "reapply", subject, reason: &reason, outcome: &outcome, at: now };
        tx.audit(sealer, deed).await?;
        let row = tx.callback(id).await?.ok_or_else(|| no_event(id))?;
        let stored = tx.transfer_by_id(entry.id).await?.ok_or_else(|| no_event(id))?;
        tx.commit().await?;
        Ok(Reapplied { row, stored, did })
    }

    /// The transfer of an event to which something can still come.
    async fn transfer_of(&self, tx: &mut Tx, row: &CallbackRow) -> Result<Stored, IntakeError> {
        if row.verdict == CallbackVerdict::Applied.as_str() {
            return Err(because(row, "已生效，无需重新处理", "was applied already"));
        }
        let Some(request_id) = RequestId::parse(&row.request_id) else {
            return Err(because(
                row,
                "无法读取，不能处理；请向对方系统核实",
                "can't be read, so nothing can come of it: ask the partner",
            ));
        };
        let found = tx.transfer(&request_id).await?;
        let of_theirs =
            |stored: &Stored| System::parse(&row.system).is_some_and(|system| system == stored.entry.system);
        found.filter(of_theirs).ok_or_else(|| {
            because(
                row,
                &format!("对应的申请 {request_id} 尚未收到（该系统下没有此申请）；收到后会自动生效"),
                &format!("waits for the transfer {request_id}, which is not here for that system; it is applied when it comes"),
            )
        })
    }
}

fn no_event(id: i64) -> IntakeError {
    IntakeError::Refused(vec![Problem::at(
        ProblemCode::NotFound,
        "id",
        format!("没有事件 {id}"),
        format!("there is no event {id}"),
    )])
}

fn because(row: &CallbackRow, zh: &str, en: &str) -> IntakeError {
    let id = row.id;
    IntakeError::Refused(vec![Problem::new(
        ProblemCode::NotAllowedInState,
        format!("事件 {id} {zh}"),
        format!("event {id} {en}"),
    )])
}
