//! How far a name is from what was typed, in hundredths of a mistake.

use crate::name::fold::units;
use crate::name::level::{CLASS, Levelled, MARK, Rank, is_mark, number_in};
use crate::name::place::Province;
use crate::name::sound;

/// One character for another.
const OTHER: u32 = 100;
/// One for another that sounds the same.
const HOMOPHONE: u32 = 55;
/// Another class of the same kind.
const OTHER_CLASS: u32 = 50;
/// The same number in another part of a name: 班 was mistyped, so that it no longer looked like a class.
const SAME_NUMBER: u32 = 20;
/// Two neighbours the wrong way round.
const SWAP: u32 = 75;
/// Something missing or too much: however long it is, it is one mistake.
const GAP: u32 = 65;
const GAP_EACH: u32 = 35;
/// A part in another place.
const MOVE: u32 = 70;
/// A province, prefecture or county named by one side only.
const PLACE: u32 = 30;
/// The shortest part that counts as moved.
const SHORTEST_PART: usize = 2;
const MOST_PARTS: usize = 5;
/// No distance: more than all that are compared with it.
pub(crate) const FAR: u32 = u32::MAX / 4;
const COUNTY_ENDS: [u16; 4] = units("区县市旗");
const LONGEST_COUNTY: usize = 15;

/// What was typed, prepared for many comparisons.
pub(crate) struct Typed<'a> {
    pub(crate) key: &'a [u16],
    pub(crate) name: Levelled,
    here: Option<&'static Province>,
    lead: (usize, usize),
}

impl<'a> Typed<'a> {
    pub(crate) fn new(key: &'a [u16], here: Option<&'static Province>) -> Self {
        let name = Levelled::of(key);
        let lead = here.map_or((0, 0), |here| here.lead(&name.body));
        Self { key, name, here, lead }
    }
}

/// Memory to compare in.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    rows: [Vec<u32>; 4],
    used: [Vec<bool>; 2],
    lengths: Vec<u16>,
}

impl Comparison {
    /// The distance of a name, as its key and levelled, from what was typed; exact as far as the bound.
    pub(crate) fn cost(&mut self, typed: &Typed<'_>, key: &[u16], name: &Levelled, bound: u32) -> u32 {
        let rank = rank(typed.name.rank, name.rank);
        let Some(bound) = bound.checked_sub(rank) else { return FAR };
        let mut best = self.body(&typed.name.body, &name.body, bound);
        if best > PLACE {
            best = best.min(self.led(typed, name, bound.min(best)));
        }
        best += rank;
        if rank > 0 || marks(&typed.name.body) != marks(&name.body) {
            // A suffix with a mistake in it looks like none, or like another; a number likewise.
            best = best.min(self.body(typed.key, key, best.min(bound + rank)));
        }
        best
    }

    /// The distance where provinces, prefectures and counties are compared by themselves.
    fn led(&mut self, typed: &Typed<'_>, name: &Levelled, bound: u32) -> u32 {
        let (left, right) = (typed.lead, typed.here.map_or((0, 0), |here| here.lead(&name.body)));
        let typed = &typed.name;
        let (typed_lead, typed_rest) = typed.body.split_at(left.0 + left.1);
        let (name_lead, name_rest) = name.body.split_at(right.0 + right.1);
        let province = if (left.0 == 0) == (right.0 == 0) { 0 } else { PLACE };
        let prefecture = match (left.1, right.1) {
            (0, 0) => 0,
            (0, _) | (_, 0) => PLACE,
            _ if typed_lead[left.0..] == name_lead[right.0..] => 0,
            _ => 2 * OTHER,
        };
        let lead = province + prefecture;
        let mut best = if left == right { FAR } else { self.body(typed_rest, name_rest, bound) };
        for (with, without, typed_has) in [(name_rest, typed_rest, false), (typed_rest, name_rest, true)] {
            let county = county(with);
            if best > PLACE && county > 0 && !without.starts_with(&with[..county]) && lead + PLACE < bound {
                let rest = &with[county..];
                let rest =
                    if typed_has { self.body(rest, without, bound) } else { self.body(without, rest, bound) };
                best = best.min(rest + PLACE);
            }
        }
        lead + best
    }

    /// The distance of two texts, exact as far as the bound.
    pub(crate) fn body(&mut self, typed: &[u16], name: &[u16], bound: u32) -> u32 {
        let before = typed.iter().zip(name).take_while(|(a, b)| a == b).count();
        let (a, b) = (&typed[before..], &name[before..]);
        let after = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
        let (a, b) = (&a[..a.len() - after], &b[..b.len() - after]);
        if exchanged(a, b) {
            return MOVE;
        }
        if gap(a.len().abs_diff(b.len())) > bound {
            return FAR;
        }
        let edits = self.edits(a, b, bound);
        if edits > MOVE && a.len().min(b.len()) >= SHORTEST_PART && alike_bags(a, b) {
            // What is cut off may belong to a part: 石家庄市|辛集市 and 辛集市|石家庄市 end alike.
            return edits.min(self.moves(typed, name));
        }
        edits
    }

    /// Edit distance with gaps that cost as one, and swaps.
    fn edits(&mut self, a: &[u16], b: &[u16], bound: u32) -> u32 {
        if a.is_empty() || b.is_empty() {
            return gap(a.len().max(b.len()));
        }
        if let ([x], [y]) = (a, b) {
            return substitute(sound::syllables(), *x, *y);
        }
        let width = b.len() + 1;
        for row in &mut self.rows {
            row.clear();
            row.resize(width, FAR);
        }
        let [before_last, last, now, extra] = &mut self.rows;
        for (j, cell) in last.iter_mut().enumerate() {
            *cell = gap(j);
        }
        let mut least_before = 0;
        let syllables = sound::syllables();
        for (i, &x) in a.iter().enumerate() {
            let mut left = gap(i + 1);
            let (mut missing, mut least) = (FAR, left);
            let mut diagonal = last[0];
            now[0] = left;
            let cells = now[1..].iter_mut().zip(&mut extra[1..]).zip(&last[1..]);
            for (j, (((cell, extra), &above), &y)) in cells.zip(b).enumerate() {
                *extra = (*extra).min(above + GAP) + GAP_EACH;
                missing = missing.min(left + GAP) + GAP_EACH;
                let same = if x == y { 0 } else { substitute(syllables, x, y) };
                left = (diagonal + same).min(*extra).min(missing);
                if i > 0 && y == a[i - 1] && j > 0 && x == b[j - 1] && x != y {
                    left = left.min(before_last[j - 1] + SWAP);
                }
                diagonal = above;
                *cell = left;
                least = least.min(left);
            }
            if least.min(least_before) > bound {
                return FAR;
            }
            least_before = least;
            std::mem::swap(before_last, last);
            std::mem::swap(last, now);
        }
        last[b.len()]
    }

    /// The distance where parts may stand in another order: the longest parts that both have are laid upon each other.
    fn moves(&mut self, a: &[u16], b: &[u16]) -> u32 {
        let [used_a, used_b] = &mut self.used;
        used_a.clear();
        used_a.resize(a.len(), false);
        used_b.clear();
        used_b.resize(b.len(), false);
        let mut parts: Vec<(usize, usize, usize)> = Vec::with_capacity(MOST_PARTS);
        let mut left = a.len().max(b.len());
        while parts.len() < MOST_PARTS {
            let Some(part) = longest_part(a, used_a, b, used_b, &mut self.lengths) else { break };
            used_a[part.0..part.0 + part.2].fill(true);
            used_b[part.1..part.1 + part.2].fill(true);
            left -= part.2;
            parts.push(part);
        }
        parts.sort_unstable();
        let jump = |pair: &[(usize, usize, usize)]| pair[1].1 < pair[0].1;
        let jumps = parts.windows(2).filter(|pair| jump(pair)).count();
        small(jumps) * MOVE + small(left) * OTHER
    }
}

/// The longest part that both have and that is not used: its places and length.
fn longest_part(
    a: &[u16],
    used_a: &[bool],
    b: &[u16],
    used_b: &[bool],
    lengths: &mut Vec<u16>,
) -> Option<(usize, usize, usize)> {
    lengths.clear();
    lengths.resize(b.len() + 1, 0);
    let mut best = (0, 0, 0);
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate().rev() {
            let same = x == y && !used_a[i] && !used_b[j];
            let length = if same { lengths[j] + 1 } else { 0 };
            lengths[j + 1] = length;
            let length = usize::from(length);
            if length > best.2 {
                best = (i + 1 - length, j + 1 - length, length);
            }
        }
    }
    let marked = best.2 == 1 && is_mark(a[best.0]);
    (best.2 >= SHORTEST_PART || marked).then_some(best)
}

/// Whether two texts have almost the same characters, in whatever order.
fn alike_bags(a: &[u16], b: &[u16]) -> bool {
    if a.len().abs_diff(b.len()) > 2 || a.len() > 60 {
        return false;
    }
    let mut missing = 0;
    let mut used = 0_u64;
    for x in a {
        let free = b.iter().enumerate().find(|(j, y)| *y == x && used >> j & 1 == 0);
        match free {
            Some((j, _)) if j < 64 => used |= 1 << j,
            _ => missing += 1,
        }
        if missing > 2 {
            return false;
        }
    }
    true
}

/// Whether two words that share a character have changed places: 航天航空 and 航空航天.
fn exchanged(a: &[u16], b: &[u16]) -> bool {
    match (a, b) {
        ([x, middle, y], [v, other, w]) => {
            middle == other && x == w && y == v && !is_mark(*x) && !is_mark(*y)
        }
        _ => false,
    }
}

fn gap(length: usize) -> u32 {
    if length == 0 { 0 } else { GAP.saturating_add(GAP_EACH.saturating_mul(small(length))) }
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(FAR)
}

fn substitute(syllables: &[u16], x: u16, y: u16) -> u32 {
    if x == y {
        return 0;
    }
    if is_mark(x) || is_mark(y) {
        return match (x & MARK == y & MARK, number_in(x) == number_in(y)) {
            (true, _) if x & MARK == CLASS => OTHER_CLASS,
            (false, true) => SAME_NUMBER,
            _ => OTHER,
        };
    }
    let sound = sound::syllable(syllables, x);
    if sound != 0 && sound == sound::syllable(syllables, y) { HOMOPHONE } else { OTHER }
}

fn marks(body: &[u16]) -> usize {
    body.iter().filter(|unit| is_mark(**unit)).count()
}

/// How much of a text's beginning is a county's name, by its ending; 0 where none seems to be.
fn county(text: &[u16]) -> usize {
    let ends = text.iter().take(LONGEST_COUNTY).skip(1).position(|unit| COUNTY_ENDS.contains(unit));
    ends.map_or(0, |at| at + 2)
}

fn rank(typed: Option<Rank>, name: Option<Rank>) -> u32 {
    match (typed, name) {
        (a, b) if a == b => 0,
        (None, _) => 10,
        (_, None) => 60,
        _ => 90,
    }
}
