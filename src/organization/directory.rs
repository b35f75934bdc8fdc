//! The local directory as a process serves it: one file, and another one in its place when an import has put it there.

use crate::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use league_directory::{Directory, OpenError};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// The local directory at its place. Whoever looks something up holds the file that was there when they began.
#[derive(Debug)]
pub struct LocalDirectory {
    path: PathBuf,
    served: RwLock<Served>,
    /// What was wrong at the last look, in words.
    fault: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Served {
    /// Which file was looked at last.
    looked: Option<Stamp>,
    /// The file that is served, as it was when it was opened.
    directory: Option<(Stamp, Arc<Directory>)>,
}

/// What tells one file from another at the same place: an import makes a new one and never writes into the old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

/// What a look at the file has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As before.
    Same,
    /// Another file is served now.
    New,
    /// There is no file any more.
    Gone,
}

impl LocalDirectory {
    /// The directory at a place, where there need not be one. Nothing is opened yet.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path, served: RwLock::default(), fault: Mutex::default() }
    }

    /// Its place.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is served, if there is one.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Directory>> {
        self.served
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .directory
            .as_ref()
            .map(|(_, directory)| directory.clone())
    }

    /// Looks whether another file is in place, and serves that one from now on. It reads the whole file once, to check it. A
    /// file that can't be used leaves what was served before, but for one that was written over in its place: nobody knows
    /// what is in it now.
    ///
    /// # Errors
    /// [`OpenError`]; one about the file's content once for each file.
    pub fn refresh(&self) -> Result<Look, OpenError> {
        let stamp = match std::fs::metadata(&self.path) {
            Ok(metadata) => Some(Stamp::of(&metadata)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let looked = self.served.read().unwrap_or_else(PoisonError::into_inner).looked;
        if stamp == looked {
            return Ok(Look::Same);
        }
        let opened = stamp
            .map(|stamp| Directory::open(&self.path).map(|opened| (stamp, Arc::new(opened))))
            .transpose();
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let written_over =
            |(old, _): &(Stamp, _)| stamp.is_some_and(|new| new.inode == old.inode && new != *old);
        if served.directory.as_ref().is_some_and(written_over) {
            served.directory = None;
        }
        // What can't be read now may be readable later, without any change to the file.
        if !matches!(opened, Err(OpenError::Io(_))) {
            served.looked = stamp;
        }
        served.directory = opened?;
        Ok(if served.directory.is_some() { Look::New } else { Look::Gone })
    }

    /// [`LocalDirectory::refresh`] for a daemon: what it brings is said in the log, and the same fault once.
    pub fn look(&self) {
        let path = self.path.display();
        let looked = self.refresh();
        let fault = looked.as_ref().err().map(told);
        let news = {
            let mut known = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *known, fault.clone()) != fault
        };
        match looked {
            // Most looks, every second: nothing to say and nothing to measure.
            Ok(Look::Same) => return,
            Ok(Look::New) => {
                let facts = self.current().map(|directory| directory.facts());
                let organizations = facts.map_or(0, |facts| facts.organizations);
                tracing::info!(%path, organizations, "the directory of organizations is served");
            }
            Ok(Look::Gone) => {
                tracing::warn!(%path, "the directory of organizations is gone: systems' own searches answer");
            }
            Err(_) if news => {
                let serves_on = self.current().is_some();
                tracing::error!(%path, error = fault, serves_on, "the directory of organizations can't be used");
            }
            Err(_) => {}
        }
        self.measure();
    }

    /// Sets the metrics: how many organizations are served, and how old the oldest list is.
    fn measure(&self) {
        let facts = self.current().map(|directory| directory.facts());
        let organizations = facts.as_ref().map_or(0, |facts| facts.organizations);
        let oldest = facts.and_then(|facts| facts.provinces.iter().map(|list| list.imported_at).min());
        let oldest = oldest.map_or(0, |milliseconds| imported_at(milliseconds).as_second().unsigned_abs());
        metrics::gauge!("league_gateway_directory_organizations").set(approximately(organizations));
        metrics::gauge!("league_gateway_directory_oldest_import_seconds").set(approximately(oldest));
    }

    /// Looks again and again until told to stop. Reading a large file must not hold up what runs on this runtime.
    pub async fn watch(self: Arc<Self>, clock: Clock, interval: SignedDuration, stop: CancellationToken) {
        // Also where there is no file yet.
        self.measure();
        while stop.run_until_cancelled(clock.sleep(interval)).await.is_some() {
            let here = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || here.look()).await {
                tracing::error!(%error, "a look at the directory of organizations failed");
            }
        }
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// What is wrong with a file, with its cause.
fn told(error: &OpenError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// When a list was imported.
#[must_use]
pub fn imported_at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}

/// For a gauge, which holds floating-point numbers only.
#[expect(clippy::cast_precision_loss, reason = "a gauge needs no more than 52 bits")]
fn approximately(number: u64) -> f64 {
    number as f64
}
