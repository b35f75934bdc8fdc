//! What failed or was returned, by system and cause.

use super::SCATTERED;
use crate::store::StoreError;
use crate::store::dialect::text;
use crate::store::row::Cell;
use crate::store::tx::{Tx, on};
use crate::transfer::{LastError, State};
use jiff::Timestamp;
use league_contract::RequestId;
use std::cmp::Reverse;

/// The states that wait for somebody's decision.
const STATES: [State; 2] = [State::Failed, State::Returned];

/// Transfers of a system that failed, or were returned, for one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which system.
    pub system: String,
    /// `failed` or `returned`.
    pub state: State,
    /// The code of their last problem; empty where none stands there.
    pub code: String,
    /// How many, of those that were looked at.
    pub number: i64,
    /// When the first of them came to this.
    pub oldest: Timestamp,
    /// When the last of them did.
    pub newest: Timestamp,
    /// One of them, the last to come in.
    pub sample: RequestId,
    /// What its problem was.
    pub problem: Option<LastError>,
}

/// All such groups, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// The groups.
    pub groups: Vec<Group>,
    /// Of some system there are more than were looked at, the newest: the numbers are "at least".
    pub at_least: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    code: String,
    number: i64,
    oldest: i64,
    newest: i64,
    sample: i64,
}

/// The code stands first in what is written of a problem. A function for JSON would fail at a damaged row.
macro_rules! grouped {
    ($code:literal) => {
        concat!(
            "SELECT code, COUNT(*) AS number, MIN(updated_at) AS oldest, MAX(updated_at) AS newest, MAX(id) AS sample FROM \
             (SELECT id, updated_at, COALESCE(",
            $code,
            ", '') AS code FROM transfers WHERE system = $1 AND state = $2 ORDER BY id DESC LIMIT $3) AS newest_ones GROUP BY code"
        )
    };
}

impl Tx {
    /// What failed or was returned, of each system the newest so many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn failures(&mut self) -> Result<Failures, StoreError> {
        let mut found = Failures::default();
        for standing in self.standing().await? {
            let Some(state) = STATES.into_iter().find(|state| state.as_str() == standing.state) else {
                continue;
            };
            found.at_least |= standing.number > SCATTERED;
            let sql = self.look(text!(
                sqlite: grouped!("substr(last_error, 10, instr(substr(last_error, 10), '\"') - 1)"),
                postgres: grouped!("split_part(last_error, '\"', 4)")
            ));
            let rows: Vec<Row> = on!(self, "grouping what failed", db => sqlx::query_as(sql)
                .bind(&standing.system)
                .bind(state.as_str())
                .bind(SCATTERED)
                .fetch_all(db))?;
            let samples: Vec<i64> = rows.iter().map(|row| row.sample).collect();
            let (samples, _) = self.shown(&samples).await?;
            for row in rows {
                let cell = |column| Cell { table: "transfers", column, id: row.sample };
                // A sample that is damaged shows by itself elsewhere; its group has no name to go by.
                let Some(sample) = samples.iter().find(|sample| sample.entry.id == row.sample) else {
                    continue;
                };
                found.groups.push(Group {
                    system: standing.system.clone(),
                    state,
                    code: row.code,
                    number: row.number,
                    oldest: cell("updated_at").time(row.oldest)?,
                    newest: cell("updated_at").time(row.newest)?,
                    sample: sample.entry.request_id.clone(),
                    problem: sample.entry.last_error.clone(),
                });
            }
        }
        found.groups.sort_by_key(|group| Reverse(group.number));
        Ok(found)
    }
}
