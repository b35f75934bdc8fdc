//! What becomes of the rows of a province: those of the list, beside those of the file before.

use super::pile::{Pile, Row};
use super::{Mode, Summary};
use crate::facts::Id;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The rows of a province that stay: those of the list in its order, which is often almost that of the names. Of what the list
/// lacks, the `spared` identifiers stay: they were in it, in rows that could not be used.
pub(super) fn merge<'a>(
    mode: Mode,
    old: &'a Pile,
    (new, spared): (&'a Pile, &[String]),
    summary: &mut Summary,
) -> Vec<Row<'a>> {
    let spared: BTreeSet<Id<'_>> = spared.iter().map(|id| Id::of(id)).collect();
    let old_ids = by_id(old);
    let mut new_ids = by_id(new);
    let rows = new_ids.len();
    // Of an identifier the last row counts.
    new_ids.reverse();
    new_ids.dedup_by_key(|(id, _)| *id);
    new_ids.reverse();
    summary.duplicate += (rows - new_ids.len()) as u64;
    let mut stays = Vec::with_capacity(new_ids.len().max(old_ids.len()));
    let (mut left, mut right) = (old_ids.into_iter().peekable(), new_ids.into_iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((left, _)), Some((right, _))) => left.cmp(right),
        };
        let before = if order == Ordering::Greater { None } else { left.next() };
        let now = if order == Ordering::Less { None } else { right.next() };
        // Rows are read only where there are two to compare.
        let same = || match (before, now) {
            (Some((_, before)), Some((_, now))) => same(old.row(before), new.row(now)),
            _ => false,
        };
        let stays_or_goes = now.map(|(_, index)| !new.is_gone(index));
        let spared = before.is_some_and(|(id, _)| spared.contains(&id));
        let mode = if spared { Mode::Delta } else { mode };
        match decide(mode, before.is_some(), stays_or_goes, same, summary) {
            Stays::Old => stays.extend(before.map(|(_, index)| (false, index))),
            Stays::New => stays.extend(now.map(|(_, index)| (true, index))),
            Stays::Neither => {}
        }
    }
    stays.sort_unstable();
    stays
        .into_iter()
        .filter_map(|(is_new, index)| if is_new { new.row(index) } else { old.row(index) })
        .collect()
}

enum Stays {
    Old,
    New,
    Neither,
}

fn same(old: Option<Row<'_>>, new: Option<Row<'_>>) -> bool {
    old.zip(new).is_some_and(|(old, new)| old.same(&new))
}

/// What stays of an organization that was there before, or which the list says to be there or gone, or both.
fn decide(mode: Mode, old: bool, new: Option<bool>, same: impl Fn() -> bool, summary: &mut Summary) -> Stays {
    let (count, stays) = match (old, new) {
        (true, None) if mode == Mode::Full => (&mut summary.gone, Stays::Neither),
        (true, Some(false)) => (&mut summary.gone, Stays::Neither),
        (true, Some(true)) if same() => (&mut summary.unchanged, Stays::New),
        (true, Some(true)) => (&mut summary.changed, Stays::New),
        (true, None) => (&mut summary.unchanged, Stays::Old),
        (false, Some(true)) => (&mut summary.new, Stays::New),
        (false, _) => (&mut summary.already_gone, Stays::Neither),
    };
    *count += 1;
    stays
}

/// Rows by identifier, those of one identifier in the order of the list.
fn by_id(pile: &Pile) -> Vec<(Id<'_>, u32)> {
    let mut order: Vec<(Id<'_>, u32)> =
        (0..pile.len()).filter_map(|index| Some((pile.id(index)?, index))).collect();
    order.sort_unstable();
    order
}
