//! A province's rows, read from the file.

use crate::bytes::{Reader, word};
use crate::facts::RowFacts;
use crate::format::{BLOCK, Catalog, Region};
use crate::name::level::unpack;
use crate::postings::Postings;
use std::ops::Range;

/// One province of a mapped file.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) code: &'a str,
    /// When its list was imported, in milliseconds since 1970.
    pub(crate) imported_at: i64,
    /// The number of its first row among all of the file's.
    pub(crate) first_row: u32,
    pub(crate) rows: u32,
    pub(crate) postings: Postings<'a>,
    pub(crate) order: &'a [u8],
    pub(crate) kinds: &'a [String],
    key_places: &'a [u8],
    keys: &'a [u8],
    fact_places: &'a [u8],
    facts: &'a [u8],
}

impl<'a> Table<'a> {
    pub(crate) fn new(bytes: &'a [u8], catalog: &'a Catalog, region: &'a Region, sample: &'a [u32]) -> Self {
        let part = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        Self {
            code: &region.code,
            imported_at: region.imported_at,
            first_row: region.first_row,
            rows: region.rows,
            postings: Postings {
                sample,
                pairs: part(&region.pairs),
                places: part(&region.pair_places),
                data: part(&region.postings),
            },
            order: part(&region.order),
            kinds: &catalog.kinds,
            key_places: part(&region.key_places),
            keys: part(&region.keys),
            fact_places: part(&region.fact_places),
            facts: part(&region.facts),
        }
    }

    /// The arrays, in the order of a region's fields.
    pub(crate) fn parts(&self) -> [&'a [u8]; 8] {
        let [pairs, places, data] = self.postings.parts();
        [self.key_places, self.keys, self.fact_places, self.facts, pairs, places, data, self.order]
    }

    /// Reads keys.
    pub(crate) fn keys(self) -> Keys<'a> {
        Keys {
            table: self,
            next: u32::MAX,
            rest: Reader(&[]),
            ending: None,
            units: Vec::with_capacity(64),
            shared: 0,
        }
    }

    /// What a row of the province says beside its key.
    pub(crate) fn facts(&self, row: u32) -> Option<RowFacts<'a>> {
        let mut reader = self.block_of_facts(row / BLOCK)?;
        let mut facts = RowFacts::default();
        for _ in 0..=row % BLOCK {
            facts = RowFacts::read(&mut reader, &facts)?;
        }
        Some(facts)
    }

    /// All rows' facts in order.
    pub(crate) fn all_facts(self) -> impl Iterator<Item = RowFacts<'a>> {
        let mut reader = Reader(&[]);
        let mut facts = RowFacts::default();
        (0..self.rows).map_while(move |row| {
            if row % BLOCK == 0 {
                reader = self.block_of_facts(row / BLOCK)?;
                facts = RowFacts::default();
            }
            facts = RowFacts::read(&mut reader, &facts)?;
            Some(facts)
        })
    }

    fn block_of_facts(&self, block: u32) -> Option<Reader<'a>> {
        let place = word(self.fact_places, block as usize)?;
        self.facts.get(place as usize..).map(Reader)
    }
}

/// Reads keys, best in ascending order: a key is told by what it shares with the one before.
pub(crate) struct Keys<'a> {
    table: Table<'a>,
    next: u32,
    rest: Reader<'a>,
    /// The key that was read last, as it stands in the file until it is expanded.
    units: Vec<u16>,
    /// Where its suffix begins, and the unit that stands for it in the file.
    ending: Option<(usize, u16)>,
    /// How many units it shares with the one that was sought before it.
    pub(crate) shared: usize,
}

impl Keys<'_> {
    /// Reads the key of a row of the province.
    pub(crate) fn seek(&mut self, row: u32) -> Option<&[u16]> {
        self.go(row)?;
        Some(self.expand())
    }

    /// Goes to a row, which tells how much its key shares with the one before.
    pub(crate) fn go(&mut self, row: u32) -> Option<()> {
        if let Some((stem, ending)) = self.ending.take() {
            self.units.truncate(stem);
            self.units.push(ending);
        }
        if self.next > row || self.next / BLOCK != row / BLOCK {
            let place = word(self.table.key_places, (row / BLOCK) as usize)?;
            self.rest = Reader(self.table.keys.get(place as usize..)?);
            self.next = row / BLOCK * BLOCK;
            self.units.clear();
        }
        self.shared = self.units.len();
        while self.next <= row {
            self.step()?;
        }
        Some(())
    }

    /// The key of the row that was gone to.
    pub(crate) fn expand(&mut self) -> &[u16] {
        if self.ending.is_none() {
            self.ending = unpack(&mut self.units);
        }
        &self.units
    }

    #[inline]
    fn step(&mut self) -> Option<()> {
        let shared = self.rest.length()?.min(self.units.len());
        self.shared = self.shared.min(shared);
        let length = self.rest.length()?.checked_mul(2)?;
        let suffix = self.rest.take(length)?;
        self.units.truncate(shared);
        self.units.extend(suffix.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)));
        self.next += 1;
        Some(())
    }
}
