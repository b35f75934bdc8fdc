//! Which rows have which pairs of characters, gathered while rows go by in order.

use crate::name::fold;
use crate::postings::{END, pair, put_runs};

/// A pair and the run of rows that have it.
type Run = (u64, u32);

/// Gathers the pairs of a province.
#[derive(Default)]
pub(super) struct Pairs {
    /// What stands at each place of the row before, and since which row.
    open: Vec<(u32, u32)>,
    before: Vec<u16>,
    now: Vec<u16>,
    done: Vec<Run>,
}

/// The arrays of a province.
#[derive(Default)]
pub(super) struct Arrays {
    pub(super) pairs: Vec<u8>,
    pub(super) places: Vec<u8>,
    pub(super) postings: Vec<u8>,
}

impl Pairs {
    /// Takes the key of the next row.
    pub(super) fn row(&mut self, row: u32, key: &[u16]) {
        std::mem::swap(&mut self.before, &mut self.now);
        self.now.clear();
        self.now.extend(key.iter().map(|&unit| fold::lower(unit)));
        self.now.push(END);
        let shared = self.before.iter().zip(&self.now).take_while(|(a, b)| a == b).count();
        self.close(row, shared);
        for at in self.open.len()..self.now.len() - 1 {
            self.open.push((pair(self.now[at], self.now[at + 1]), row));
        }
    }

    /// Ends the runs of what the next row does not share.
    fn close(&mut self, row: u32, shared: usize) {
        let kept = shared.saturating_sub(1).min(self.open.len());
        for (pair, start) in self.open.drain(kept..) {
            self.done.push((u64::from(pair) << 32 | u64::from(start), row));
        }
    }

    /// The arrays, after the last row.
    pub(super) fn finish(mut self, rows: u32) -> Arrays {
        self.close(rows, 0);
        let mut done = self.done;
        done.sort_unstable_by_key(|(head, _)| *head);
        let mut arrays = Arrays::default();
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let mut rest = done.as_slice();
        while let Some(&(first, _)) = rest.first() {
            let pair = first >> 32;
            let count = rest.iter().take_while(|(head, _)| head >> 32 == pair).count();
            runs.clear();
            for &(head, end) in &rest[..count] {
                let start = (head & u64::from(u32::MAX)) as u32;
                match runs.last_mut() {
                    Some((_, last)) if start <= *last => *last = end.max(*last),
                    _ => runs.push((start, end)),
                }
            }
            arrays.place();
            arrays.pairs.extend_from_slice(&pair.to_le_bytes()[..4]);
            put_runs(&runs, &mut arrays.postings);
            rest = &rest[count..];
        }
        arrays.place();
        arrays
    }
}

impl Arrays {
    fn place(&mut self) {
        // A province's postings are some megabytes.
        self.places.extend_from_slice(&self.postings.len().to_le_bytes()[..4]);
    }
}
