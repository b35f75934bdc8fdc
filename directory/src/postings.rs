//! Which rows of a province have a pair of characters. Rows are sorted by name, so that they come in runs.

use crate::bytes::{Reader, put, word};

/// Two units, one after the other.
pub(crate) const fn pair(first: u16, second: u16) -> u32 {
    (first as u32) << 16 | second as u32
}

/// Stands after the last character of a name.
pub(crate) const END: u16 = 0;
/// The rows of each pair of a province.
#[derive(Clone, Copy)]
pub(crate) struct Postings<'a> {
    /// [`Postings::sample`] of the pairs.
    pub(crate) sample: &'a [u32],
    pub(crate) pairs: &'a [u8],
    pub(crate) places: &'a [u8],
    pub(crate) data: &'a [u8],
}

/// One pair of so many is in memory of its own, so that a search touches little of the file.
const SAMPLED: usize = 64;

impl<'a> Postings<'a> {
    /// The first of every so many pairs.
    pub(crate) fn sample(pairs: &[u8]) -> Vec<u32> {
        pairs.as_chunks().0.iter().step_by(SAMPLED).map(|pair| u32::from_le_bytes(*pair)).collect()
    }

    pub(crate) fn parts(&self) -> [&'a [u8]; 3] {
        [self.pairs, self.places, self.data]
    }

    /// The rows that have a pair.
    pub(crate) fn of(&self, pair: u32) -> Runs<'a> {
        let at = self.position(pair);
        if word(self.pairs, at) == Some(pair) { self.at(at) } else { Runs::default() }
    }

    /// The rows of each pair from one to another, both included.
    pub(crate) fn between(self, first: u32, last: u32) -> impl Iterator<Item = Runs<'a>> {
        let from = self.position(first);
        let here = (from..).take_while(move |&at| word(self.pairs, at).is_some_and(|pair| pair <= last));
        here.map(move |at| self.at(at))
    }

    /// All pairs with their rows.
    pub(crate) fn all(self) -> impl Iterator<Item = (u32, Runs<'a>)> {
        let pairs = self.pairs.as_chunks::<4>().0.iter().enumerate();
        pairs.map(move |(at, pair)| (u32::from_le_bytes(*pair), self.at(at)))
    }

    /// The first pair that is not less.
    fn position(&self, pair: u32) -> usize {
        let pairs = self.pairs.as_chunks().0;
        let from = self.sample.partition_point(|here| *here < pair).saturating_sub(1) * SAMPLED;
        let some = &pairs[from.min(pairs.len())..pairs.len().min(from + SAMPLED)];
        from + some.partition_point(|here| u32::from_le_bytes(*here) < pair)
    }

    fn at(&self, index: usize) -> Runs<'a> {
        let place = |index| word(self.places, index).unwrap_or(0) as usize;
        let mut reader = Reader(self.data.get(place(index)..place(index + 1)).unwrap_or_default());
        let rows = reader.number().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        Runs { rows, reader, end: 0 }
    }
}

/// Runs of rows in ascending order, from the first to before the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runs<'a> {
    /// How many rows there are in all.
    pub(crate) rows: u32,
    reader: Reader<'a>,
    end: u32,
}

impl Default for Runs<'_> {
    fn default() -> Self {
        Self { rows: 0, reader: Reader(&[]), end: 0 }
    }
}

impl Runs<'_> {
    /// How many bytes there are to read.
    pub(crate) fn bytes(&self) -> usize {
        self.reader.0.len()
    }
}

impl Iterator for Runs<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let head = self.reader.number()?;
        let length = if head & 1 == 0 { 1 } else { self.reader.number()?.checked_add(2)? };
        let start = self.end.checked_add(u32::try_from(head >> 1).ok()?)?;
        self.end = start.checked_add(u32::try_from(length).ok()?)?;
        Some((start, self.end))
    }
}

/// Appends runs that do not touch, in ascending order.
pub(crate) fn put_runs(runs: &[(u32, u32)], out: &mut Vec<u8>) {
    put(out, runs.iter().map(|(start, end)| u64::from(end - start)).sum());
    let mut before = 0;
    for &(start, end) in runs {
        let length = u64::from(end - start);
        put(out, u64::from(start - before) << 1 | u64::from(length > 1));
        if length > 1 {
            put(out, length - 2);
        }
        before = end;
    }
}
