//! A list of organizations in CSV becomes a directory file.
//!
//! The columns are found by the names in the first line: `province_code`, `org_id`, `full_name`, `kind` and, where there
//! is one, `parent_org_id`, and `gone` in a delta. Others are left alone. A row that can't be used is refused with its
//! line, column and reason, and the others go in.

mod build;
mod columns;
mod error;
mod lines;
mod merge;
mod pairs;
mod pile;
mod replace;

use crate::directory::Directory;
use build::Build;
use columns::{Checked, Columns};
pub use error::ImportError;
use lines::{Broken, Lines};
use pile::Pile;
use replace::{Output, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// How many refusals are told; the others are counted.
const REFUSALS: usize = 100;
/// After how many rows progress is told.
const STEP: u64 = 10_000;
/// A full list may lack so many of a province's organizations without being asked whether that is meant.
const FEW: u64 = 20;

/// What a list is to the file before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All organizations of the provinces that it names: what it lacks of them is gone. Other provinces stay.
    Full,
    /// Changes: its rows are added, or take the place of those with their province and identifier, or go.
    Delta,
}

/// One import.
#[derive(Clone, Copy)]
pub struct Import<'a> {
    /// What the list is to the file before.
    pub mode: Mode,
    /// Where the file before is, if there is one, and the new one goes.
    pub out: &'a Path,
    /// A full list may leave out any number of organizations that were there before. Without this, one that lacks more than a
    /// tenth of a province's (and more than twenty) is refused: it was probably cut off.
    pub allow_removal: bool,
    /// The time now, in milliseconds since 1970.
    pub imported_at: i64,
    /// Which province codes there are; without it, any six digits.
    pub known_province: Option<&'a dyn Fn(&str) -> bool>,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read of the list as it was given: of the compressed one, where it is compressed.
    pub bytes: u64,
    /// Rows read of it.
    pub rows: u64,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows of the list, without its header.
    pub rows: u64,
    /// Organizations that were not there before.
    pub new: u64,
    /// Organizations of which something was changed.
    pub changed: u64,
    /// Organizations that are not there any more.
    pub gone: u64,
    /// Organizations of the list's provinces that are as before.
    pub unchanged: u64,
    /// Rows that say of an organization that it is gone, which was not there before.
    pub already_gone: u64,
    /// Organizations of provinces that the list does not name, and which stay.
    pub kept: u64,
    /// Rows that a later row of the same province and identifier took the place of.
    pub duplicate: u64,
    /// Organizations that bear their name together with another of their province.
    pub same_name: u64,
    /// Rows that could not be used.
    pub refused: u64,
    /// One of them did not even say which organization it is about, so none was taken for gone.
    pub nothing_removed: bool,
    /// The first of them.
    pub refusals: Vec<Refusal>,
    /// Organizations in the new file.
    pub organizations: u64,
    /// Length of the new file in bytes.
    pub file_length: u64,
}

/// A row that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The first line of the row, the header's being 1.
    pub line: u64,
    /// The column at fault; empty where it is the row.
    pub column: &'static str,
    /// Why.
    pub reason: Reason,
}

/// Why a row could not be used, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// 中文
    pub zh: String,
    /// English
    pub en: String,
}

impl From<Broken> for ImportError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Quote(line) => Self::OpenQuote(line),
            Broken::Length(line) => Self::LongLine(line),
            Broken::Io(error) => Self::Io(error),
        }
    }
}

impl fmt::Debug for Import<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("mode", &self.mode).field("out", &self.out).finish_non_exhaustive()
    }
}

impl Import<'_> {
    /// Reads a list, plain or compressed with gzip, and writes the file.
    ///
    /// # Errors
    /// [`ImportError`]; the file before is then as it was.
    pub fn run(self, list: impl Read, progress: &mut dyn FnMut(Progress)) -> Result<Summary, ImportError> {
        let turn = Turn::take(self.out).map_err(ImportError::writing)?;
        // Under the lock: an import that ended just now must not be undone by this one.
        let before = self.out.exists().then(|| Directory::open(self.out)).transpose();
        let base = before.map_err(ImportError::Before)?;
        let base = base.as_ref();
        let mut count = 0;
        let mut input = BufReader::with_capacity(1 << 16, Counted { input: list, count: &mut count });
        let start = input.fill_buf()?;
        let list = if start.starts_with(&[0x1F, 0x8B]) {
            let unpacked = BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(input));
            self.read(base, unpacked, |input| *input.get_ref().get_ref().get_ref().count, progress)?
        } else {
            self.read(base, input, |input| *input.get_ref().count, progress)?
        };
        let summary = self.write(base, list).map_err(ImportError::writing)?;
        drop(turn);
        Ok(summary)
    }

    fn read<R: BufRead>(
        &self,
        base: Option<&Directory>,
        mut input: R,
        bytes: impl Fn(&R) -> u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<List, ImportError> {
        if input.fill_buf()?.starts_with(b"\xEF\xBB\xBF") {
            input.consume(3);
        }
        let mut lines = Lines::new(input);
        let header = lines.next()?.ok_or(ImportError::Empty)?;
        let mut columns = Columns::of(&header, self.mode)?;
        let mut list = List::new(base);
        while let Some(record) = lines.next()? {
            list.summary.rows += 1;
            match columns.check(&record, self.known_province, &mut list.kinds) {
                Ok(row) => list.add(&row)?,
                Err(refusal) => list.refuse(refusal, columns.key(&record, self.known_province)),
            }
            if list.summary.rows.is_multiple_of(STEP) {
                progress(Progress { bytes: bytes(lines.input()), rows: list.summary.rows });
            }
        }
        progress(Progress { bytes: bytes(lines.input()), rows: list.summary.rows });
        match (list.piles.is_empty(), list.summary.refused) {
            (false, _) => Ok(list),
            (true, 0) => Err(ImportError::NoRows),
            (true, _) => Err(ImportError::NothingUsable(list.summary.refusals)),
        }
    }

    fn write(&self, base: Option<&Directory>, list: List) -> Result<Summary, ImportError> {
        let List { mut piles, kinds, refused, mut summary } = list;
        let mut build = Build::new(Output::create(self.out)?)?;
        let before = base.into_iter().flat_map(Directory::tables).map(|table| table.code.to_owned());
        let codes: BTreeSet<String> = before.chain(piles.keys().cloned()).collect();
        for code in codes {
            let table = base.and_then(|base| base.table(&code));
            match (table, piles.remove(&code)) {
                (Some(table), None) => {
                    summary.kept += u64::from(table.rows);
                    build.copy(table)?;
                }
                (None, Some(_)) if self.mode == Mode::Delta => return Err(ImportError::NoListYet(code)),
                (table, new) => {
                    let old = table.map(Pile::of).transpose()?.unwrap_or_default();
                    let new = new.unwrap_or_default();
                    let spared = refused.get(&code).map_or(&[][..], Vec::as_slice);
                    let gone = summary.gone;
                    let mode = if summary.nothing_removed { Mode::Delta } else { self.mode };
                    let rows = merge::merge(mode, &old, (&new, spared), &mut summary);
                    let (gone, of) = (summary.gone - gone, u64::from(old.len()));
                    if self.mode == Mode::Full && !self.allow_removal && gone > FEW && gone * 10 > of {
                        return Err(ImportError::TooManyGone { province: code, gone, of });
                    }
                    summary.organizations += rows.len() as u64;
                    build.rows((&code, self.imported_at), rows, &mut summary)?;
                }
            }
        }
        summary.organizations += summary.kept;
        summary.file_length = build.finish(kinds, self.imported_at)?;
        Ok(summary)
    }
}

/// A list that was read.
struct List {
    piles: BTreeMap<String, Pile>,
    /// Those of the file before come first, so that its provinces can be copied as they are.
    kinds: Vec<String>,
    /// Province and identifier of rows that could not be used: what was there before stays.
    refused: BTreeMap<String, Vec<String>>,
    summary: Summary,
}

impl List {
    fn new(base: Option<&Directory>) -> Self {
        let kinds = base.map(|base| base.kinds().to_vec()).unwrap_or_default();
        Self { piles: BTreeMap::new(), kinds, refused: BTreeMap::new(), summary: Summary::default() }
    }

    fn add(&mut self, row: &Checked<'_>) -> Result<(), ImportError> {
        match self.piles.get_mut(row.province) {
            Some(pile) => pile.push(row.gone, &row.facts, row.key),
            None => {
                self.piles.entry(row.province.to_owned()).or_default().push(row.gone, &row.facts, row.key)
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal, key: Option<(&str, &str)>) {
        self.summary.refused += 1;
        match key {
            Some((province, id)) => self.refused.entry(province.to_owned()).or_default().push(id.to_owned()),
            None => self.summary.nothing_removed = true,
        }
        if self.summary.refusals.len() < REFUSALS {
            self.summary.refusals.push(refusal);
        }
    }
}

/// Counts what is read.
struct Counted<'a, R> {
    input: R,
    count: &'a mut u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        *self.count += read as u64;
        Ok(read)
    }
}
