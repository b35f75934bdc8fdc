//! SQLite's file: made for its owner alone, and watched. A file that is moved away while it is in use goes on taking writes that
//! nobody will find, and a fresh one in its place would empty its log.

use super::StoreError;
use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a file stood when it was opened. Clones watch the same one.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Nothing of a database in memory.
    file: Option<(u64, u64)>,
    moved: Arc<AtomicBool>,
}

impl Place {
    /// The place of a file that was just opened.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), file: identity(path), moved: Arc::default() }
    }

    /// Looks whether the file still stands there.
    pub(super) fn look(&self) -> Result<(), StoreError> {
        let moved = self.file.is_some() && identity(&self.path) != self.file;
        self.moved.store(moved, Ordering::Relaxed);
        self.require()
    }

    /// What the last look found.
    pub(super) fn require(&self) -> Result<(), StoreError> {
        if self.moved.load(Ordering::Relaxed) { Err(StoreError::Moved(self.path.clone())) } else { Ok(()) }
    }
}

/// Device and number of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

/// Makes a file that is missing. SQLite itself would let others read it, and what waits in the intake table is clear text; what
/// can't be made is SQLite's to complain of.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    drop(File::options().create(true).append(true).mode(0o600).open(path));
    Ok(())
}

/// Demands that a file is there.
pub(super) fn find(path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Ok(());
    }
    Err(StoreError::Schema(format!(
        "there is no database at {}: `league-gateway db migrate` makes it, or the daemon at its first start. Or is database.url another one?",
        path.display()
    )))
}
