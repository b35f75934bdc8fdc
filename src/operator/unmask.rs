//! Whole persons, for a role that may see them: the look stands in the audit log before anything is shown.

use super::{Operator, cleaned};
use crate::intake::{IntakeError, known};
use crate::store::{Author, Deed, Stored, despite_races};
use league_contract::{RequestId, Transfer};

impl Operator {
    /// Opens a transfer's document. That somebody looked, and why, is durable before it is returned.
    ///
    /// # Errors
    /// [`IntakeError`]: why it can't be opened; nothing was shown then.
    pub async fn unmask(
        &self,
        request_id: &RequestId,
        reason: &str,
        author: &Author,
    ) -> Result<(Stored, Transfer), IntakeError> {
        let reason = cleaned(reason)?;
        despite_races(async || {
            let mut tx = self.intake.store.write("unmask").await?;
            let stored = known(tx.transfer(request_id).await?, request_id)?;
            let transfer = self.intake.sealer.open_transfer(request_id, &stored.document_sealed)?;
            let deed = Deed {
                author,
                act: "unmask",
                subject: format!("transfer:{request_id}"),
                reason: &transfer.redact(&reason),
                outcome: "the whole document was shown",
                at: self.intake.clock.now(),
            };
            tx.audit(&self.intake.sealer, deed).await?;
            tx.commit().await?;
            Ok((stored, transfer))
        })
        .await
    }
}
