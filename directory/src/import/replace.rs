//! Another file in the place of one, at once or not at all.

use super::ImportError;
use crate::format::HEADER;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Holds the right to write a file: a lock on another one beside it, which ends with the process.
#[derive(Debug)]
pub(super) struct Turn {
    lock: File,
}

impl Drop for Turn {
    /// Closing the file is not enough: a child that this process starts just now has it open until it becomes another program.
    fn drop(&mut self) {
        // What can't be unlocked ends with the process.
        self.lock.unlock().unwrap_or_default();
    }
}

impl Turn {
    pub(super) fn take(path: &Path) -> Result<Self, ImportError> {
        let lock = beside(path, ".lock")?;
        let file = OpenOptions::new().create(true).append(true).open(&lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { lock: file }),
            Err(TryLockError::WouldBlock) => Err(ImportError::Busy),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// A file that is written under another name. Dropped before [`Output::commit`], it leaves nothing.
#[derive(Debug)]
pub(super) struct Output {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    length: usize,
    checksum: crc32fast::Hasher,
    committed: bool,
}

impl Output {
    pub(super) fn create(path: &Path) -> Result<Self, ImportError> {
        let temporary = beside(path, ".importing")?;
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&temporary)?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, file),
            temporary,
            path: path.to_owned(),
            length: 0,
            checksum: crc32fast::Hasher::new(),
            committed: false,
        })
    }

    /// Appends. The header, which comes first and is written again at the end, does not count for the checksum.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        if self.length >= HEADER {
            self.checksum.update(bytes);
        }
        self.length += bytes.len();
        Ok(())
    }

    /// Appends, and says where.
    pub(super) fn part(&mut self, bytes: &[u8]) -> io::Result<Range<usize>> {
        let start = self.length;
        self.write(bytes)?;
        Ok(start..self.length)
    }

    pub(super) fn checksum(&self) -> u32 {
        self.checksum.clone().finalize()
    }

    /// Makes the file whole and durable, then gives it its name.
    pub(super) fn commit(mut self, header: &[u8; HEADER]) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(header)?;
        // Names are no secret. Nobody writes into a file that others have mapped: they would be killed.
        file.set_permissions(Permissions::from_mode(0o444))?;
        file.sync_all()?;
        std::fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        folder(&self.path).map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.committed {
            // What can't be removed is overwritten by the next import.
            std::fs::remove_file(&self.temporary).unwrap_or_default();
        }
    }
}

/// A file's name with an ending, in the same folder.
fn beside(path: &Path, ending: &str) -> Result<PathBuf, ImportError> {
    let mut name: OsString = path.file_name().ok_or(ImportError::NoFileName)?.to_owned();
    name.push(ending);
    Ok(path.with_file_name(name))
}

fn folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    Some(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}
