//! One statement for many rows.
//!
//! A statement costs a round trip and a plan, whatever it carries. The texts are made for a few sizes only, so that
//! each is prepared once and stays prepared.

use std::sync::OnceLock;

/// The sizes, largest first; any number of rows is a sum of them.
const SIZES: [usize; 5] = [128, 32, 8, 2, 1];

/// A statement with a list of rows in it: `head (…), (…) tail`, its places numbered `$1`, `$2`, ….
pub(super) struct Batch {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: [OnceLock<String>; SIZES.len()],
}

impl Batch {
    /// `columns` is how many places a row has.
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { head, columns, tail, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// Cuts rows into pieces of the sizes, each with its text.
    pub(super) fn pieces<'a, T>(&'static self, rows: &'a [T]) -> Vec<(&'static str, &'a [T])> {
        let mut rest = rows;
        let mut pieces = Vec::new();
        for (size, text) in SIZES.iter().zip(&self.texts) {
            while let Some((piece, others)) = rest.split_at_checked(*size) {
                pieces.push((text.get_or_init(|| self.text(*size)).as_str(), piece));
                rest = others;
            }
        }
        pieces
    }

    fn text(&self, rows: usize) -> String {
        let row = |at: usize| {
            let places: Vec<String> =
                (1..=self.columns).map(|place| format!("${}", at * self.columns + place)).collect();
            format!("({})", places.join(", "))
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
        let pieces = INSERT.pieces(&rows);
        let sizes: Vec<usize> = pieces.iter().map(|(_, piece)| piece.len()).collect();
        assert_eq!(sizes, [128, 32, 8, 2, 1]);
        assert_eq!(pieces.iter().flat_map(|(_, piece)| *piece).copied().collect::<Vec<_>>(), rows);
        assert_eq!(pieces[3].0, "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)");
        assert!(INSERT.pieces::<usize>(&[]).is_empty());
    }
}
