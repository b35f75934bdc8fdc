//! Everything that is sealed, wherever it stands: walked in bounded pieces, to see under which key it is and to seal it anew.

use super::StoreError;
use super::batch::Batch;
use super::tx::{Tx, on};

/// A column of sealed values.
struct Column {
    /// Its table and name, for people and for the test that none is missing.
    name: &'static str,
    /// What its values are sealed as.
    context: &'static str,
    last: &'static str,
    heads: &'static str,
    values: Batch<1>,
    reseal: Batch<3>,
}

/// The longest that a value says of its key: a length and an id.
macro_rules! head {
    () => {
        "33"
    };
}

/// `owner` is what a value is bound to, beside its context.
macro_rules! column {
    ($table:literal, $column:literal, $key:literal, $context:literal, $owner:literal) => {
        Column {
            name: concat!($table, ".", $column),
            context: $context,
            last: concat!("SELECT COALESCE(MAX(", $key, "), 0) FROM ", $table),
            heads: concat!(
                "SELECT ",
                $key,
                ", substr(",
                $column,
                ", 1, ",
                head!(),
                ") FROM ",
                $table,
                " WHERE ",
                $key,
                " > $1 AND ",
                $key,
                " <= $2 AND length(",
                $column,
                ") > 0 ORDER BY ",
                $key
            ),
            values: Batch::new(
                ["wanted"],
                concat!(
                    "SELECT ",
                    $table,
                    ".",
                    $key,
                    ", ",
                    $owner,
                    ", ",
                    $table,
                    ".",
                    $column,
                    " FROM ",
                    $table,
                    " JOIN v ON ",
                    $table,
                    ".",
                    $key,
                    " = v.wanted WHERE length(",
                    $table,
                    ".",
                    $column,
                    ") > 0"
                ),
            ),
            reseal: Batch::new(
                ["wanted", "stale", "fresh"],
                concat!(
                    "UPDATE ",
                    $table,
                    " SET ",
                    $column,
                    " = v.fresh FROM v WHERE ",
                    $table,
                    ".",
                    $key,
                    " = v.wanted AND ",
                    $table,
                    ".",
                    $column,
                    " = v.stale RETURNING ",
                    $table,
                    ".",
                    $key
                ),
            ),
        }
    };
}

static COLUMNS: [Column; 6] = [
    column!(
        "documents",
        "document_sealed",
        "transfer_id",
        "document",
        "(SELECT request_id FROM transfers WHERE transfers.id = documents.transfer_id)"
    ),
    column!(
        "attempts",
        "request_sealed",
        "id",
        "request",
        "(SELECT request_id FROM transfers WHERE transfers.id = attempts.transfer_id)"
    ),
    column!(
        "attempts",
        "response_sealed",
        "id",
        "response",
        "(SELECT request_id FROM transfers WHERE transfers.id = attempts.transfer_id)"
    ),
    column!("callbacks", "event_sealed", "id", "event", "callbacks.event_id"),
    column!("callbacks", "raw_sealed", "id", "raw_event", "callbacks.event_id"),
    column!("intake_refused", "payload_sealed", "id", "intake_refused", "intake_refused.request_id"),
];

/// How far a walk over everything sealed has come. Begins at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Walk {
    column: usize,
    after: i64,
}

/// The beginnings of some sealed values, which say under which key each is.
#[derive(Debug)]
pub struct Heads {
    /// Their keys in the table, with as many bytes as tell.
    pub heads: Vec<(i64, Vec<u8>)>,
    /// Where to go on.
    pub next: Option<Walk>,
    /// How many keys of tables were passed over.
    pub passed: u64,
}

/// A sealed value, where it stands.
#[derive(Debug)]
pub struct SealedValue {
    /// Its key in the table.
    pub key: i64,
    /// What it is sealed as.
    pub context: &'static str,
    /// What it is bound to.
    pub owner: String,
    /// The value.
    pub sealed: Vec<u8>,
}

impl Walk {
    fn column(self) -> Option<&'static Column> {
        COLUMNS.get(self.column)
    }

    /// The column that it is in.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.column().map_or("", |column| column.name)
    }
}

impl Tx {
    /// How many keys of tables a whole walk passes over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sealed_extent(&mut self) -> Result<u64, StoreError> {
        let mut extent = 0;
        for column in &COLUMNS {
            extent += self.last_sealed(column).await?.unsigned_abs();
        }
        Ok(extent)
    }

    async fn last_sealed(&mut self, column: &Column) -> Result<i64, StoreError> {
        on!(self, "looking for the last sealed value", db => sqlx::query_scalar(column.last).fetch_one(db))
    }

    /// Looks at the next sealed values: all whose keys are among the next `span`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sealed_heads(&mut self, walk: Walk, span: i64) -> Result<Heads, StoreError> {
        let Some(column) = walk.column() else { return Ok(Heads { heads: vec![], next: None, passed: 0 }) };
        let last = self.last_sealed(column).await?;
        let until = walk.after.saturating_add(span);
        let heads = on!(self, "looking at sealed values", db => sqlx::query_as(column.heads)
            .bind(walk.after)
            .bind(until)
            .fetch_all(db))?;
        let next = if until < last {
            Some(Walk { after: until, ..walk })
        } else {
            Some(Walk { column: walk.column + 1, after: 0 }).filter(|next| next.column().is_some())
        };
        let passed = until.min(last).saturating_sub(walk.after).max(0).unsigned_abs();
        Ok(Heads { heads, next, passed })
    }

    /// Sealed values of the column that a walk is in, of those that are still there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sealed_values(&mut self, walk: Walk, keys: &[i64]) -> Result<Vec<SealedValue>, StoreError> {
        let Some(column) = walk.column() else { return Ok(Vec::new()) };
        let found: Vec<(i64, Option<String>, Vec<u8>)> =
            self.of_all("reading sealed values", &column.values, keys, |key| [(*key).into()]).await?;
        let value = |(key, owner, sealed): (i64, Option<String>, Vec<u8>)| SealedValue {
            key,
            context: column.context,
            owner: owner.unwrap_or_default(),
            sealed,
        };
        Ok(found.into_iter().map(value).collect())
    }

    /// Puts values that were sealed anew into the place of those that they were made from; one that somebody else wrote
    /// meanwhile stays. Returns how many were put.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reseal(&mut self, walk: Walk, values: &[(SealedValue, Vec<u8>)]) -> Result<u64, StoreError> {
        let Some(column) = walk.column() else { return Ok(0) };
        let put: Vec<(i64,)> = self
            .of_all("sealing values anew", &column.reseal, values, |(old, fresh)| {
                [old.key.into(), old.sealed.as_slice().into(), fresh.as_slice().into()]
            })
            .await?;
        Ok(put.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    /// A migration that adds another one is caught here.
    #[tokio::test]
    async fn no_sealed_column_is_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("outbox.db").display());
        let store = Store::connect(&url).await.expect("the file is made");
        store.migrate().await.expect("the schema is made");
        let mut look = store.read("catalog").await.expect("it begins");
        let super::super::session::TxInner::Sqlite(db) = &mut look.inner else { panic!("it is SQLite") };
        let found: Vec<String> = sqlx::query_scalar(
            "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
             WHERE t.type = 'table' AND c.name LIKE '%\\_sealed' ESCAPE '\\' ORDER BY 1",
        )
        .fetch_all(&mut **db)
        .await
        .expect("the catalog can be read");
        let mut walked: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        walked.sort_unstable();
        assert_eq!(found, walked);
    }
}
