//! Alarms: one open of a kind per system, raised and cleared with their cause, told once.

use super::StoreError;
use super::row::Cell;
use super::tx::{Tx, execute, on};
use crate::alarm::AlarmKind;
use crate::transfer::Cause;
use jiff::Timestamp;
use league_contract::System;
use serde::Serialize;

/// An alarm, open or cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Alarm {
    /// The store's key.
    pub id: i64,
    /// Which system; nothing where it is the gateway itself.
    pub system: Option<String>,
    /// The word of an [`AlarmKind`].
    pub kind: String,
    /// What was found, in Chinese.
    pub detail: String,
    /// What was found.
    pub detail_en: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub raised_at: Timestamp,
    /// Until when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub cleared_at: Option<Timestamp>,
    /// Who cleared it.
    pub cleared_by: Option<String>,
}

#[derive(sqlx::FromRow)]
struct AlarmRow {
    id: i64,
    system: String,
    kind: String,
    detail_zh: String,
    detail_en: String,
    raised_at: i64,
    cleared_at: Option<i64>,
    cleared_by: Option<String>,
}

impl TryFrom<AlarmRow> for Alarm {
    type Error = StoreError;

    fn try_from(row: AlarmRow) -> Result<Self, StoreError> {
        let cell = |column| Cell { table: "alarms", column, id: row.id };
        Ok(Self {
            id: row.id,
            raised_at: cell("raised_at").time(row.raised_at)?,
            cleared_at: row.cleared_at.map(|at| cell("cleared_at").time(at)).transpose()?,
            system: Some(row.system).filter(|system| !system.is_empty()),
            kind: row.kind,
            detail: row.detail_zh,
            detail_en: row.detail_en,
            cleared_by: row.cleared_by,
        })
    }
}

/// An alarm that was raised or cleared, to be told once its transaction is durable.
pub(super) struct Turned {
    pub(super) system: String,
    pub(super) kind: AlarmKind,
    pub(super) raised: bool,
    pub(super) detail: [String; 2],
    pub(super) cause: Cause,
    pub(super) at: Timestamp,
}

impl Turned {
    /// Tells the log and the metrics.
    pub(super) fn tell(&self) {
        let Self { system, kind, raised, detail: [_, detail], .. } = self;
        gauge(system, *kind, *raised);
        if *raised {
            tracing::error!(system, %kind, detail, "alarm raised: {}", kind.en());
        } else {
            tracing::info!(system, %kind, detail, "alarm cleared");
        }
    }
}

fn gauge(system: &str, kind: AlarmKind, raised: bool) {
    metrics::gauge!("league_gateway_alarm", "system" => system.to_owned(), "kind" => kind.as_str())
        .set(f64::from(u8::from(raised)));
}

/// The gateway itself has an empty name.
fn name(system: Option<&System>) -> &str {
    system.map_or("", System::as_str)
}

impl Tx {
    /// Raises an alarm, unless one of its kind is open for that system (`None`: the gateway itself); says whether it is
    /// new. The feed hears of it with the commit, log and metrics after it. `detail` is Chinese and English, and names
    /// no person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn raise_alarm(
        &mut self,
        system: Option<&System>,
        kind: AlarmKind,
        detail: [String; 2],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(self, "raising an alarm", sqlx::query(
            "INSERT INTO alarms (system, kind, detail_zh, detail_en, raised_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING")
            .bind(name(system))
            .bind(kind.as_str())
            .bind(&detail[0])
            .bind(&detail[1])
            .bind(at.as_millisecond()))?;
        let system = name(system).to_owned();
        let turned = Turned { system, kind, raised: true, detail, cause: kind.cause(), at };
        self.turned.extend((rows == 1).then_some(turned));
        Ok(rows == 1)
    }

    /// Clears an alarm, if it is open; says whether it was. `by` is the operator with the reason, or nothing where the
    /// gateway itself saw that it is over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clear_alarm(
        &mut self,
        system: Option<&System>,
        kind: AlarmKind,
        by: Option<&str>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = execute!(self, "clearing an alarm", sqlx::query(
            "UPDATE alarms SET cleared_at = $3, cleared_by = $4 WHERE system = $1 AND kind = $2 AND cleared_at IS NULL")
            .bind(name(system))
            .bind(kind.as_str())
            .bind(at.as_millisecond())
            .bind(by.unwrap_or("league-gateway")))?;
        let cause = if by.is_some() { Cause::Operator } else { kind.cause() };
        let detail = by.map_or_else(
            || ["已恢复".to_owned(), "it is over".to_owned()],
            |by| [by.to_owned(), by.to_owned()],
        );
        let system = name(system).to_owned();
        let turned = Turned { system, kind, raised: false, detail, cause, at };
        self.turned.extend((rows > 0).then_some(turned));
        Ok(rows > 0)
    }

    /// The open alarms, or the newest `limit` of all, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn alarms(&mut self, open_only: bool, limit: u32) -> Result<Vec<Alarm>, StoreError> {
        let sql = if open_only {
            "SELECT id, system, kind, detail_zh, detail_en, raised_at, cleared_at, cleared_by FROM alarms \
             WHERE cleared_at IS NULL ORDER BY id DESC LIMIT $1"
        } else {
            "SELECT id, system, kind, detail_zh, detail_en, raised_at, cleared_at, cleared_by FROM alarms \
             ORDER BY id DESC LIMIT $1"
        };
        let rows: Vec<AlarmRow> =
            on!(self, "reading alarms", db => sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(db))?;
        rows.into_iter().map(Alarm::try_from).collect()
    }

    /// Sets the metrics of every kind of alarm as they stand in the store, for these systems and the gateway itself:
    /// another daemon may have raised or cleared one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn show_alarms(&mut self, systems: impl Iterator<Item = &System>) -> Result<(), StoreError> {
        let open = self.alarms(true, u32::MAX).await?;
        for system in systems.map(System::as_str).chain([""]) {
            for kind in AlarmKind::ALL {
                let raised = open.iter().any(|alarm| {
                    alarm.system.as_deref().unwrap_or_default() == system && alarm.kind == kind.as_str()
                });
                gauge(system, *kind, raised);
            }
        }
        Ok(())
    }
}
