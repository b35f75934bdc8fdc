//! A backup: everything that one snapshot holds, in a SQLite file of its own, beside daemons that go on working.

use super::copy::{CopiedTable, copy_all};
use super::dialect::{BACK_UP_SQLITE, CHECK_SQLITE};
use super::session::TxInner;
use super::tx::{Inner, Tx};
use super::{SchemaState, Store, StoreError};
use std::fs::File;
use std::path::{Path, PathBuf};
use tempfile::TempPath;

impl Store {
    /// Writes everything into a new file, readable by its owner alone. It is checked and on the disk before it has its name:
    /// a file under that name is whole.
    ///
    /// # Errors
    /// [`StoreError::Backup`] where there is such a file already, or it can't be written; [`StoreError::Schema`] for a server's
    /// database with another schema than this program's; [`StoreError::Database`].
    pub async fn back_up(&self, path: &Path) -> Result<Vec<CopiedTable>, StoreError> {
        let failed = |problem: String| StoreError::Backup { path: path.to_owned(), problem };
        let disk = |error: std::io::Error| failed(error.to_string());
        if path.symlink_metadata().is_ok() {
            return Err(failed("is there already, and is not written over".into()));
        }
        let folder = folder(path);
        let draft = tempfile::Builder::new()
            .prefix(".backup-")
            .suffix(".part")
            .tempfile_in(&folder)
            .map_err(disk)?
            .into_temp_path();
        self.fill(&draft).await?;
        let counted = checked(&draft).await?;
        File::open(&draft).and_then(|file| file.sync_all()).map_err(disk)?;
        draft.persist_noclobber(path).map_err(|error| disk(error.error))?;
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(disk)?;
        Ok(counted)
    }

    async fn fill(&self, draft: &TempPath) -> Result<(), StoreError> {
        let Inner::Sqlite(sqlite) = &self.inner else {
            self.require_current().await?;
            let target = Self::open_file(draft).await?;
            target.migrate().await?;
            let mut from = self.read("back up").await?;
            let mut to = target.write("back up").await?;
            copy_all(&mut from, &mut to, true).await?;
            to.commit().await?;
            target.close().await;
            return Ok(());
        };
        // A look of its own: it takes nobody's turn to write.
        let name = draft.to_string_lossy().into_owned();
        sqlx::query(BACK_UP_SQLITE)
            .bind(name)
            .execute(&sqlite.writer)
            .await
            .map_err(|source| StoreError::Database { action: "backing up", source })?;
        Ok(())
    }
}

impl Store {
    /// What is wrong with the pages of a SQLite file, if anything; a server looks after its own.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn damage(&self) -> Result<Option<String>, StoreError> {
        self.read("check").await?.damage().await
    }

    /// Whether the database takes writes now; nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Database`]: why not.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        let mut tx = self.write("try to write").await?;
        tx.forget_daemon("").await
    }
}

impl Tx {
    async fn damage(&mut self) -> Result<Option<String>, StoreError> {
        let TxInner::Sqlite(file) = &mut self.inner else { return Ok(None) };
        let found: Vec<String> = sqlx::query_scalar(CHECK_SQLITE)
            .fetch_all(&mut **file)
            .await
            .map_err(|source| StoreError::Database { action: "checking every page", source })?;
        Ok((found != ["ok"]).then(|| found.join("; ")))
    }
}

/// Counts what is in a backup, once every page of it was found sound.
pub(super) async fn checked(path: &Path) -> Result<Vec<CopiedTable>, StoreError> {
    let failed = |problem: String| StoreError::Backup { path: path.to_owned(), problem };
    let backup = Store::open_file(path).await?;
    let counted = async {
        if backup.schema().await? == SchemaState::Empty {
            return Err(failed("is not the gateway's database".into()));
        }
        let mut look = backup.read("check").await?;
        if let Some(damage) = look.damage().await? {
            return Err(failed(format!("is damaged: {damage}")));
        }
        look.count_rows().await
    };
    let counted = counted.await;
    backup.close().await;
    counted
}

fn folder(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
