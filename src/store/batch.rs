//! One statement for many rows.
//!
//! A statement costs a round trip and a plan, whatever it carries. The texts are made for a few sizes only, so that
//! each is prepared once and stays prepared.

use std::sync::OnceLock;

/// The sizes, largest first; any number of rows is a sum of them.
const SIZES: [usize; 5] = [128, 32, 8, 2, 1];

/// How a database names the places of a statement's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// `?`: SQLite looks through all names for each one it binds, so a thousand names cost a million steps.
    Unnamed,
    /// `$1`, `$2`, …
    Numbered,
}

/// A statement with a list of rows in it: `head (…), (…) tail`. Head and tail have no places.
pub(super) struct Batch {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    unnamed: [OnceLock<String>; SIZES.len()],
    numbered: [OnceLock<String>; SIZES.len()],
}

impl Batch {
    /// `columns` is how many places a row has.
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        let texts = [const { OnceLock::new() }; SIZES.len()];
        let more = [const { OnceLock::new() }; SIZES.len()];
        Self { head, columns, tail, unnamed: texts, numbered: more }
    }

    /// Cuts rows into pieces of the sizes, each with its text.
    pub(super) fn pieces<'a, T>(
        &'static self,
        places: Places,
        rows: &'a [T],
    ) -> Vec<(&'static str, &'a [T])> {
        let texts = match places {
            Places::Unnamed => &self.unnamed,
            Places::Numbered => &self.numbered,
        };
        let mut rest = rows;
        let mut pieces = Vec::new();
        for (size, text) in SIZES.iter().zip(texts) {
            while let Some((piece, others)) = rest.split_at_checked(*size) {
                pieces.push((text.get_or_init(|| self.text(places, *size)).as_str(), piece));
                rest = others;
            }
        }
        pieces
    }

    fn text(&self, places: Places, rows: usize) -> String {
        let name = |place: usize| match places {
            Places::Unnamed => "?".to_owned(),
            Places::Numbered => format!("${place}"),
        };
        let row = |at: usize| {
            let names: Vec<String> =
                (1..=self.columns).map(|place| name(at * self.columns + place)).collect();
            format!("({})", names.join(", "))
        };
        let rows: Vec<String> = (0..rows).map(row).collect();
        format!("{}{}{}", self.head, rows.join(", "), self.tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_into_prepared_sizes() {
        static INSERT: Batch = Batch::new("INSERT INTO t (a, b) VALUES ", 2, "");
        let rows: Vec<usize> = (0..171).collect();
        let pieces = INSERT.pieces(Places::Numbered, &rows);
        let sizes: Vec<usize> = pieces.iter().map(|(_, piece)| piece.len()).collect();
        assert_eq!(sizes, [128, 32, 8, 2, 1]);
        assert_eq!(pieces.iter().flat_map(|(_, piece)| *piece).copied().collect::<Vec<_>>(), rows);
        assert_eq!(pieces[3].0, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
        assert_eq!(INSERT.pieces(Places::Unnamed, &rows)[3].0, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?)");
        assert!(INSERT.pieces::<usize>(Places::Numbered, &[]).is_empty());
    }
}
