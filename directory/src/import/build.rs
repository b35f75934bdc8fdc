//! Writes the file: regions one after the other, then what is over all of them.

use super::pairs::Pairs;
use super::pile::Row;
use super::replace::Output;
use super::{ImportError, Summary};
use crate::bytes::put;
use crate::directory::bucket_and_tag;
use crate::facts::RowFacts;
use crate::format::{BLOCK, Catalog, HEADER, Header, Region};
use crate::name::level::{Levelled, Rank, pack, without_prefix};
use crate::table::Table;
use std::io;
use std::ops::Range;

/// A file in the making.
pub(super) struct Build {
    output: Output,
    catalog: Catalog,
    /// The upper half of each row's hash, and the row.
    hashes: Vec<u64>,
    levelled: Levelled,
}

impl Build {
    pub(super) fn new(output: Output) -> io::Result<Self> {
        let mut build =
            Self { output, catalog: Catalog::default(), hashes: Vec::new(), levelled: Levelled::default() };
        build.output.write(&[0; HEADER])?;
        Ok(build)
    }

    /// Writes a province's rows.
    pub(super) fn rows(
        &mut self,
        (code, imported_at): (&str, i64),
        mut rows: Vec<Row<'_>>,
        summary: &mut Summary,
    ) -> Result<(), ImportError> {
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort_by(|a, b| a.key.cmp(b.key).then_with(|| a.facts.id.cmp(&b.facts.id)));
        let mut parts = Parts::default();
        let first_row = self.catalog.rows();
        let mut before = RowFacts::default();
        let mut units = Vec::new();
        for (number, row) in (0..).zip(&rows) {
            row.units(&mut units);
            if number % BLOCK == 0 {
                parts.block()?;
                before = RowFacts::default();
            }
            parts.key(&units);
            row.facts.put(&before, &mut parts.facts);
            before = row.facts;
            summary.same_name += u64::from(same_as_neighbour(&rows, number as usize));
            parts.pairs.row(number, &units);
            self.remember(first_row, number, &units)?;
            parts.order.push(order(&units, self.levelled.rank));
        }
        let count = u32::try_from(rows.len()).map_err(|_| ImportError::TooLarge)?;
        drop(rows);
        let region = parts.write(
            &mut self.output,
            Region { code: code.to_owned(), imported_at, first_row, rows: count, ..Region::default() },
        )?;
        self.catalog.regions.push(region);
        Ok(())
    }

    /// Copies a province of an earlier file, whose kinds are this one's first kinds.
    pub(super) fn copy(&mut self, table: Table<'_>) -> Result<(), ImportError> {
        let first_row = self.catalog.rows();
        let mut region = Region {
            code: table.code.to_owned(),
            imported_at: table.imported_at,
            first_row,
            rows: table.rows,
            ..Region::default()
        };
        let parts = table.parts();
        let mut ranges = Vec::new();
        for part in parts {
            ranges.push(self.output.part(part)?);
        }
        region.set(ranges);
        let mut keys = table.keys();
        for row in 0..table.rows {
            let key = keys.seek(row).unwrap_or_default();
            self.levelled.set(key);
            self.hash(first_row, row)?;
        }
        self.catalog.regions.push(region);
        Ok(())
    }

    fn remember(&mut self, first_row: u32, row: u32, key: &[u16]) -> Result<(), ImportError> {
        self.levelled.set(key);
        self.hash(first_row, row)
    }

    fn hash(&mut self, first_row: u32, row: u32) -> Result<(), ImportError> {
        let row = first_row.checked_add(row).ok_or(ImportError::TooLarge)?;
        self.hashes.push(self.levelled.hash() >> 32 << 32 | u64::from(row));
        Ok(())
    }

    /// Writes the rest and puts the file in place.
    pub(super) fn finish(mut self, kinds: Vec<String>, imported_at: i64) -> Result<u64, ImportError> {
        self.hashes.sort_unstable();
        let bits = (self.hashes.len() / 4).max(1).ilog2();
        let (mut buckets, mut rows, mut tags) = (Vec::new(), Vec::new(), Vec::new());
        for (at, &entry) in (0_u32..).zip(&self.hashes) {
            let (bucket, tag) = bucket_and_tag(entry, bits);
            while buckets.len() <= bucket * 4 {
                buckets.extend_from_slice(&at.to_le_bytes());
            }
            tags.extend_from_slice(&tag.to_le_bytes());
            rows.extend_from_slice(&entry.to_le_bytes()[..4]);
        }
        while buckets.len() < ((1 << bits) + 1) * 4 {
            buckets.extend_from_slice(&self.catalog.rows().to_le_bytes());
        }
        self.catalog.kinds = kinds;
        self.catalog.bucket_bits = bits;
        self.catalog.buckets = self.output.part(&buckets)?;
        self.catalog.bucket_rows = self.output.part(&rows)?;
        self.catalog.bucket_tags = self.output.part(&tags)?;
        let catalog = self.output.part(&self.catalog.encode())?;
        let header = Header {
            imported_at,
            length: catalog.end as u64,
            catalog: catalog.start as u64,
            checksum: self.output.checksum(),
        };
        self.output.commit(&header.encode())?;
        Ok(header.length)
    }
}

fn same_as_neighbour(rows: &[Row<'_>], at: usize) -> bool {
    let same = |other: Option<&Row<'_>>| other.is_some_and(|other| other.key == rows[at].key);
    same(at.checked_sub(1).and_then(|before| rows.get(before))) || same(rows.get(at + 1))
}

/// Short names first, committees before their branches.
fn order(key: &[u16], rank: Option<Rank>) -> u8 {
    let branch = matches!(rank, Some(Rank::Branch | Rank::GeneralBranch));
    let length = without_prefix(key).len() * 2 + usize::from(branch);
    u8::try_from(length).unwrap_or(u8::MAX)
}

/// A province's arrays.
#[derive(Default)]
struct Parts {
    key_places: Vec<u8>,
    keys: Vec<u8>,
    fact_places: Vec<u8>,
    facts: Vec<u8>,
    pairs: Pairs,
    order: Vec<u8>,
    last: Vec<u16>,
    now: Vec<u16>,
}

impl Parts {
    fn block(&mut self) -> Result<(), ImportError> {
        let place = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| ImportError::TooLarge);
        self.key_places.extend_from_slice(&place(&self.keys)?.to_le_bytes());
        self.fact_places.extend_from_slice(&place(&self.facts)?.to_le_bytes());
        self.now.clear();
        Ok(())
    }

    fn key(&mut self, units: &[u16]) {
        let (stem, ending) = pack(units).map_or((units, None), |(stem, ending)| (stem, Some(ending)));
        std::mem::swap(&mut self.last, &mut self.now);
        self.now.clear();
        self.now.extend(stem.iter().copied().chain(ending));
        let shared = self.last.iter().zip(&self.now).take_while(|(a, b)| a == b).count();
        put(&mut self.keys, shared as u64);
        put(&mut self.keys, (self.now.len() - shared) as u64);
        for unit in &self.now[shared..] {
            self.keys.extend_from_slice(&unit.to_le_bytes());
        }
    }

    fn write(self, output: &mut Output, mut region: Region) -> Result<Region, ImportError> {
        let arrays = self.pairs.finish(region.rows);
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let parts = [
            &self.key_places,
            &self.keys,
            &self.fact_places,
            &self.facts,
            &arrays.pairs,
            &arrays.places,
            &arrays.postings,
            &self.order,
        ];
        for part in parts {
            ranges.push(output.part(part)?);
        }
        region.set(ranges);
        Ok(region)
    }
}
