//! The audit log: what people did, in a chain of keyed hashes. Rows are only added; [`Store::verify_audit`] finds one that was
//! changed, taken out, put in or put elsewhere, and an end that is missing.

use super::StoreError;
use super::tx::{Store, Tx, execute, on};
use crate::alarm::AlarmKind;
use crate::seal::Sealer;
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Ordering;

/// So many rows are in memory at a time while the chain is verified.
const ROWS: i64 = 1_000;

/// Who acts, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// `token:NAME`, or `user:NAME` on the command line.
    pub name: String,
    /// The caller's address, or the machine's name.
    pub origin: String,
}

/// What somebody did. Names no person: subjects are keys, reasons are redacted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed<'a> {
    /// Who.
    pub author: &'a Author,
    /// A word: `retry`, `pause`, …
    pub act: &'static str,
    /// On what: `transfer:ID`, `system:NAME`, `token:NAME`, …
    pub subject: String,
    /// Why; empty where the act needs no reason.
    pub reason: &'a str,
    /// What came of it, in English.
    pub outcome: &'a str,
    /// When.
    pub at: Timestamp,
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AuditRow {
    /// From 1, without gaps.
    pub id: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub author: String,
    /// From where.
    pub origin: String,
    /// What was done.
    pub act: String,
    /// On what.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// What came of it.
    pub outcome: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Verified {
    /// How many rows are sound, from the first on.
    pub rows: i64,
    /// The last sound row's hash in hexadecimal: written down elsewhere, it proves later that nothing before it changed.
    pub hash: String,
    /// What is wrong with what comes after, if anything.
    pub broken: Option<Broken>,
}

/// How the chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Broken {
    /// At which row.
    pub row: i64,
    /// `changed`, `missing`, `inserted`, `end_missing`, `end_changed`.
    pub how: &'static str,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    at: i64,
    author: String,
    origin: String,
    act: String,
    subject: String,
    reason: String,
    outcome: String,
    hash: Vec<u8>,
}

impl Row {
    /// The hash that follows another. Every part has its length before it, so that none runs into the next.
    fn hash(&self, sealer: &Sealer, before: &[u8]) -> Vec<u8> {
        let (id, at) = (self.id.to_be_bytes(), self.at.to_be_bytes());
        let texts = [&self.author, &self.origin, &self.act, &self.subject, &self.reason, &self.outcome];
        let parts = [before, &id, &at].into_iter().chain(texts.into_iter().map(|text| text.as_bytes()));
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        sealer.digest("audit", &bytes)
    }
}

impl From<Row> for AuditRow {
    fn from(row: Row) -> Self {
        let Row { id, at, author, origin, act, subject, reason, outcome, hash: _ } = row;
        // One that no clock can show is the chain's to find.
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        Self { id, at, author, origin, act, subject, reason, outcome }
    }
}

/// The mark of a chain that ends with so many rows and this hash.
fn mark(sealer: &Sealer, rows: i64, hash: &[u8]) -> Vec<u8> {
    sealer.digest("audit end", &[&rows.to_be_bytes(), hash].concat())
}

impl Tx {
    /// Marks the end of a log that has not begun: from then on one that is emptied shows. Where there may have been a log `before`, none can
    /// have begun as long as there is no token and no act on many: each of these leaves a row in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_audit(&mut self, sealer: &Sealer, before: bool) -> Result<(), StoreError> {
        execute!(self, "beginning the audit log", sqlx::query(
            "INSERT INTO audit_end (id, rows, mark) SELECT 1, 0, $1 WHERE NOT EXISTS (SELECT 1 FROM audit) \
             AND NOT ($2 AND (EXISTS (SELECT 1 FROM tokens) OR EXISTS (SELECT 1 FROM bulk_acts))) ON CONFLICT (id) DO NOTHING")
            .bind(mark(sealer, 0, &[]))
            .bind(before))?;
        Ok(())
    }

    /// Takes the end's mark away where nothing follows it: a copy brings its own.
    pub(super) async fn unbegin_audit(&mut self) -> Result<(), StoreError> {
        execute!(self, "making room for an audit log", sqlx::query("DELETE FROM audit_end WHERE rows = 0"))?;
        Ok(())
    }

    /// The number of the next row and the hash that it follows, under the lock of the end's row. Where the end is not as its mark says, a
    /// number is left out: what comes after must not make the log look whole.
    async fn audit_end(&mut self, sealer: &Sealer, at: Timestamp) -> Result<(i64, Vec<u8>), StoreError> {
        // That row is everybody's who adds: they wait for each other. A mark that is missing fits nothing.
        let (rows, marked): (i64, Vec<u8>) = on!(self, "adding to the audit log", db => sqlx::query_as(
            "INSERT INTO audit_end (id, rows, mark) VALUES (1, 0, $1) \
             ON CONFLICT (id) DO UPDATE SET rows = audit_end.rows RETURNING rows, mark")
            .bind(Vec::<u8>::new())
            .fetch_one(db))?;
        let last: Option<(i64, Vec<u8>)> = on!(self, "adding to the audit log", db =>
            sqlx::query_as("SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1").fetch_optional(db))?;
        let (last, hash) = last.unwrap_or_default();
        if rows == last && marked == mark(sealer, last, &hash) {
            return Ok((last.saturating_add(1), hash));
        }
        let detail = [
            format!("应有 {rows} 条，实为第 {last} 条；请执行 audit verify，有人动过数据库"),
            format!(
                "marked at row {rows}, ends at row {last}: see `audit verify`; somebody was in the database"
            ),
        ];
        self.raise_alarm(None, AlarmKind::Audit, detail, at).await?;
        Ok((rows.max(last).saturating_add(2), hash))
    }

    /// Writes down what somebody did, in the transaction that does it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(&mut self, sealer: &Sealer, deed: Deed<'_>) -> Result<(), StoreError> {
        let (id, hash) = self.audit_end(sealer, deed.at).await?;
        let mut row = Row {
            id,
            at: deed.at.as_millisecond(),
            author: deed.author.name.clone(),
            origin: deed.author.origin.clone(),
            act: deed.act.to_owned(),
            subject: deed.subject,
            reason: deed.reason.to_owned(),
            outcome: deed.outcome.to_owned(),
            hash: Vec::new(),
        };
        row.hash = row.hash(sealer, &hash);
        execute!(
            self,
            "adding to the audit log",
            sqlx::query(
                "INSERT INTO audit (id, at, author, origin, act, subject, reason, outcome, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
            )
            .bind(row.id)
            .bind(row.at)
            .bind(&row.author)
            .bind(&row.origin)
            .bind(&row.act)
            .bind(&row.subject)
            .bind(&row.reason)
            .bind(&row.outcome)
            .bind(&row.hash)
        )?;
        execute!(
            self,
            "adding to the audit log",
            sqlx::query("UPDATE audit_end SET rows = $1, mark = $2 WHERE id = 1")
                .bind(row.id)
                .bind(mark(sealer, row.id, &row.hash))
        )?;
        Ok(())
    }

    /// Rows of the audit log, newest first, below `before`; of one subject where it is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_rows(
        &mut self,
        subject: Option<&str>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        let rows: Vec<Row> = match subject {
            Some(subject) => on!(self, "reading the audit log", db => sqlx::query_as(
                "SELECT id, at, author, origin, act, subject, reason, outcome, hash FROM audit \
                 WHERE subject = $1 AND id < $2 ORDER BY id DESC LIMIT $3")
                .bind(subject)
                .bind(before)
                .bind(i64::from(limit))
                .fetch_all(db)),
            None => on!(self, "reading the audit log", db => sqlx::query_as(
                "SELECT id, at, author, origin, act, subject, reason, outcome, hash FROM audit \
                 WHERE id < $1 ORDER BY id DESC LIMIT $2")
                .bind(before)
                .bind(i64::from(limit))
                .fetch_all(db)),
        }?;
        Ok(rows.into_iter().map(AuditRow::from).collect())
    }

    /// Follows a stretch of the chain from where it was left; what was found, at its end or where it breaks.
    async fn follow_audit(
        &mut self,
        sealer: &Sealer,
        chain: &mut Chain,
    ) -> Result<Option<Verified>, StoreError> {
        let Chain { sound, hash, from } = chain;
        let end = |rows, hash: &[u8], broken| Some(Verified { rows, hash: hex::encode(hash), broken });
        let rows: Vec<Row> = on!(self, "verifying the audit log", db => sqlx::query_as(
            "SELECT id, at, author, origin, act, subject, reason, outcome, hash FROM audit \
             WHERE id >= $1 ORDER BY id LIMIT $2")
            .bind(*from)
            .bind(ROWS)
            .fetch_all(db))?;
        let is_end = rows.is_empty();
        for row in rows {
            let broken = match row.id.cmp(&(*sound + 1)) {
                Ordering::Less => Some(Broken { row: row.id, how: "inserted" }),
                Ordering::Greater => Some(Broken { row: *sound + 1, how: "missing" }),
                Ordering::Equal if row.hash != row.hash(sealer, hash) => {
                    Some(Broken { row: row.id, how: "changed" })
                }
                Ordering::Equal => None,
            };
            if broken.is_some() {
                return Ok(end(*sound, hash, broken));
            }
            (*sound, *hash, *from) = (row.id, row.hash, row.id.saturating_add(1));
        }
        if !is_end {
            return Ok(None);
        }
        // A database whose key was dropped may have two of a number.
        let all: i64 = on!(self, "verifying the audit log", db =>
            sqlx::query_scalar("SELECT COUNT(*) FROM audit").fetch_one(db))?;
        let marked: Option<(i64, Vec<u8>)> = on!(self, "verifying the audit log", db =>
            sqlx::query_as("SELECT rows, mark FROM audit_end WHERE id = 1").fetch_optional(db))?;
        let how = match marked {
            Some(_) if all > *sound => Some("inserted"),
            Some((rows, found)) if rows == *sound && found == mark(sealer, *sound, hash) => None,
            Some((rows, _)) if rows > *sound => Some("end_missing"),
            Some(_) | None => Some("end_changed"),
        };
        Ok(end(*sound, hash, how.map(|how| Broken { row: *sound + 1, how })))
    }
}

/// How far a chain was followed.
struct Chain {
    sound: i64,
    hash: Vec<u8>,
    from: i64,
}

impl Store {
    /// Follows the whole chain from its beginning, a look for each stretch: a long log must not keep a connection from everybody else.
    ///
    /// # Errors
    /// [`StoreError`]; a chain that breaks is no error, but what was found.
    pub async fn verify_audit(&self, sealer: &Sealer) -> Result<Verified, StoreError> {
        let mut chain = Chain { sound: 0, hash: Vec::new(), from: i64::MIN };
        loop {
            // Rows are only added: what was followed stays, and the end is looked at in one look with its mark.
            let mut look = self.read("verify audit").await?;
            if let Some(found) = look.follow_audit(sealer, &mut chain).await? {
                return Ok(found);
            }
        }
    }
}
