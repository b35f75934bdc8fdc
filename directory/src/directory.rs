//! The opened file, and what is answered by looking a name up.

use crate::bytes::word;
use crate::facts::Id;
use crate::format::{Catalog, HEADER, Header, Region, VERSION};
use crate::name::fold;
use crate::name::level::Levelled;
use crate::postings::Postings;
use crate::suggest::Scratch;
use crate::table::Table;
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;

/// One organization.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Organization {
    /// Six digits.
    pub province: String,
    /// Unique within its province.
    pub id: String,
    /// As it was imported.
    pub full_name: String,
    /// For example `university-branch`.
    pub kind: Option<String>,
    /// The organization above it.
    pub parent_id: Option<String>,
}

/// What [`Directory::check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No organization of the province bears the name.
    None,
    /// The one that does.
    One(Organization),
    /// Several do, and the text tells none of them apart.
    Several(Vec<Organization>),
}

/// What a directory file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Of the file.
    pub format_version: u32,
    /// When the import began, in milliseconds since 1970, as its caller said.
    pub imported_at: i64,
    /// In all provinces.
    pub organizations: u64,
    /// The provinces' lists, by code.
    pub provinces: Vec<ListFacts>,
    /// In bytes.
    pub file_length: u64,
    /// CRC-32 of all but the header.
    pub checksum: u32,
}

/// What a directory file says of one province's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFacts {
    /// Six digits.
    pub province: String,
    /// How many organizations.
    pub organizations: u64,
    /// When it was imported or changed last, in milliseconds since 1970.
    pub imported_at: i64,
}

/// Why a file can't be used as a directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else has this name.
    #[error("this is no directory file: name another, or import a list of organizations to this place")]
    Foreign,
    /// The format has changed since.
    #[error(
        "the directory file has format {found}, and this program reads format {VERSION}: import the list again"
    )]
    Version {
        /// Of the file.
        found: u32,
    },
    /// The file is shorter or longer than it says.
    #[error("the directory file is cut off ({found} bytes instead of {expected}): import the list again")]
    CutOff {
        /// What the file says its length is; 0 where even that is missing.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// The content is not what was written.
    #[error("the directory file is damaged (its checksum is wrong): import the list again")]
    Damaged,
    /// The file can't be read.
    #[error("the directory file can't be read")]
    Io(#[from] io::Error),
}

impl OpenError {
    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Foreign => "不是组织名录文件：请换一个路径，或把名单导入到这里".to_owned(),
            Self::Version { found } => {
                format!("名录文件的格式是 {found}，本程序只读格式 {VERSION}：请重新导入名单")
            }
            Self::CutOff { expected, found } => {
                format!("名录文件不完整（{found} 字节，应为 {expected}）：请重新导入名单")
            }
            Self::Damaged => "名录文件已损坏（校验和不符）：请重新导入名单".to_owned(),
            Self::Io(error) => format!("无法读取名录文件：{error}"),
        }
    }
}

/// A directory of organizations, mapped into memory. It never changes: an import writes another file and puts it in this
/// one's place, while those who have this one open go on with it.
#[derive(Debug)]
pub struct Directory {
    bytes: Mmap,
    header: Header,
    catalog: Catalog,
    /// Every so many of each province's pairs.
    samples: Vec<Vec<u32>>,
    pub(crate) scratch: Mutex<Vec<Scratch>>,
}

impl Directory {
    /// Opens a file that [`crate::import`] has written, and verifies all of it.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the file and what to do.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Err(OpenError::CutOff { expected: 0, found: 0 });
        }
        #[expect(
            unsafe_code,
            reason = "an import renames a new file into place and never writes to an old one"
        )]
        // SAFETY: the mapping is read only. Files of this kind are written under another name and never changed
        // after; whoever changes one by hand gets wrong answers or a signal, as with any mapped file.
        let bytes = unsafe { Mmap::map(&file)? };
        let header = header(&bytes)?;
        let found = bytes.len() as u64;
        if header.length != found {
            return Err(OpenError::CutOff { expected: header.length, found });
        }
        if crc32fast::hash(&bytes[HEADER..]) != header.checksum {
            return Err(OpenError::Damaged);
        }
        let catalog = usize::try_from(header.catalog).ok().and_then(|at| bytes.get(at..));
        let catalog =
            catalog.and_then(|part| Catalog::decode(part, bytes.len())).ok_or(OpenError::Damaged)?;
        let pairs = |region: &Region| Postings::sample(bytes.get(region.pairs.clone()).unwrap_or_default());
        let samples = catalog.regions.iter().map(pairs).collect();
        Ok(Self { bytes, header, catalog, samples, scratch: Mutex::default() })
    }

    /// What the file says of itself.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let regions = self.catalog.regions.iter();
        Facts {
            format_version: VERSION,
            imported_at: self.header.imported_at,
            organizations: u64::from(self.catalog.rows()),
            provinces: regions.map(list_facts).collect(),
            file_length: self.header.length,
            checksum: self.header.checksum,
        }
    }

    /// Whether there is any organization of a province.
    #[must_use]
    pub fn holds(&self, province: &str) -> bool {
        self.table(province).is_some()
    }

    /// When a province's list was imported or changed last, in milliseconds since 1970; `None` where there is none.
    #[must_use]
    pub fn imported_at(&self, province: &str) -> Option<i64> {
        self.table(province).map(|table| table.imported_at)
    }

    /// Whether an organization of exactly this name is in a province; spellings of one [`crate::name::key`] are one name.
    /// Where several bear it and just one is written as the text is, that is the one.
    #[must_use]
    pub fn check(&self, province: &str, full_name: &str) -> Found {
        let Some(table) = self.table(province) else { return Found::None };
        let key = fold::fold(full_name);
        let mut keys = table.keys();
        let mut rows: Vec<u32> = self
            .alike(Levelled::of(&key).hash())
            .filter_map(|row| row.checked_sub(table.first_row).filter(|row| *row < table.rows))
            .filter(|row| keys.seek(*row).is_some_and(|here| here == key))
            .collect();
        rows.sort_unstable();
        let mut found: Vec<_> = rows.into_iter().filter_map(|row| organization(&table, row, &key)).collect();
        let text = full_name.trim();
        let exact = |organization: &Organization| organization.full_name == text;
        if found.iter().filter(|organization| exact(organization)).count() == 1 {
            found.retain(exact);
        }
        match found.len() {
            0 => Found::None,
            1 => found.pop().map_or(Found::None, Found::One),
            _ => Found::Several(found),
        }
    }

    /// The organization of an identifier. Looks through the province: for one at a time.
    #[must_use]
    pub fn organization(&self, province: &str, id: &str) -> Option<Organization> {
        let table = self.table(province)?;
        let id = Id::of(id.trim());
        let row = table.all_facts().position(|facts| facts.id == id)?;
        let row = u32::try_from(row).ok()?;
        organization(&table, row, table.keys().seek(row)?)
    }

    /// All organizations, by province and name.
    pub fn all(&self) -> impl Iterator<Item = Organization> {
        self.tables().flat_map(all_of)
    }

    /// The provinces' tables, by code.
    pub(crate) fn tables(&self) -> impl Iterator<Item = Table<'_>> {
        (0..self.catalog.regions.len()).filter_map(|at| self.at(at))
    }

    pub(crate) fn table(&self, province: &str) -> Option<Table<'_>> {
        let regions = &self.catalog.regions;
        let at = regions.binary_search_by(|region| region.code.as_str().cmp(province)).ok()?;
        self.at(at)
    }

    /// The table that a row of the whole file is in, and its number there.
    pub(crate) fn table_of(&self, row: u32) -> Option<(Table<'_>, u32)> {
        let regions = &self.catalog.regions;
        let after = regions.partition_point(|region| region.first_row <= row);
        let table = self.at(after.checked_sub(1)?)?;
        let row = row - table.first_row;
        (row < table.rows).then_some((table, row))
    }

    pub(crate) fn kinds(&self) -> &[String] {
        &self.catalog.kinds
    }

    fn at(&self, index: usize) -> Option<Table<'_>> {
        let region = self.catalog.regions.get(index)?;
        Some(Table::new(&self.bytes, &self.catalog, region, self.samples.get(index)?))
    }

    /// Rows of the whole file that may be alike to what has this hash.
    pub(crate) fn alike(&self, hash: u64) -> impl Iterator<Item = u32> {
        let part = |range: &std::ops::Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        let (rows, tags) = (part(&self.catalog.bucket_rows), part(&self.catalog.bucket_tags));
        let (bucket, tag) = bucket_and_tag(hash, self.catalog.bucket_bits);
        let place = |n: usize| word(part(&self.catalog.buckets), n).unwrap_or(0) as usize;
        let range = place(bucket)..place(bucket + 1).min(rows.len() / 4);
        range
            .filter(move |&at| tags.get(at * 2..at * 2 + 2) == Some(tag.to_le_bytes().as_slice()))
            .filter_map(move |at| word(rows, at))
    }
}

/// Where the upper half of a hash is looked for, and what is kept of it there.
pub(crate) fn bucket_and_tag(hash: u64, bits: u32) -> (usize, u16) {
    let upper = hash >> 32;
    let [low, high, ..] = upper.to_le_bytes();
    (usize::try_from(upper << bits >> 32).unwrap_or(0), u16::from_le_bytes([low, high]))
}

fn header(bytes: &[u8]) -> Result<Header, OpenError> {
    let found = bytes.len() as u64;
    match Header::version(bytes) {
        None => Err(OpenError::Foreign),
        Some(VERSION) if bytes.len() < HEADER => Err(OpenError::CutOff { expected: 0, found }),
        Some(VERSION) => Header::decode(bytes).ok_or(OpenError::Damaged),
        Some(found) => Err(OpenError::Version { found }),
    }
}

fn list_facts(region: &Region) -> ListFacts {
    let (province, imported_at) = (region.code.clone(), region.imported_at);
    ListFacts { province, organizations: u64::from(region.rows), imported_at }
}

/// The organization of a row and its key.
pub(crate) fn organization(table: &Table<'_>, row: u32, key: &[u16]) -> Option<Organization> {
    let facts = table.facts(row)?;
    let kind = usize::try_from(facts.kind).ok()?.checked_sub(1);
    Some(Organization {
        province: table.code.to_owned(),
        id: facts.id.text()?,
        full_name: facts.name(key),
        kind: kind.and_then(|kind| table.kinds.get(kind)).cloned(),
        parent_id: facts.parent.text(),
    })
}

fn all_of(table: Table<'_>) -> impl Iterator<Item = Organization> {
    let mut keys = table.keys();
    (0..table.rows).filter_map(move |row| organization(&table, row, keys.seek(row)?))
}
