//! An alarm that somebody looked at is over.

use super::{Operator, cleaned};
use crate::alarm::AlarmKind;
use crate::intake::IntakeError;
use crate::store::{Author, Deed, despite_races};
use league_contract::{Problem, ProblemCode, System};

impl Operator {
    /// Clears an alarm of a system, or of the gateway itself.
    ///
    /// # Errors
    /// [`IntakeError`]: `not_found` where none of that kind is open.
    pub async fn clear_alarm(
        &self,
        system: Option<&System>,
        kind: AlarmKind,
        reason: &str,
        author: &Author,
    ) -> Result<(), IntakeError> {
        let reason = cleaned(reason)?;
        // Who it was stands in the audit log.
        let by = format!("operator: {reason}");
        let cleared = despite_races(async || {
            let mut tx = self.intake.store.write("clear alarm").await?;
            let now = self.intake.clock.now();
            let cleared = tx.clear_alarm(system, kind, Some(&by), now).await?;
            if cleared {
                let of = system.map_or("league-gateway", System::as_str);
                let subject = format!("alarm:{of}/{kind}");
                let deed = Deed {
                    author,
                    act: "clear_alarm",
                    subject,
                    reason: &reason,
                    outcome: "cleared",
                    at: now,
                };
                tx.audit(&self.intake.sealer, deed).await?;
            }
            tx.commit().await?;
            Ok::<_, IntakeError>(cleared)
        });
        if cleared.await? {
            self.intake.bells.news.ring();
            return Ok(());
        }
        Err(IntakeError::Refused(vec![Problem::new(
            ProblemCode::NotFound,
            format!("没有这样的告警：{kind}"),
            format!("no such alarm is open: {kind}"),
        )]))
    }
}
