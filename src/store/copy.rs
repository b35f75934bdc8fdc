//! Copies a whole outbox into an empty database, of the same kind or the other, in one transaction: all or nothing.
//!
//! Which tables and columns there are, the database's own catalog says, so that what a later migration adds is copied
//! without a line here. Keys and cursors stay as they are, and none that was ever given out is given out again.

use super::dialect::{
    CATALOG, FORGET_COUNT_SQLITE, LAST_COUNT, RUNNING_DAEMONS, SET_COUNT, WAIT_IN_TRANSACTION_POSTGRES,
};
use super::session::TxInner;
use super::tx::{Tx, execute, on};
use super::{Store, StoreError};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ColumnIndex, Database, Decode, Encode, Row, Type};

/// So many rows are in memory at a time.
const ROWS: usize = 200;

/// One table that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopiedTable {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
}

/// A column as the catalog tells it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct Column {
    table_name: String,
    column_name: String,
    kind: String,
    /// Its place in the primary key, from 1 on; else 0.
    key_place: i64,
    /// 1 where the database gives out the numbers.
    counted: i64,
}

struct Table {
    name: String,
    columns: Vec<Column>,
    /// The places of the primary key's columns.
    key: Vec<usize>,
}

enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// What all rows of a table come to, in whatever order they are read: a sum over their digests. No two rows are alike,
/// for each has its key in it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    digest: [u8; 32],
}

impl Sum {
    fn add(&mut self, row: &[Value]) {
        let mut hash = Sha256::new();
        for value in row {
            let (kind, bytes) = match value {
                Value::Number(number) => (0_u8, number.map(|number| number.to_be_bytes().to_vec())),
                Value::Text(text) => (1, text.as_ref().map(|text| text.as_bytes().to_vec())),
                Value::Bytes(bytes) => (2, bytes.clone()),
            };
            hash.update([kind, u8::from(bytes.is_some())]);
            let bytes = bytes.unwrap_or_default();
            hash.update(bytes.len().to_be_bytes());
            hash.update(bytes);
        }
        for (sum, byte) in self.digest.iter_mut().zip(hash.finalize()) {
            *sum ^= byte;
        }
        self.rows += 1;
    }
}

impl Store {
    /// Copies everything into `target`. With `verify`, the copy is read back and compared before it becomes visible.
    ///
    /// # Errors
    /// [`StoreError::Copy`] where the two don't fit: a daemon at work, a target that is not empty, a value that the target
    /// can't hold, a copy that is not like the original. [`StoreError::Schema`], [`StoreError::Owned`],
    /// [`StoreError::Database`]. Nothing was copied then.
    pub async fn copy_to(&self, target: &Self, verify: bool) -> Result<Vec<CopiedTable>, StoreError> {
        let _owners = (self.own()?, target.own()?);
        for (name, store) in [("source", self), ("target", target)] {
            store.require_current().await.map_err(|error| {
                if matches!(error, StoreError::Schema(_)) {
                    StoreError::Schema(format!("the {name}: {error}"))
                } else {
                    error
                }
            })?;
        }
        // Before the copy's own look begins: what a daemon did until it stopped must be in it.
        self.read("look for daemons").await?.require_no_daemon().await?;
        let mut from = self.read("copy").await?;
        let mut to = target.write("copy").await?;
        let copied = copy_all(&mut from, &mut to, verify).await?;
        to.commit().await?;
        Ok(copied)
    }
}

/// Copies everything that one transaction sees into the empty database of another, which is the caller's to commit.
pub(super) async fn copy_all(
    from: &mut Tx,
    to: &mut Tx,
    verify: bool,
) -> Result<Vec<CopiedTable>, StoreError> {
    from.wait_for_the_other().await?;
    to.wait_for_the_other().await?;
    let tables = tables(from.catalog().await?);
    to.unbegin_audit().await?;
    to.require_empty(&tables).await?;
    let mut copied = Vec::with_capacity(tables.len());
    for table in &tables {
        let sum = copy_table(from, to, table).await?;
        if verify && to.sum(table).await? != sum {
            return Err(StoreError::Copy(format!(
                "table {} did not arrive as it was sent: nothing was copied",
                table.name
            )));
        }
        copied.push(CopiedTable { table: table.name.clone(), rows: sum.rows });
    }
    Ok(copied)
}

fn tables(columns: Vec<Column>) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for column in columns {
        match tables.last_mut().filter(|table| table.name == column.table_name) {
            Some(table) => table.columns.push(column),
            None => {
                let (name, key) = (column.table_name.clone(), Vec::new());
                tables.push(Table { name, columns: vec![column], key });
            }
        }
    }
    for table in &mut tables {
        let mut key: Vec<usize> =
            (0..table.columns.len()).filter(|place| table.columns[*place].key_place > 0).collect();
        key.sort_by_key(|place| table.columns[*place].key_place);
        table.key = key;
    }
    tables
}

async fn copy_table(from: &mut Tx, to: &mut Tx, table: &Table) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    let mut page = from.page(table, None).await?;
    while !page.is_empty() {
        page.iter().for_each(|row| sum.add(row));
        to.insert(table, &page).await?;
        page = from.page(table, page.last()).await?;
    }
    for column in table.columns.iter().filter(|column| column.counted == 1) {
        let last = from.last_count(column).await?;
        to.set_count(column, last).await?;
    }
    Ok(sum)
}

impl Table {
    fn names(&self, places: impl IntoIterator<Item = usize>) -> String {
        let names = places.into_iter().map(|place| format!("\"{}\"", self.columns[place].column_name));
        names.collect::<Vec<_>>().join(", ")
    }

    fn page_text(&self, begins: bool) -> String {
        let (columns, key) = (self.names(0..self.columns.len()), self.names(self.key.iter().copied()));
        let places = places(0, self.key.len());
        let after = if begins { String::new() } else { format!("WHERE ({key}) > {places} ") };
        format!("SELECT {columns} FROM \"{}\" {after}ORDER BY {key} LIMIT {ROWS}", self.name)
    }

    fn insert_text(&self, rows: usize) -> String {
        let width = self.columns.len();
        let rows: Vec<String> = (0..rows).map(|row| places(row * width, width)).collect();
        format!("INSERT INTO \"{}\" ({}) VALUES {}", self.name, self.names(0..width), rows.join(", "))
    }

    /// PostgreSQL's texts have no character 0.
    fn require_storable(&self, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        let zero = |value: &Value| matches!(value, Value::Text(Some(text)) if text.contains('\0'));
        for row in rows {
            if let Some(at) = row.iter().position(zero) {
                let key: Vec<String> = self.key.iter().map(|place| row[*place].shown()).collect();
                return Err(StoreError::Copy(format!(
                    "table {}, column {}, row {}: a text with the character 0 in it, which PostgreSQL can't hold",
                    self.name,
                    self.columns[at].column_name,
                    key.join(", ")
                )));
            }
        }
        Ok(())
    }
}

impl Value {
    fn shown(&self) -> String {
        match self {
            Self::Number(Some(number)) => number.to_string(),
            Self::Text(Some(text)) => text.clone(),
            Self::Number(None) | Self::Text(None) | Self::Bytes(_) => "?".to_owned(),
        }
    }
}

/// `($4, $5, $6)`
fn places(after: usize, count: usize) -> String {
    let places: Vec<String> = (after + 1..=after + count).map(|place| format!("${place}")).collect();
    format!("({})", places.join(", "))
}

fn values<'r, R: Row>(row: &'r R, columns: &[Column]) -> Result<Vec<Value>, sqlx::Error>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    let value = |(place, column): (usize, &Column)| {
        Ok(match column.kind.as_str() {
            "INTEGER" => Value::Number(row.try_get(place)?),
            "BLOB" => Value::Bytes(row.try_get(place)?),
            _ => Value::Text(row.try_get(place)?),
        })
    };
    columns.iter().enumerate().map(value).collect()
}

fn bound<'q, 'v, DB: Database>(
    query: Query<'q, DB, DB::Arguments>,
    values: impl Iterator<Item = &'v Value>,
) -> Query<'q, DB, DB::Arguments>
where
    Option<i64>: Encode<'v, DB> + Type<DB>,
    Option<&'v str>: Encode<'v, DB> + Type<DB>,
    Option<&'v [u8]>: Encode<'v, DB> + Type<DB>,
{
    values.fold(query, |query, value| match value {
        Value::Number(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.as_deref()),
        Value::Bytes(bytes) => query.bind(bytes.as_deref()),
    })
}

impl Tx {
    /// All columns, table by table. No table refers to another.
    async fn catalog(&mut self) -> Result<Vec<Column>, StoreError> {
        let sql = self.look(CATALOG);
        on!(self, "reading its catalog", db => sqlx::query_as(sql).fetch_all(db))
    }

    /// One of the two stands still while the other works: that is no reason to end it.
    async fn wait_for_the_other(&mut self) -> Result<(), StoreError> {
        if matches!(self.inner, TxInner::Postgres(_)) {
            execute!(self, "beginning to copy", sqlx::query(WAIT_IN_TRANSACTION_POSTGRES))?;
        }
        Ok(())
    }

    pub(super) async fn require_no_daemon(&mut self) -> Result<(), StoreError> {
        let sql = self.look(RUNNING_DAEMONS);
        let running: i64 = on!(self, "looking for daemons", db => sqlx::query_scalar(sql).fetch_one(db))?;
        if running == 0 {
            return Ok(());
        }
        Err(StoreError::Copy(format!(
            "daemons at work on it: {running}. Stop them first: what they do meanwhile would be lost"
        )))
    }

    /// How many rows each table has.
    pub(super) async fn count_rows(&mut self) -> Result<Vec<CopiedTable>, StoreError> {
        let mut counted = Vec::new();
        for Table { name, .. } in tables(self.catalog().await?) {
            let count = AssertSqlSafe(format!("SELECT COUNT(*) FROM \"{name}\""));
            let rows: i64 = on!(self, "counting rows", db => sqlx::query_scalar(count).fetch_one(db))?;
            counted.push(CopiedTable { table: name, rows: rows.unsigned_abs() });
        }
        Ok(counted)
    }

    /// Lets numbers of a column begin so much later that none comes which was given out after this database was copied.
    pub(super) async fn skip_numbers(
        &mut self,
        table: &str,
        column: &str,
        gap: i64,
    ) -> Result<(), StoreError> {
        let columns = self.catalog().await?.into_iter();
        for column in columns.filter(|one| one.table_name == table && one.column_name == column) {
            let last = self.last_count(&column).await?;
            self.set_count(&column, last.saturating_add(gap)).await?;
        }
        Ok(())
    }

    async fn require_empty(&mut self, tables: &[Table]) -> Result<(), StoreError> {
        for table in tables {
            let any = AssertSqlSafe(format!(
                "SELECT COUNT(*) FROM (SELECT 1 FROM \"{}\" LIMIT 1) AS one",
                table.name
            ));
            let rows: i64 = on!(self, "looking for rows", db => sqlx::query_scalar(any).fetch_one(db))?;
            if rows > 0 {
                return Err(StoreError::Copy(format!(
                    "the target is not empty, there are rows in {}: a copy needs a database fresh from `db migrate`",
                    table.name
                )));
            }
        }
        Ok(())
    }

    /// The next rows after one, by key.
    async fn page(
        &mut self,
        table: &Table,
        after: Option<&Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let sql = AssertSqlSafe(table.page_text(after.is_none()));
        let key = after.into_iter().flat_map(|row| table.key.iter().map(|place| &row[*place]));
        on!(self, "reading a table", db => async {
            let rows = bound(sqlx::query(sql), key).fetch_all(db).await?;
            rows.iter().map(|row| values(row, &table.columns)).collect::<Result<Vec<_>, _>>()
        })
    }

    async fn insert(&mut self, table: &Table, rows: &[Vec<Value>]) -> Result<(), StoreError> {
        if matches!(self.inner, TxInner::Postgres(_)) {
            table.require_storable(rows)?;
        }
        let sql = AssertSqlSafe(table.insert_text(rows.len()));
        execute!(self, "writing a table", bound(sqlx::query(sql), rows.iter().flatten()))?;
        Ok(())
    }

    async fn sum(&mut self, table: &Table) -> Result<Sum, StoreError> {
        let mut sum = Sum::default();
        let mut page = self.page(table, None).await?;
        while !page.is_empty() {
            page.iter().for_each(|row| sum.add(row));
            page = self.page(table, page.last()).await?;
        }
        Ok(sum)
    }

    /// The highest number that was ever given out.
    async fn last_count(&mut self, column: &Column) -> Result<i64, StoreError> {
        let sql = self.look(LAST_COUNT);
        on!(self, "looking up the highest number", db => sqlx::query_scalar(sql)
            .bind(&column.table_name)
            .bind(&column.column_name)
            .fetch_one(db))
    }

    /// Lets the next number be the one after `last`.
    async fn set_count(&mut self, column: &Column, last: i64) -> Result<(), StoreError> {
        if last == 0 {
            return Ok(());
        }
        if matches!(self.inner, TxInner::Sqlite(_)) {
            execute!(
                self,
                "setting the next number",
                sqlx::query(FORGET_COUNT_SQLITE).bind(&column.table_name)
            )?;
        }
        let sql = self.look(SET_COUNT);
        execute!(
            self,
            "setting the next number",
            sqlx::query(sql).bind(&column.table_name).bind(&column.column_name).bind(last)
        )?;
        Ok(())
    }
}
