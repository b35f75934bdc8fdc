//! What an exchange says about its system: whether its breaker opens or closes, whether it refuses our credentials.
//! Everything here is written with the system's row, under its lock, and told by alarms in the same transaction.

use crate::alarm::AlarmKind;
use crate::gate::{Change, Why};
use crate::partner::{Outcome, Partner};
use crate::store::{Store, StoreError, SystemRow, Tx, despite_races};
use jiff::Timestamp;
use league_contract::Blockage;

/// Takes note of what an exchange that ended at `at` says about its system. `row` is the caller's to save.
///
/// # Errors
/// [`StoreError`].
pub async fn note(
    tx: &mut Tx,
    partner: &Partner,
    row: &mut SystemRow,
    outcome: &Outcome,
    at: Timestamp,
) -> Result<(), StoreError> {
    let again = |steps| partner.policy.schedule.next(steps, at, None);
    let change = row.health.note(outcome.sign(), at, &partner.limits, again);
    follow(tx, partner, row, change, outcome, at).await
}

/// Takes note of how a probe ended. `row` is the caller's to save; what became of the breaker is returned.
///
/// # Errors
/// [`StoreError`].
pub async fn note_probe(
    tx: &mut Tx,
    partner: &Partner,
    row: &mut SystemRow,
    outcome: &Outcome,
    at: Timestamp,
) -> Result<Option<Change>, StoreError> {
    let again = |steps| partner.policy.schedule.next(steps, at, None);
    let change = row.health.note_probe(outcome.sign(), at, again);
    follow(tx, partner, row, change, outcome, at).await?;
    Ok(change)
}

/// Alarms, and suspension where the credentials are refused: once, with the first refusal alone.
async fn follow(
    tx: &mut Tx,
    partner: &Partner,
    row: &mut SystemRow,
    change: Option<Change>,
    outcome: &Outcome,
    at: Timestamp,
) -> Result<(), StoreError> {
    let system = Some(&partner.system);
    match change {
        Some(Change::Opened) if row.health.breaker.open() == Some(Why::ClockSkew) => {
            let detail = ["对方系统称双方时钟相差过大，校准本机时钟后自动恢复".into(),
                "it says that our clocks are too far apart: set this machine's; it is probed, and resumes by itself".into()];
            tx.raise_alarm(system, AlarmKind::ClockSkew, detail, at).await?;
        }
        Some(Change::Opened) => {
            let failures = row.health.breaker.failures;
            let detail = [
                format!("连续 {failures} 次失败，暂停发送，仅定期探测，恢复后自动继续"),
                format!("{failures} failures in a row: nothing is sent, it is probed, and resumes by itself"),
            ];
            tx.raise_alarm(system, AlarmKind::Breaker, detail, at).await?;
        }
        Some(Change::Closed) => {
            tx.clear_alarm(system, AlarmKind::Breaker, None, at).await?;
            tx.clear_alarm(system, AlarmKind::ClockSkew, None, at).await?;
        }
        None => {}
    }
    let Some((Blockage::Authentication, code)) = outcome.blocked() else { return Ok(()) };
    if row.suspended.is_some() {
        return Ok(());
    }
    let reason = format!("credentials refused (code {code})");
    let detail = [
        format!("对方系统拒绝了我方凭据（{code}）。修正后 reload 或重启，或执行 systems resume"),
        format!(
            "{reason}: nothing is sent until its credentials change or an operator runs `systems resume`"
        ),
    ];
    row.suspended = Some(reason);
    row.credentials = Some(partner.link().credentials.clone());
    tx.raise_alarm(system, AlarmKind::Suspended, detail, at).await?;
    Ok(())
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
    despite_races(async || {
        let mut tx = store.write("lift suspension").await?;
        let mut row = tx.system(&partner.system).await?;
        if row.suspended.is_some() && row.credentials.as_ref() != Some(&partner.link().credentials) {
            let system = partner.system.clone();
            tx.after_commit(move || {
                tracing::warn!(%system, "suspension lifted: the credentials were changed");
            });
            row.suspended = None;
            row.credentials = None;
            tx.clear_alarm(Some(&partner.system), AlarmKind::Suspended, None, at).await?;
            tx.save_system(&partner.system, &row).await?;
            tx.commit().await?;
        }
        Ok(())
    })
    .await
}
