//! Which organizations have these words in their names.

mod plan;
mod rows;

use crate::directory::{Directory, Organization, organization};
use crate::table::Table;
use rows::Rows;

/// Which of the results are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many to leave out at the beginning.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u64,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// How many there are in all, exactly.
    pub total: u64,
    /// Those of the page: shorter names first, a committee before its branch, then by province and name.
    pub items: Vec<Organization>,
}

impl Directory {
    /// The organizations, of one province or of all, whose names have each of the words somewhere. Case, width and
    /// traditional forms make no difference; the short form of a university stands for its name; letters are also
    /// initials of pinyin. No words find nothing.
    #[must_use]
    pub fn search(&self, province: Option<&str>, words: &str, page: Page) -> Hits {
        let mut found: Vec<(Table<'_>, Rows)> = Vec::new();
        for table in self.tables().filter(|table| province.is_none_or(|code| code == table.code)) {
            let plan = plan::plan(table.code, words);
            if plan.is_empty() {
                return Hits::default();
            }
            let rows = rows::rows(&table, &plan);
            if !rows.is_empty() {
                found.push((table, rows));
            }
        }
        let total = found.iter().map(|(_, rows)| rows::count(rows)).sum();
        Hits { total, items: items(&found, page) }
    }
}

/// The organizations of a page.
fn items(found: &[(Table<'_>, Rows)], page: Page) -> Vec<Organization> {
    if page.limit == 0 {
        return Vec::new();
    }
    let mut counts = [0_u64; 256];
    for byte in found.iter().flat_map(|(table, rows)| orders(table, rows)) {
        counts[usize::from(byte)] += 1;
    }
    // The bytes that a page begins and ends in, and how many results come before the first of them.
    let (mut first, mut before) = (0, 0);
    while first < 256 && before + counts[first] <= page.offset {
        before += counts[first];
        first += 1;
    }
    let end = page.offset.saturating_add(page.limit);
    let (mut last, mut up_to) = (first, before);
    while last < 256 && up_to < end {
        up_to += counts[last];
        last += 1;
    }
    let mut places: Vec<(u8, usize, u32)> = Vec::new();
    for (number, (table, rows)) in found.iter().enumerate() {
        let all = rows.iter().flat_map(|&(start, end)| start..end);
        let wanted =
            all.zip(orders(table, rows)).filter(|(_, byte)| (first..last).contains(&usize::from(*byte)));
        places.extend(wanted.map(|(row, byte)| (byte, number, row)));
    }
    places.sort_unstable();
    let skip = usize::try_from(page.offset.saturating_sub(before)).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut keys: Vec<_> = found.iter().map(|(table, _)| table.keys()).collect();
    let of = |(_, number, row): (u8, usize, u32)| {
        let (table, _) = found.get(number)?;
        organization(table, row, keys.get_mut(number)?.seek(row)?)
    };
    places.into_iter().skip(skip).take(limit).filter_map(of).collect()
}

/// The byte of each row that says what comes first.
fn orders(table: &Table<'_>, rows: &[(u32, u32)]) -> impl Iterator<Item = u8> {
    let order = table.order;
    rows.iter()
        .flat_map(move |&(start, end)| order.get(start as usize..end as usize).unwrap_or_default())
        .copied()
}
