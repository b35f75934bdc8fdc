//! The names of a province that share the most, and the rarest, pairs of characters with what was typed.

use crate::name::fold;
use crate::name::level::{Rank, beginnings, without_prefix, without_suffix};
use crate::postings::{Runs, pair};
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
/// A pair of fewer rows is worth no more than one of so many: a mistake makes pairs that are rare, too.
const RARE: u32 = 20;
/// What it is worth that a suffix of the right kind follows: little, so that it tells apart what is alike otherwise.
const SUFFIX: f32 = 1.5;
/// Of so many rows at most it is looked at whether a suffix follows.
const SUFFIX_ROWS: u32 = 30_000;
/// How long prefix and suffix are together, most often.
const AROUND: usize = 6;
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
    /// What the pairs that were typed are worth together.
    all: f32,
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
        let (body, rank) = match without_suffix(without_prefix(key)) {
            // What is too short to say anything by itself.
            ([] | [_], _) => (key, None),
            parts => parts,
        };
        let mut pairs = self.pairs(table, body);
        pairs.sort_unstable_by_key(|(_, runs)| runs.rows);
        self.add(table, &pairs);
        self.add_suffix(table, body, rank);
        let rows = self.best();
        let mut candidates = self.shares(table, &rows);
        let length = body.len() + AROUND;
        let other = |candidate: &Candidate| candidate.key.len().abs_diff(length);
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

    /// The pairs of a name's body, each once, with what they are worth. Those that no name has say nothing.
    fn pairs<'a>(&mut self, table: &Table<'a>, body: &[u16]) -> Vec<(f32, Runs<'a>)> {
        self.slots.clear();
        self.slots.resize(SLOTS, Slot::default());
        self.all = 0.0;
        let units: Vec<u16> = body.iter().take(SLOTS / 2).map(|&unit| fold::lower(unit)).collect();
        let mut pairs = Vec::with_capacity(units.len());
        for two in units.windows(2) {
            let pair = pair(two[0], two[1]);
            let Some(slot) = free(&mut self.slots, pair) else { continue };
            let runs = table.postings.of(pair);
            if runs.rows == 0 {
                continue;
            }
            let weight = weight(table.rows, runs.rows);
            *slot = Slot { pair, weight, seen: u32::MAX };
            self.all += weight;
            pairs.push((weight, runs));
        }
        pairs
    }

    /// Adds a little to the rows that were found where a suffix of the kind that was typed follows the last character.
    fn add_suffix(&mut self, table: &Table<'_>, body: &[u16], rank: Option<Rank>) {
        let Some(&last) = body.last() else { return };
        let pairs = beginnings(rank).into_iter().map(|first| pair(fold::lower(last), first));
        let lists: Vec<_> = pairs.map(|pair| (pair, table.postings.of(pair))).collect();
        self.all += SUFFIX;
        for (pair, runs) in lists {
            let Some(slot) = free(&mut self.slots, pair) else { continue };
            *slot = Slot { pair, weight: SUFFIX, seen: u32::MAX };
            if runs.rows > SUFFIX_ROWS {
                continue;
            }
            for (start, end) in runs {
                for score in &mut self.scores[start.min(table.rows) as usize..end.min(table.rows) as usize] {
                    if *score > 0 {
                        *score = score.saturating_add(points(SUFFIX));
                    }
                }
            }
        }
    }

    /// Adds the worth of the rarest pairs to the rows that have them.
    fn add(&mut self, table: &Table<'_>, pairs: &[(f32, Runs<'_>)]) {
        if self.scores.len() < table.rows as usize {
            self.scores.resize(table.rows as usize, 0);
        }
        let mut read = 0;
        for (weight, runs) in pairs {
            read = runs.rows.saturating_add(read);
            if read > BUDGET && !self.touched.is_empty() {
                break;
            }
            let weight = points(*weight);
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
        let mut keys = table.keys();
        self.keys.clear();
        let mut candidates = Vec::with_capacity(rows.len());
        for &row in rows {
            let Some(key) = keys.seek(row) else { continue };
            let mut sum = 0.0;
            let mut before = None;
            for unit in key.iter().map(|&unit| fold::lower(unit)) {
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
            let share = sum / self.all.max(f32::MIN_POSITIVE);
            candidates.push(Candidate { row, share, key: start..self.keys.len() });
        }
        candidates
    }
}

/// What a pair is worth that some of all rows have.
fn weight(all: u32, some: u32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a weight")]
    let share = (all as f32 + RARE as f32) / some.max(RARE) as f32;
    share.ln()
}

/// What a row gets for a weight.
fn points(weight: f32) -> u16 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 16 times 20")]
    let points = (weight * SCALE) as u16;
    points.max(1)
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
