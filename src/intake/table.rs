//! The intake table: upstream writes rows into it, in its own transactions.

use super::document::{not_utf8, parse};
use super::{Intake, IntakeError, Parsed};
use crate::alarm::AlarmKind;
use crate::store::{IntakeRow, StoreError, Tx, despite_races};
use league_contract::{Problem, ProblemCode, RequestId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

impl Intake {
    /// Takes in what upstream put into the intake table, in order: each row leaves in the transaction that creates its
    /// transfer, or moves to `intake_refused` with its problems. Returns how many rows left the table.
    ///
    /// # Errors
    /// [`IntakeError::Store`] or [`IntakeError::Seal`]; the rows then stay.
    pub async fn drain_table(&self, limit: u32) -> Result<u32, IntakeError> {
        // A look costs nothing; the write lock is taken only when there is something to take.
        if self.store.read("intake").await?.intake(1).await?.is_empty() {
            self.empty_log().await?;
            return Ok(0);
        }
        let count = despite_races(|| self.take_rows(limit)).await?;
        if count == 0 {
            self.empty_log().await?;
            return Ok(0);
        }
        self.log_dirty.store(true, Ordering::Relaxed);
        self.bells.changed();
        if count < limit {
            self.empty_log().await?;
        }
        Ok(count)
    }

    async fn take_rows(&self, limit: u32) -> Result<u32, IntakeError> {
        let mut stuck = BTreeMap::new();
        'again: loop {
            let mut tx = self.store.write("intake").await?;
            let mut rows = tx.intake(limit).await?;
            rows.retain(|row| !stuck.contains_key(&row.id));
            for row in &rows {
                match self.take_row(&mut tx, row).await {
                    // It may have written something: all is undone, and the others are taken without it.
                    Err(IntakeError::Store(error @ StoreError::BadRow { .. })) => {
                        stuck.insert(row.id, error);
                        tx.undo().await;
                        continue 'again;
                    }
                    // Whoever runs it again finds the rows free.
                    Err(error) => {
                        tx.undo().await;
                        return Err(error);
                    }
                    Ok(()) => {}
                }
            }
            for (id, error) in stuck {
                self.tell_stuck(&mut tx, id, &error).await?;
            }
            tx.commit().await?;
            return Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        }
    }

    async fn take_row(&self, tx: &mut Tx, row: &IntakeRow) -> Result<(), IntakeError> {
        match self.answer(tx, &read(row)).await? {
            Ok(_) => Ok(tx.intake_taken(row.id).await?),
            Err(problems) => self.refuse(tx, row, &problems).await,
        }
    }

    /// A row that meets damage which is not its own stays until somebody mends that.
    async fn tell_stuck(&self, tx: &mut Tx, id: i64, error: &StoreError) -> Result<(), IntakeError> {
        tracing::error!(intake_row = id, %error, "an intake row meets a damaged row and stays: mend that one");
        let detail = [
            format!("intake 表第 {id} 行暂不能接收，请先修复：{error}"),
            format!("row {id} of intake can't be taken until this is mended: {error}"),
        ];
        tx.raise_alarm(None, AlarmKind::SetAside, detail, self.clock.now()).await?;
        Ok(())
    }

    async fn refuse(&self, tx: &mut Tx, row: &IntakeRow, problems: &[Problem]) -> Result<(), IntakeError> {
        let (id, codes) = (row.id, codes(problems));
        tx.after_commit(move || tracing::warn!(intake_row = id, problems = codes, "intake row refused"));
        let sealed = self.seal_refused(row)?;
        let problems = serde_json::to_string(problems).unwrap_or_default();
        Ok(tx.intake_refused(row, &problems, &sealed, self.clock.now()).await?)
    }

    /// What upstream wrote, sealed. A key that is none may be anything: it is sealed too, on a line before the payload.
    fn seal_refused(&self, row: &IntakeRow) -> Result<Vec<u8>, crate::seal::SealError> {
        let clear = match row.key() {
            Some(_) => row.payload.clone(),
            None => [row.request_id.as_slice(), row.payload.as_slice()].join(&b'\n'),
        };
        let owner = row.key();
        self.sealer.seal("intake_refused", owner.as_ref().map_or("?", RequestId::as_str), &clear)
    }

    /// The payloads were clear text, and nothing is left of them in the table: now in the database's log neither.
    async fn empty_log(&self) -> Result<(), StoreError> {
        if self.log_dirty.load(Ordering::Relaxed) && self.store.empty_log().await? {
            self.log_dirty.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The row's document, if the key that stands beside it is its own.
fn read(row: &IntakeRow) -> Parsed {
    std::str::from_utf8(&row.request_id).map_err(|_| vec![not_utf8()])?;
    let value = parse(&row.payload)?;
    let key = value.get("request_id").and_then(Value::as_str).map(str::as_bytes);
    if key == Some(&row.request_id) {
        return Ok(value);
    }
    Err(vec![Problem::at(
        ProblemCode::FieldInvalid,
        "request_id",
        "intake 行的 request_id 与内容不一致",
        "the row's request_id is not the document's",
    )])
}

/// The codes of problems, for a log line.
fn codes(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>().join(", ")
}
