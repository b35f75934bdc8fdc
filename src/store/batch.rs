//! One statement for many rows.
//!
//! A statement costs a round trip and a plan, whatever it carries. The rows are a list `v` with named columns, which the
//! statement reads like a table.

use super::StoreError;
use super::session::TxInner;
use super::tx::{Tx, in_time};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, FromRow};
use std::borrow::Cow;
use std::sync::OnceLock;

/// How many rows a statement of SQLite's has places for, smallest first; those left over stay empty. A round trip to the
/// thread of SQLite costs more than many empty places. The texts are few, so that each is prepared once and stays prepared.
const SIZES: [usize; 4] = [1, 4, 16, 64];

/// A value of one column, as both databases store it.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Int(Option<i64>),
    Text(Option<Cow<'a, str>>),
    Bytes(Option<&'a [u8]>),
}

impl Value<'_> {
    /// Whether it is anything but NULL.
    const fn is_there(&self) -> bool {
        match self {
            Self::Int(value) => value.is_some(),
            Self::Text(value) => value.is_some(),
            Self::Bytes(value) => value.is_some(),
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(value: Option<String>) -> Self {
        Self::Text(value.map(Cow::Owned))
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        Self::Text(value.map(Cow::Borrowed))
    }
}

impl<'a> From<Option<Cow<'a, str>>> for Value<'a> {
    fn from(value: Option<Cow<'a, str>>) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Some(value))
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        Self::Bytes(value)
    }
}

/// A statement that reads a list of rows: `WITH v (columns) AS (…) tail`. The first column is never NULL on SQLite.
///
/// On PostgreSQL the list is one array a column, and the text the same for any number of rows. SQLite has no arrays: there
/// it is a list of places, and each number of rows a text of its own.
pub(super) struct Batch<const N: usize> {
    columns: [&'static str; N],
    sqlite: &'static str,
    postgres: &'static str,
    lists: [OnceLock<String>; SIZES.len()],
    arrays: OnceLock<String>,
}

impl<const N: usize> Batch<N> {
    pub(super) const fn new(columns: [&'static str; N], tail: &'static str) -> Self {
        Self::of(columns, tail, tail)
    }

    /// With another tail for each database.
    pub(super) const fn of(columns: [&'static str; N], sqlite: &'static str, postgres: &'static str) -> Self {
        let lists = [const { OnceLock::new() }; SIZES.len()];
        Self { columns, sqlite, postgres, lists, arrays: OnceLock::new() }
    }

    fn arrays(&'static self) -> &'static str {
        self.arrays.get_or_init(|| {
            let places: Vec<String> = (1..=N).map(|place| format!("${place}")).collect();
            let (columns, places) = (self.columns.join(", "), places.join(", "));
            format!("WITH v ({columns}) AS (SELECT * FROM UNNEST({places})) {}", self.postgres)
        })
    }

    /// Without names: SQLite looks through all names for each place that it binds, so a thousand cost a million steps. Places
    /// that are not bound are NULL.
    fn list(&self, rows: usize) -> String {
        let columns = self.columns.join(", ");
        let row = format!("({})", ["?"; N].join(", "));
        let rows = vec![row; rows].join(", ");
        format!(
            "WITH v ({columns}) AS (SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL) {}",
            self.sqlite
        )
    }

    /// Cuts rows into pieces, each with the text of the smallest size that holds it.
    fn pieces<'a, T>(&'static self, rows: &'a [T]) -> impl Iterator<Item = (&'static str, &'a [T])> {
        let largest = SIZES.len() - 1;
        rows.chunks(SIZES[largest]).map(move |piece| {
            let at = SIZES.iter().position(|size| *size >= piece.len()).unwrap_or(largest);
            (self.lists[at].get_or_init(|| self.list(SIZES[at])).as_str(), piece)
        })
    }
}

/// The values of a list's rows, one after the other.
fn places<'a, T, const N: usize>(
    rows: &'a [T],
    values: impl Fn(&'a T) -> [Value<'a>; N],
) -> Result<SqliteArguments, sqlx::Error> {
    let mut places = SqliteArguments::default();
    places.reserve(rows.len() * N, 0);
    for row in rows.iter().map(values) {
        debug_assert!(
            row.first().is_none_or(Value::is_there),
            "a row without its first column is passed over"
        );
        for value in row {
            let added = match value {
                Value::Int(value) => places.add(value),
                Value::Text(Some(Cow::Owned(text))) => places.add(text),
                Value::Text(text) => places.add(text.as_deref()),
                Value::Bytes(bytes) => places.add(bytes),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
    }
    Ok(places)
}

/// The columns of all rows, an array each, without the NULLs at its end: each value that is sent costs a sixth of a microsecond in the
/// server, and UNNEST fills up what is shorter. So a column that nobody uses costs nothing.
fn arrays<'a, T, const N: usize>(
    rows: &'a [T],
    values: impl Fn(&'a T) -> [Value<'a>; N],
) -> Result<PgArguments, sqlx::Error> {
    let rows: Vec<[Value<'a>; N]> = rows.iter().map(values).collect();
    let mut arrays = PgArguments::default();
    arrays.reserve(N, 0);
    for column in 0..N {
        let filled = rows.iter().rposition(|row| row[column].is_there()).map_or(0, |last| last + 1);
        let cells = rows[..filled].iter().map(|row| &row[column]);
        let added = match rows.first().map(|row| &row[column]) {
            None => Ok(()),
            Some(Value::Int(_)) => arrays.add(cells.map(int).collect::<Vec<_>>()),
            Some(Value::Text(_)) => arrays.add(cells.map(text).collect::<Vec<_>>()),
            Some(Value::Bytes(_)) => arrays.add(cells.map(bytes).collect::<Vec<_>>()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arrays)
}

const fn int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(value) => *value,
        Value::Text(_) | Value::Bytes(_) => None,
    }
}

fn text<'a>(value: &'a Value<'_>) -> Option<&'a str> {
    match value {
        Value::Text(value) => value.as_deref(),
        Value::Int(_) | Value::Bytes(_) => None,
    }
}

const fn bytes<'a>(value: &Value<'a>) -> Option<&'a [u8]> {
    match value {
        Value::Bytes(value) => *value,
        Value::Int(_) | Value::Text(_) => None,
    }
}

impl Tx {
    /// Runs a statement for many rows; nothing where there are none.
    pub(super) async fn for_all<'a, T, const N: usize>(
        &mut self,
        action: &'static str,
        batch: &'static Batch<N>,
        rows: &'a [T],
        values: impl Fn(&'a T) -> [Value<'a>; N],
    ) -> Result<(), StoreError> {
        let failed = |source| StoreError::Database { action, source };
        if rows.is_empty() {
            return Ok(());
        }
        match &mut self.inner {
            TxInner::Sqlite(transaction) => {
                for (text, piece) in batch.pieces(rows) {
                    let values = places(piece, &values).map_err(failed)?;
                    sqlx::query_with(text, values).execute(&mut **transaction).await.map_err(failed)?;
                }
            }
            TxInner::Postgres(transaction) => {
                let values = arrays(rows, values).map_err(failed)?;
                in_time(sqlx::query_with(batch.arrays(), values).execute(&mut **transaction))
                    .await
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Runs a statement for many rows and reads what it returns, in any order.
    pub(super) async fn of_all<'a, T, Found, const N: usize>(
        &mut self,
        action: &'static str,
        batch: &'static Batch<N>,
        rows: &'a [T],
        values: impl Fn(&'a T) -> [Value<'a>; N],
    ) -> Result<Vec<Found>, StoreError>
    where
        Found: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let failed = |source| StoreError::Database { action, source };
        let mut found = Vec::new();
        if rows.is_empty() {
            return Ok(found);
        }
        match &mut self.inner {
            TxInner::Sqlite(transaction) => {
                for (text, piece) in batch.pieces(rows) {
                    let values = places(piece, &values).map_err(failed)?;
                    let asked = sqlx::query_as_with(text, values).fetch_all(&mut **transaction);
                    found.extend(asked.await.map_err(failed)?);
                }
            }
            TxInner::Postgres(transaction) => {
                let values = arrays(rows, values).map_err(failed)?;
                let asked = sqlx::query_as_with(batch.arrays(), values).fetch_all(&mut **transaction);
                found = in_time(asked).await.map_err(failed)?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static INSERT: Batch<2> = Batch::of(["a", "b"], "INSERT INTO t SELECT * FROM v", "SELECT a FROM v");

    #[test]
    fn rows_are_cut_into_prepared_sizes() {
        let rows: Vec<usize> = (0..130).collect();
        let pieces: Vec<_> = INSERT.pieces(&rows).collect();
        let sizes: Vec<usize> = pieces.iter().map(|(_, piece)| piece.len()).collect();
        assert_eq!(sizes, [64, 64, 2]);
        assert_eq!(pieces.iter().flat_map(|(_, piece)| *piece).copied().collect::<Vec<_>>(), rows);
        assert_eq!(
            pieces[2].0,
            "WITH v (a, b) AS (SELECT * FROM (VALUES (?, ?), (?, ?), (?, ?), (?, ?)) WHERE column1 IS NOT NULL) \
             INSERT INTO t SELECT * FROM v"
        );
        assert_eq!(INSERT.pieces::<usize>(&[]).count(), 0);
    }

    /// An empty place and a row whose first column is NULL look the same.
    #[test]
    #[should_panic(expected = "a row without its first column")]
    #[cfg(debug_assertions)]
    fn a_rows_first_column_is_there() {
        places(&[None::<i64>], |id| [(*id).into(), 1.into()]).expect("it is encoded");
    }

    #[test]
    fn arrays_have_one_text() {
        assert_eq!(INSERT.arrays(), "WITH v (a, b) AS (SELECT * FROM UNNEST($1, $2)) SELECT a FROM v");
    }
}
