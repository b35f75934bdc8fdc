//! Rows in memory, close together: those of a list of millions must fit.

use super::ImportError;
use crate::bytes::Reader;
use crate::facts::{Id, RowFacts};
use crate::table::Table;

/// Rows of one province.
#[derive(Debug, Default)]
pub(super) struct Pile {
    /// Of each row: whether it is gone, its facts, its key with the higher byte of each unit first, so that keys can be
    /// compared as bytes.
    bytes: Vec<u8>,
    starts: Vec<u32>,
}

/// A row of a pile.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) facts: RowFacts<'a>,
    pub(super) key: &'a [u8],
}

impl Row<'_> {
    /// Whether two rows say the same.
    pub(super) fn same(&self, other: &Row<'_>) -> bool {
        self.key == other.key && self.facts == other.facts
    }

    /// The key's units.
    pub(super) fn units(&self, out: &mut Vec<u16>) {
        out.clear();
        out.extend(self.key.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])));
    }
}

impl Pile {
    /// All rows of a province of an earlier file.
    pub(super) fn of(table: Table<'_>) -> Result<Self, ImportError> {
        let mut pile = Self::default();
        let mut keys = table.keys();
        for (row, facts) in (0..).zip(table.all_facts()) {
            if let Some(key) = keys.seek(row) {
                pile.push(false, &facts, key)?;
            }
        }
        Ok(pile)
    }

    pub(super) fn push(&mut self, gone: bool, facts: &RowFacts<'_>, key: &[u16]) -> Result<(), ImportError> {
        self.starts.push(u32::try_from(self.bytes.len()).map_err(|_| ImportError::TooLarge)?);
        self.bytes.push(u8::from(gone));
        facts.put(&RowFacts::default(), &mut self.bytes);
        let start = self.bytes.len();
        self.bytes.resize(start + key.len() * 2, 0);
        for (place, unit) in self.bytes[start..].as_chunks_mut().0.iter_mut().zip(key) {
            *place = unit.to_be_bytes();
        }
        Ok(())
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// A row's identifier.
    pub(super) fn id(&self, index: u32) -> Option<Id<'_>> {
        // After whether it is gone, and the flags of its facts.
        Id::read(&mut Reader(self.bytes_of(index)?.get(2..)?))
    }

    /// Whether a row says that its organization is gone.
    pub(super) fn is_gone(&self, index: u32) -> bool {
        self.bytes_of(index).and_then(|bytes| bytes.first()).is_some_and(|gone| *gone != 0)
    }

    fn bytes_of(&self, index: u32) -> Option<&[u8]> {
        let start = *self.starts.get(index as usize)? as usize;
        let end = self.starts.get(index as usize + 1).map_or(self.bytes.len(), |end| *end as usize);
        self.bytes.get(start..end)
    }

    pub(super) fn row(&self, index: u32) -> Option<Row<'_>> {
        let (_, rest) = self.bytes_of(index)?.split_first()?;
        let mut reader = Reader(rest);
        let facts = RowFacts::read(&mut reader, &RowFacts::default())?;
        Some(Row { facts, key: reader.0 })
    }
}
