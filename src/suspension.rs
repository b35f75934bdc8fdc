//! Suspension: a system that refuses our credentials is left alone until somebody mends them.

use crate::partner::Partner;
use crate::store::{Store, StoreError, Tx};
use league_contract::Blockage;

/// Suspends a system, once: the alarm is raised with the first refusal alone.
///
/// # Errors
/// [`StoreError`].
pub async fn suspend(tx: &mut Tx, partner: &Partner, why: Blockage, code: &str) -> Result<(), StoreError> {
    let mut row = tx.system(&partner.system).await?;
    if row.suspended.is_some() {
        return Ok(());
    }
    let reason = match why {
        Blockage::Authentication => format!("credentials refused (code {code})"),
        Blockage::ClockSkew => format!("clocks too far apart (code {code})"),
    };
    tracing::error!(system = %partner.system, reason,
        "system suspended: nothing is sent until its credentials change or an operator runs `systems resume`");
    row.suspended = Some(reason);
    row.credentials = Some(partner.credentials.clone());
    tx.save_system(&partner.system, &row).await
}

/// Lifts a suspension when the configuration now holds other credentials than those that were refused.
///
/// # Errors
/// [`StoreError`].
pub async fn lift_if_credentials_changed(store: &Store, partner: &Partner) -> Result<(), StoreError> {
    let mut tx = store.write("lift suspension").await?;
    let mut row = tx.system(&partner.system).await?;
    if row.suspended.is_some() && row.credentials.as_ref() != Some(&partner.credentials) {
        tracing::warn!(system = %partner.system, "suspension lifted: the credentials were changed");
        row.suspended = None;
        row.credentials = None;
        tx.save_system(&partner.system, &row).await?;
        tx.commit().await?;
    }
    Ok(())
}
