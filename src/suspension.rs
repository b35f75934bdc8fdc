//! Suspension: a system that refuses our credentials is left alone until somebody mends them.

use crate::alarm::AlarmKind;
use crate::partner::Partner;
use crate::store::{Store, StoreError, Tx};
use jiff::Timestamp;
use league_contract::Blockage;

/// Suspends a system, once: the alarm is raised with the first refusal alone.
///
/// # Errors
/// [`StoreError`].
pub async fn suspend(
    tx: &mut Tx,
    partner: &Partner,
    why: Blockage,
    code: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut row = tx.system(&partner.system).await?;
    if row.suspended.is_some() {
        return Ok(());
    }
    let (zh, reason) = match why {
        Blockage::Authentication => ("对方系统拒绝了我方凭据", format!("credentials refused (code {code})")),
        Blockage::ClockSkew => ("双方时钟相差过大", format!("clocks too far apart (code {code})")),
    };
    let detail = [
        format!("{zh}（{code}）。修正后重启，或执行 systems resume"),
        format!(
            "{reason}: nothing is sent until its credentials change or an operator runs `systems resume`"
        ),
    ];
    tx.raise_alarm(Some(&partner.system), AlarmKind::Suspended, detail, at).await?;
    row.suspended = Some(reason);
    row.credentials = Some(partner.credentials.clone());
    tx.save_system(&partner.system, &row).await
}

/// Lifts a suspension when the configuration now holds other credentials than those that were refused.
///
/// # Errors
/// [`StoreError`].
pub async fn lift_if_credentials_changed(
    store: &Store,
    partner: &Partner,
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = store.write("lift suspension").await?;
    let mut row = tx.system(&partner.system).await?;
    if row.suspended.is_some() && row.credentials.as_ref() != Some(&partner.credentials) {
        tracing::warn!(system = %partner.system, "suspension lifted: the credentials were changed");
        row.suspended = None;
        row.credentials = None;
        tx.clear_alarm(Some(&partner.system), AlarmKind::Suspended, None, at).await?;
        tx.save_system(&partner.system, &row).await?;
        tx.commit().await?;
    }
    Ok(())
}
