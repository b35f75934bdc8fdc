//! A backup becomes the database again. It is older than the partners: what it calls unsent may have been sent since. So
//! whatever is open is asked about first, and no cursor that upstream may have seen comes again.

use super::backup::checked;
use super::copy::{CopiedTable, copy_all};
use super::row::{Known, KnownRow, known_columns};
use super::tx::{Tx, on};
use super::{Deed, LeaseChange, Save, Store, StoreError};
use crate::seal::Sealer;
use crate::transfer::{Advance, Cause, Entry, Event, Facts, Following, Line, State, Verdict, advance};
use jiff::{SignedDuration, Timestamp};
use league_contract::Completion;
use serde::Serialize;
use std::path::Path;

/// So many transfers are in memory at a time.
const ROWS: i64 = 500;

/// No feed has grown by so much since its backup; JSON's numbers are exact far beyond it.
const CURSORS: i64 = 1_000_000_000;

/// Nothing that happens here asks how a system is followed: a submit's doubt is the same everywhere.
const ANY: Following = Following {
    completion: Completion::Approval,
    reconcile_after: SignedDuration::ZERO,
    lapse_after: SignedDuration::ZERO,
};

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// Every table, with its rows.
    pub tables: Vec<CopiedTable>,
    /// Unsent in the backup, perhaps sent since: asked about before anything is sent.
    pub doubtful: u64,
    /// Known to have reached the partner: asked where it stands now.
    pub open: u64,
    /// A person's or upstream's turn: nothing is done by itself.
    pub left: u64,
}

impl Store {
    /// Fills this database, which must be empty, from a backup, and puts in doubt what may have happened since: all of it in
    /// one transaction. `deed` is written into the audit log.
    ///
    /// # Errors
    /// [`StoreError::Backup`] for a file that is damaged, or was sealed with other keys; [`StoreError::Copy`] where this database
    /// is not empty or a daemon is at work; [`StoreError::Schema`], [`StoreError::Owned`], [`StoreError::Database`]. Nothing was
    /// changed then.
    pub async fn restore(
        &self,
        path: &Path,
        sealer: &Sealer,
        deed: Deed<'_>,
    ) -> Result<Restored, StoreError> {
        let _owner = self.own()?;
        self.require_current().await?;
        self.read("look for daemons").await?.require_no_daemon().await?;
        checked(path).await?;
        let backup = Self::open_file(path).await?;
        let restored = self.restore_from(&backup, path, sealer, deed).await;
        backup.close().await;
        restored
    }

    async fn restore_from(
        &self,
        backup: &Self,
        path: &Path,
        sealer: &Sealer,
        deed: Deed<'_>,
    ) -> Result<Restored, StoreError> {
        let failed = |problem: String| StoreError::Backup { path: path.to_owned(), problem };
        backup
            .require_current()
            .await
            .map_err(|error| if let StoreError::Schema(text) = error { failed(text) } else { error })?;
        let mut from = backup.read("restore").await?;
        from.require_keys(sealer).await?.map_err(failed)?;
        let mut to = self.write("restore").await?;
        let tables = copy_all(&mut from, &mut to, true).await?;
        to.skip_numbers("events", "cursor", CURSORS).await?;
        let mut restored = Restored { tables, doubtful: 0, open: 0, left: 0 };
        to.doubt_all(&mut restored, deed.at).await?;
        // Nothing is at work any more, whatever was when the backup was made.
        to.abandon_all_attempts(None, deed.at).await?;
        to.audit(sealer, deed).await?;
        to.commit().await?;
        Ok(restored)
    }
}

impl Tx {
    /// Whether the newest document opens with these keys and has the digest that they give: else nothing of it could be sent,
    /// nor anybody found again.
    ///
    /// # Errors
    /// [`StoreError`]; what does not fit is no error, but what is returned, in words.
    pub async fn require_keys(&mut self, sealer: &Sealer) -> Result<Result<(), String>, StoreError> {
        let page = self.list(&super::Filter::default(), super::Sort::Newest, None, 1).await?;
        let newest = page.rows.into_iter().next();
        let Some(stored) = newest.filter(|stored| !stored.document_sealed.is_empty()) else {
            return Ok(Ok(()));
        };
        Ok(match sealer.open_transfer(&stored.entry.request_id, &stored.document_sealed) {
            Err(error) => Err(format!("can't be used with the keys of this configuration: {error}")),
            Ok(transfer) if sealer.content(&transfer) != stored.document_digest => {
                Err("was made with another privacy.index_key than this configuration's".to_owned())
            }
            Ok(_) => Ok(()),
        })
    }

    async fn doubt_all(&mut self, restored: &mut Restored, at: Timestamp) -> Result<(), StoreError> {
        let mut last = 0;
        loop {
            let page: Vec<KnownRow> = on!(self, "looking at what was restored", db => sqlx::query_as(concat!(
                "SELECT ", known_columns!(), " FROM transfers WHERE id > $1 \
                 AND state NOT IN ('completed', 'rejected', 'overdue', 'withdrawn') ORDER BY id LIMIT $2"))
                .bind(last)
                .bind(ROWS)
                .fetch_all(db))?;
            let Some(end) = page.last().map(super::row::OfTransfer::id) else { return Ok(()) };
            last = end;
            let mut saves = Vec::with_capacity(page.len());
            for row in page {
                let Some(Known { entry, .. }) = self.readable(row, at).await? else { continue };
                saves.extend(doubt(&entry, restored, at));
            }
            self.save_all(&saves).await?;
            // Not all of a long restore's lines are kept in memory.
            self.write_lines().await?;
        }
    }
}

/// What a restore makes of a transfer that is open in the backup.
fn doubt(entry: &Entry, restored: &mut Restored, at: Timestamp) -> Option<Save> {
    let facts = || Facts { due_at: Some(at), ..Facts::default() };
    let note = |zh: &str, en: &str| Line::Note { code: "restored", text: format!("{zh} ({en})") };
    let mut step = match entry.state {
        // As if it had been claimed, and nobody knew what came of it: which is so.
        State::Queued => {
            restored.doubtful += 1;
            let claimed = advance(ANY, entry, Some(Event::Claimed), Facts::default(), at);
            let facts = Facts { uncounted: true, ..facts() };
            let lost = advance(ANY, &claimed.entry, Some(Event::Lost), facts, at);
            Advance { lines: [claimed.lines, lost.lines].concat(), ..lost }
        }
        State::Sending => {
            restored.doubtful += 1;
            advance(ANY, entry, Some(Event::Lost), facts(), at)
        }
        State::Unconfirmed | State::Submitted | State::AwaitingCheckIn => {
            restored.open += 1;
            let entry = Entry { due_at: Some(at), ..entry.clone() };
            Advance { entry, lines: Vec::new(), verdict: Verdict::Stays }
        }
        State::Returned | State::Failed => {
            restored.left += 1;
            Advance { entry: entry.clone(), lines: Vec::new(), verdict: Verdict::Stays }
        }
        State::Completed | State::Rejected | State::Overdue | State::Withdrawn => return None,
    };
    step.lines.push(if entry.state.is_active() {
        note("从备份恢复：先向对方查询", "restored from a backup: the partner is asked first")
    } else {
        note(
            "从备份恢复：此后可能已修改或重试并发送，处理前请先向对方核实",
            "restored from a backup: it may have been mended or retried and sent since, so ask the partner first",
        )
    });
    step.entry.updated_at = at;
    Some(Save { step, lease: LeaseChange::Release, cause: Cause::Operator, at })
}
