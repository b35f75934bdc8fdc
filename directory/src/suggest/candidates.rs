//! The names of a province that share the most, and the rarest, pairs of characters with what was typed.

use crate::name::fold;
use crate::postings::{END, Runs, pair};
use crate::table::Table;
use std::ops::Range;

/// How many rows are read of the rarest pairs.
const BUDGET: u32 = 10_000;
/// How many of them are looked at.
const LOOK: usize = 150;
/// How many at most, where many are as good as the last.
const LOOK_MOST: usize = 400;
/// Slots of the table of the pairs that were typed; a power of two, for names of up to 200 characters.
const SLOTS: usize = 1024;
/// Hundredths that fit in 16 bits for all pairs of a name together.
const SCALE: f32 = 16.0;

/// A row, and the share of what was typed that it has.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) row: u32,
    pub(crate) share: f32,
    /// Where its key is among [`Gather::keys`].
    key: Range<usize>,
}

/// Memory that is used again. Between two uses all scores are 0.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    scores: Vec<u16>,
    touched: Vec<u32>,
    slots: Vec<Slot>,
    keys: Vec<u16>,
}

/// A pair that was typed.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    pair: u32,
    weight: f32,
    /// The last candidate that it was counted for.
    seen: u32,
}

impl Gather {
    /// The best rows, those with the most in common first, not more than `most`.
    pub(crate) fn candidates(&mut self, table: &Table<'_>, key: &[u16], most: usize) -> Vec<Candidate> {
        let mut pairs = self.pairs(table, key);
        pairs.sort_unstable_by_key(|(_, runs)| runs.rows);
        self.add(table, &pairs);
        let rows = self.best();
        let mut candidates = self.shares(table, &rows);
        let other = |candidate: &Candidate| candidate.key.len().abs_diff(key.len());
        let order = |a: &Candidate, b: &Candidate| {
            b.share.total_cmp(&a.share).then_with(|| other(a).cmp(&other(b))).then(a.row.cmp(&b.row))
        };
        if candidates.len() > most {
            candidates.select_nth_unstable_by(most, order);
            candidates.truncate(most);
        }
        candidates.sort_unstable_by(order);
        candidates
    }

    /// The key of a candidate that was found last.
    pub(crate) fn key(&self, candidate: &Candidate) -> &[u16] {
        self.keys.get(candidate.key.clone()).unwrap_or_default()
    }

    /// The pairs that were typed, each once, with what they are worth.
    fn pairs<'a>(&mut self, table: &Table<'a>, key: &[u16]) -> Vec<(f32, Runs<'a>)> {
        self.slots.clear();
        self.slots.resize(SLOTS, Slot::default());
        let units: Vec<u16> =
            key.iter().take(SLOTS / 2 - 1).map(|&unit| fold::lower(unit)).chain([END]).collect();
        let mut pairs = Vec::with_capacity(units.len());
        for two in units.windows(2) {
            let pair = pair(two[0], two[1]);
            let Some(slot) = free(&mut self.slots, pair) else { continue };
            let runs = table.postings.of(pair);
            #[expect(clippy::cast_precision_loss, reason = "a weight")]
            let weight = ((table.rows as f32 + 1.0) / (runs.rows as f32 + 0.5)).ln();
            *slot = Slot { pair, weight, seen: u32::MAX };
            pairs.push((weight, runs));
        }
        pairs
    }

    /// Adds the worth of the rarest pairs to the rows that have them.
    fn add(&mut self, table: &Table<'_>, pairs: &[(f32, Runs<'_>)]) {
        if self.scores.len() < table.rows as usize {
            self.scores.resize(table.rows as usize, 0);
        }
        let mut read = 0;
        for (weight, runs) in pairs {
            if runs.rows == 0 {
                continue;
            }
            read = runs.rows.saturating_add(read);
            if read > BUDGET && !self.touched.is_empty() {
                break;
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 16 times 20")]
            let weight = ((weight * SCALE) as u16).max(1);
            for (start, end) in *runs {
                for row in start..end.min(table.rows) {
                    let score = &mut self.scores[row as usize];
                    if *score == 0 {
                        self.touched.push(row);
                    }
                    *score = score.saturating_add(weight);
                }
            }
        }
    }

    /// The rows with the highest scores, in order; forgets all scores.
    fn best(&mut self) -> Vec<u32> {
        let highest = self.touched.iter().map(|&row| self.scores[row as usize]).max().unwrap_or(0);
        let mut counts = vec![0_usize; usize::from(highest) + 1];
        for &row in &self.touched {
            counts[usize::from(self.scores[row as usize])] += 1;
        }
        let (mut least, mut count) = (highest, 0);
        for (score, here) in (0..=highest).zip(counts).rev() {
            if count >= LOOK || count + here > LOOK_MOST && count > 0 {
                break;
            }
            count += here;
            least = score;
        }
        let mut rows: Vec<u32> = self
            .touched
            .iter()
            .copied()
            .filter(|&row| self.scores[row as usize] >= least.max(1))
            .take(LOOK_MOST * 4)
            .collect();
        for row in self.touched.drain(..) {
            self.scores[row as usize] = 0;
        }
        rows.sort_unstable();
        rows
    }

    /// The share of all pairs that each row has.
    fn shares(&mut self, table: &Table<'_>, rows: &[u32]) -> Vec<Candidate> {
        let all: f32 = self.slots.iter().map(|slot| slot.weight).sum();
        let mut keys = table.keys();
        self.keys.clear();
        let mut candidates = Vec::with_capacity(rows.len());
        for &row in rows {
            let Some(key) = keys.seek(row) else { continue };
            let mut sum = 0.0;
            let mut before = None;
            for unit in key.iter().map(|&unit| fold::lower(unit)).chain([END]) {
                if let Some(before) = before.replace(unit)
                    && let Some(slot) = known(&mut self.slots, pair(before, unit))
                    && slot.seen != row
                {
                    slot.seen = row;
                    sum += slot.weight;
                }
            }
            let start = self.keys.len();
            self.keys.extend_from_slice(key);
            let share = sum / all.max(f32::MIN_POSITIVE);
            candidates.push(Candidate { row, share, key: start..self.keys.len() });
        }
        candidates
    }
}

fn place(pair: u32) -> usize {
    (pair.wrapping_mul(0x9E37_79B1) >> 22) as usize
}

/// The slot for a pair that is not yet there.
fn free(slots: &mut [Slot], pair: u32) -> Option<&mut Slot> {
    let mut at = place(pair);
    while slots[at].pair != 0 {
        if slots[at].pair == pair {
            return None;
        }
        at = (at + 1) % SLOTS;
    }
    Some(&mut slots[at])
}

/// The slot of a pair that was typed.
fn known(slots: &mut [Slot], pair: u32) -> Option<&mut Slot> {
    let mut at = place(pair);
    while slots[at].pair != 0 {
        if slots[at].pair == pair {
            return Some(&mut slots[at]);
        }
        at = (at + 1) % SLOTS;
    }
    None
}
