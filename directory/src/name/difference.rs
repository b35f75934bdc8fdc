//! What differs between two names, for a person to see.

use super::fold;

/// A span of two names laid side by side. The `typed` of all spans make the one name, the `meant` the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The same, though width, spaces, script or the League's prefix may be written otherwise.
    Same {
        /// As typed.
        typed: String,
        /// As the organization is called.
        meant: String,
    },
    /// One stands for the other.
    Replaced {
        /// What was typed.
        typed: String,
        /// What the organization's name has instead.
        meant: String,
    },
    /// The organization's name has this, and it was not typed.
    Missing {
        /// What is missing.
        meant: String,
    },
    /// This was typed, and the organization's name does not have it.
    Extra {
        /// What is too much.
        typed: String,
    },
}

/// One character, and what it is levelled to.
struct Character {
    text: char,
    /// Two units at most, and 0 where there is none.
    folded: [u16; 2],
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Same,
    Replace,
    Missing,
    Extra,
    /// A character that does not count.
    Invisible,
}

/// The spans in which what was typed and what may be meant are the same, and in which they differ.
#[must_use]
pub fn differences(typed: &str, meant: &str) -> Vec<Difference> {
    let (typed, meant) = (typed.trim(), meant.trim());
    let (typed_prefix, typed) = typed.split_at(prefix(typed));
    let (meant_prefix, meant) = meant.split_at(prefix(meant));
    let mut spans = Spans::default();
    if typed_prefix.is_empty() == meant_prefix.is_empty() {
        spans.add(true, typed_prefix, meant_prefix);
    } else {
        spans.add(false, typed_prefix, meant_prefix);
    }
    let (typed, meant) = (characters(typed), characters(meant));
    let (mut i, mut j) = (0, 0);
    for step in steps(&typed, &meant) {
        let (from_typed, from_meant) = match step {
            Step::Same | Step::Replace => (1, 1),
            Step::Extra => (1, 0),
            Step::Missing => (0, 1),
            Step::Invisible => (usize::from(typed.get(i).is_some_and(Character::invisible)), 0),
        };
        let from_meant = if step == Step::Invisible { 1 - from_typed } else { from_meant };
        let text = |all: &[Character]| all.iter().map(|c| c.text).collect::<String>();
        let same = matches!(step, Step::Same | Step::Invisible);
        spans.add(same, &text(&typed[i..i + from_typed]), &text(&meant[j..j + from_meant]));
        i += from_typed;
        j += from_meant;
    }
    spans.into_differences()
}

impl Character {
    fn invisible(&self) -> bool {
        self.folded == [0; 2]
    }
}

fn characters(text: &str) -> Vec<Character> {
    let mut units = Vec::with_capacity(2);
    let mut folded = |c: char| {
        units.clear();
        fold::fold_into(c.encode_utf8(&mut [0; 4]), &mut units);
        [units.first().copied().unwrap_or(0), units.get(1).copied().unwrap_or(0)]
    };
    text.chars().map(|c| Character { text: c, folded: folded(c) }).collect()
}

/// How many bytes of a name are the League's prefix, as typed.
fn prefix(name: &str) -> usize {
    let mut key = Vec::new();
    for (at, c) in name.char_indices().take(40) {
        fold::fold_into(c.encode_utf8(&mut [0; 4]), &mut key);
        if key == fold::LONG_PREFIX || key == fold::SHORT_PREFIX {
            return at + c.len_utf8();
        }
    }
    0
}

/// A cheap way from one to the other, from the front; what both begin and end with is the same.
fn steps(typed: &[Character], meant: &[Character]) -> Vec<Step> {
    let same = |(a, b): &(&Character, &Character)| a.folded == b.folded && !a.invisible();
    let mut before = typed.iter().zip(meant).take_while(same).count();
    // 24 beside 2024 lacks 20, and not the 02 in the middle.
    while before > 0 && typed[before - 1].text.is_ascii_digit() {
        before -= 1;
    }
    let (typed, meant) = (&typed[before..], &meant[before..]);
    let after = typed.iter().rev().zip(meant.iter().rev()).take_while(same).count();
    let (typed, meant) = (&typed[..typed.len() - after], &meant[..meant.len() - after]);
    let mut steps = vec![Step::Same; before];
    steps.extend(cheapest(typed, meant));
    steps.extend(std::iter::repeat_n(Step::Same, after));
    steps
}

/// The cheapest way from one to the other, from the front.
fn cheapest(typed: &[Character], meant: &[Character]) -> Vec<Step> {
    let width = meant.len() + 1;
    let mut cost = vec![0_u32; (typed.len() + 1) * width];
    let price = |c: &Character| u32::from(!c.invisible()) * 10;
    for i in (0..=typed.len()).rev() {
        for j in (0..=meant.len()).rev() {
            let at = i * width + j;
            let extra = typed.get(i).map(|c| cost[at + width] + price(c));
            let missing = meant.get(j).map(|c| cost[at + 1] + price(c));
            // A little dearer than keeping and dropping, so that what is the same stays together.
            let both = typed
                .get(i)
                .zip(meant.get(j))
                .map(|(a, b)| cost[at + width + 1] + if a.folded == b.folded { 0 } else { 11 });
            cost[at] = [extra, missing, both].into_iter().flatten().min().unwrap_or(0);
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while i < typed.len() || j < meant.len() {
        let at = i * width + j;
        let (step, di, dj) = match (typed.get(i), meant.get(j)) {
            (Some(a), _) if a.invisible() => (Step::Invisible, 1, 0),
            (_, Some(b)) if b.invisible() => (Step::Invisible, 0, 1),
            (Some(_), Some(b)) if b.text.is_ascii_digit() && cost[at] == cost[at + 1] + 10 => {
                (Step::Missing, 0, 1)
            }
            (Some(a), Some(_)) if a.text.is_ascii_digit() && cost[at] == cost[at + width] + 10 => {
                (Step::Extra, 1, 0)
            }
            (Some(a), Some(b)) if a.folded == b.folded && cost[at] == cost[at + width + 1] => {
                (Step::Same, 1, 1)
            }
            (Some(_), Some(_)) if cost[at] == cost[at + width + 1] + 11 => (Step::Replace, 1, 1),
            (Some(_), Some(_)) if cost[at] == cost[at + width] + 10 => (Step::Extra, 1, 0),
            (Some(_), None) => (Step::Extra, 1, 0),
            (_, _) => (Step::Missing, 0, 1),
        };
        steps.push(step);
        i += di;
        j += dj;
    }
    steps
}

/// Neighbouring steps of a kind, put together.
#[derive(Default)]
struct Spans(Vec<(bool, String, String)>);

impl Spans {
    fn add(&mut self, same: bool, typed: &str, meant: &str) {
        if typed.is_empty() && meant.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some((before, left, right)) if *before == same => {
                left.push_str(typed);
                right.push_str(meant);
            }
            _ => self.0.push((same, typed.to_owned(), meant.to_owned())),
        }
    }

    fn into_differences(self) -> Vec<Difference> {
        let difference =
            |(same, typed, meant): (bool, String, String)| match (same, typed.is_empty(), meant.is_empty()) {
                (true, _, _) => Difference::Same { typed, meant },
                (false, true, _) => Difference::Missing { meant },
                (false, _, true) => Difference::Extra { typed },
                (false, false, false) => Difference::Replaced { typed, meant },
            };
        self.0.into_iter().map(difference).collect()
    }
}
