//! Who is at work: this daemon's sign of life, which one leads, and which ones are gone.
//!
//! On SQLite a lock on a file says so, and there is one daemon, which leads. On PostgreSQL each daemon holds a session
//! lock, which falls with its process, and one of them the leader's. A host that vanishes keeps its session for a while:
//! whoever shows no new sign of life counts as gone, too. Being wrong about that is safe: leases are fenced.

use super::session::TxInner;
use super::tx::{Inner, Tx, execute, on, within};
use super::{Owner, Store, StoreError, dialect};
use jiff::{SignedDuration, Timestamp};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A daemon that shows no new sign of life for so long is gone, whatever its session says.
const SILENCE: SignedDuration = SignedDuration::from_secs(15);

/// A daemon whose lock was free for so long is gone. All locks fall together when the server restarts, and each daemon
/// takes its own back at its next sign of life.
const FREE: SignedDuration = SignedDuration::from_millis(1500);

/// So long a session may take to be held: whoever can't say in time that it lives should know it.
const HOLDING: Duration = Duration::from_secs(3);

/// So many looks must agree: a clock that is set forward is none.
const LOOKS: u32 = 3;

/// Whether this daemon leads: it alone reads feeds, drains the intake table and sweeps. Cheap to clone.
///
/// It is a matter of sparing work, not of safety: two that lead for a moment do no harm.
#[derive(Clone, Debug, Default)]
pub struct Leads(Arc<AtomicBool>);

impl Leads {
    /// Whether it does.
    #[must_use]
    pub fn yes(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, leads: bool) {
        self.0.store(leads, Ordering::Relaxed);
        metrics::gauge!("league_gateway_leads").set(f64::from(u8::from(leads)));
    }
}

/// This run of this daemon, as others see it.
pub struct Presence {
    instance: Arc<str>,
    worker: String,
    leads: Leads,
    sign: Sign,
    /// What we saw of the others.
    others: HashMap<String, Seen>,
    /// Those whose end was logged.
    told: HashSet<String>,
}

enum Sign {
    File { _owner: Owner },
    Session { connection: Option<PgConnection>, key: i64 },
}

/// Another daemon, as we see it.
struct Seen {
    seen_at: i64,
    /// Since when it showed nothing new.
    silent: Streak,
    /// Since when its session's lock is free as well.
    free: Option<Streak>,
}

/// The same at several looks in a row.
struct Streak {
    since: Timestamp,
    looks: u32,
}

impl Streak {
    const fn new(since: Timestamp) -> Self {
        Self { since, looks: 0 }
    }

    /// One more look; returns whether it has lasted for so long.
    fn goes_on(&mut self, now: Timestamp, span: SignedDuration) -> bool {
        self.looks += 1;
        self.looks >= LOOKS && now.duration_since(self.since) >= span
    }
}

#[derive(sqlx::FromRow)]
struct DaemonRow {
    instance: String,
    worker: String,
    session_key: i64,
    seen_at: i64,
}

impl Store {
    /// Whether there is one daemon on this database, and no other.
    #[must_use]
    pub const fn is_one_daemons(&self) -> bool {
        matches!(self.inner, Inner::Sqlite(_))
    }

    /// Makes this process a daemon of the database. `instance` is this run's own name.
    ///
    /// # Errors
    /// [`StoreError::Owned`] when another daemon runs on the same SQLite file.
    pub async fn appear(
        &self,
        instance: Arc<str>,
        worker: &str,
        now: Timestamp,
    ) -> Result<Presence, StoreError> {
        let sign = match &self.inner {
            Inner::Sqlite(_) => Sign::File { _owner: self.own()? },
            Inner::Postgres(_) => Sign::Session { connection: None, key: super::outbox::fresh_token(0)? },
        };
        let mut presence = Presence {
            instance,
            worker: worker.to_owned(),
            leads: Leads::default(),
            sign,
            others: HashMap::new(),
            told: HashSet::new(),
        };
        presence.beat(self, now).await?;
        Ok(presence)
    }
}

impl Presence {
    /// Whether this daemon leads, now and later.
    #[must_use]
    pub fn leads(&self) -> Leads {
        self.leads.clone()
    }

    /// Shows a sign of life, and leads if nobody else does.
    ///
    /// # Errors
    /// [`StoreError`]; this daemon then leads no more, until it can show itself again.
    pub async fn beat(&mut self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let shown = self.show(store, now).await;
        store.takes_writes.store(shown.is_ok(), Ordering::Relaxed);
        if shown.is_ok() && !store.is_one_daemons() {
            store.shown_at.store(now.as_millisecond(), Ordering::Relaxed);
        }
        self.leads.set(*shown.as_ref().unwrap_or(&false));
        shown.map(drop)
    }

    async fn show(&mut self, store: &Store, now: Timestamp) -> Result<bool, StoreError> {
        let (leads, key) = match &mut self.sign {
            Sign::File { .. } => (true, 0),
            Sign::Session { connection, key } => (hold(store, connection, *key).await?, *key),
        };
        store.look_after_file()?;
        let mut tx = store.write("sign of life").await?;
        tx.show_daemon(&self.instance, &self.worker, key, now).await?;
        tx.commit().await?;
        Ok(leads)
    }

    /// The runs of daemons that are gone without having left, as several looks agree. Where there is one daemon, its
    /// start has seen to all others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn gone(&mut self, store: &Store, now: Timestamp) -> Result<Vec<String>, StoreError> {
        if store.is_one_daemons() {
            return Ok(Vec::new());
        }
        let mut tx = store.write("look for daemons that are gone").await?;
        let mut gone = Vec::new();
        for (other, silent) in self.see(&mut tx, now).await? {
            let is_free = tx.session_is_free(other.session_key).await?;
            let free = self.others.get_mut(&other.instance).is_some_and(|seen| {
                seen.free = seen.free.take().or_else(|| Some(Streak::new(now))).filter(|_| is_free);
                seen.free.as_mut().is_some_and(|free| free.goes_on(now, FREE))
            });
            if silent || free {
                if self.told.insert(other.instance.clone()) {
                    tracing::warn!(instance = other.instance, "a daemon is gone: its work is taken back");
                }
                gone.push(other.instance);
            }
        }
        // At once: the locks that were tried must be free for the next look.
        tx.commit().await?;
        Ok(gone)
    }

    /// Watches the others, as every daemon does: if one that leads stands still, its session is ended, so that another
    /// leads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn watch(&mut self, store: &Store, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = store.read("watch the others").await?;
        for (other, silent) in self.see(&mut tx, now).await? {
            if silent && tx.unseat(other.session_key).await? {
                tracing::warn!(
                    instance = other.instance,
                    "the daemon that leads stands still: another one leads"
                );
            }
        }
        Ok(())
    }

    /// The others, and whether they are silent for too long.
    async fn see(&mut self, tx: &mut Tx, now: Timestamp) -> Result<Vec<(DaemonRow, bool)>, StoreError> {
        let others = tx.other_daemons(&self.instance).await?;
        self.others.retain(|instance, _| others.iter().any(|other| other.instance == *instance));
        let seen = others.into_iter().map(|other| {
            let new = || Seen { seen_at: other.seen_at, silent: Streak::new(now), free: None };
            let seen = self.others.entry(other.instance.clone()).or_insert_with(new);
            if seen.seen_at != other.seen_at {
                *seen = new();
            }
            let silent = seen.silent.goes_on(now, SILENCE);
            (other, silent)
        });
        Ok(seen.collect())
    }

    /// What a start need not wait for: earlier runs under this daemon's own name whose session ended. Where there is one
    /// daemon, all others are earlier runs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn earlier_runs(&self, store: &Store) -> Result<Vec<String>, StoreError> {
        let mut tx = store.write("look for earlier runs").await?;
        let mut earlier = Vec::new();
        for other in tx.other_daemons(&self.instance).await? {
            if (store.is_one_daemons() || other.worker == self.worker)
                && tx.session_is_free(other.session_key).await?
            {
                earlier.push(other.instance);
            }
        }
        tx.commit().await?;
        Ok(earlier)
    }

    /// Says good-bye: nothing of this run is left to be taken back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn leave(self, store: &Store) -> Result<(), StoreError> {
        self.leads.set(false);
        let mut tx = store.write("leave").await?;
        tx.forget_daemon(&self.instance).await?;
        tx.commit().await?;
        if let Sign::Session { connection: Some(connection), .. } = self.sign {
            within(HOLDING, connection.close())
                .await
                .map_err(|source| StoreError::Database { action: "closing the session", source })?;
        }
        Ok(())
    }
}

/// Holds this daemon's session lock, on a connection of its own, and the leader's if it is free. Returns whether it
/// leads.
async fn hold(store: &Store, connection: &mut Option<PgConnection>, key: i64) -> Result<bool, StoreError> {
    let Inner::Postgres(pool) = &store.inner else { return Ok(true) };
    let held = async {
        // Taken out meanwhile: a session that failed, or was waited for in vain, is not used again.
        if let Some(mut session) = connection.take()
            && let Ok(leads) = lead(&mut session).await
        {
            *connection = Some(session);
            return Ok(leads);
        }
        // The lock fell with the session: it is held again at once, before anybody counts this daemon as gone.
        let mut session = pool.connect_options().connect().await?;
        sqlx::query(dialect::HOLD_SESSION_POSTGRES).bind(key).execute(&mut session).await?;
        let leads = lead(&mut session).await?;
        *connection = Some(session);
        Ok(leads)
    };
    within(HOLDING, held)
        .await
        .map_err(|source| StoreError::Database { action: "holding the session lock", source })
}

async fn lead(session: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(dialect::LEAD_POSTGRES).fetch_one(session).await
}

impl Tx {
    async fn show_daemon(
        &mut self,
        instance: &str,
        worker: &str,
        key: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        execute!(self, "showing a sign of life", sqlx::query(
            "INSERT INTO daemons (instance, worker, session_key, started_at, seen_at) VALUES ($1, $2, $3, $4, $4) \
             ON CONFLICT (instance) DO UPDATE SET seen_at = $4")
            .bind(instance)
            .bind(worker)
            .bind(key)
            .bind(now.as_millisecond()))?;
        Ok(())
    }

    async fn other_daemons(&mut self, instance: &str) -> Result<Vec<DaemonRow>, StoreError> {
        on!(self, "looking for other daemons", db => sqlx::query_as(
            "SELECT instance, worker, session_key, seen_at FROM daemons WHERE instance <> $1 ORDER BY instance")
            .bind(instance)
            .fetch_all(db))
    }

    /// Whether nobody holds a session lock; until the transaction ends, nobody else takes it. On SQLite no other
    /// daemon can be at work.
    async fn session_is_free(&mut self, key: i64) -> Result<bool, StoreError> {
        if !self.locks() {
            return Ok(true);
        }
        on!(self, "trying a session lock", db => sqlx::query_scalar(dialect::TRY_SESSION_POSTGRES)
            .bind(key)
            .fetch_one(db))
    }

    /// Ends the session of a daemon if it is the one that leads; says whether it was.
    async fn unseat(&mut self, key: i64) -> Result<bool, StoreError> {
        if matches!(self.inner, TxInner::Sqlite(_)) {
            return Ok(false);
        }
        let ended: i64 = on!(self, "ending a session", db =>
            sqlx::query_scalar(dialect::UNSEAT_POSTGRES).bind(key).fetch_one(db))?;
        Ok(ended > 0)
    }

    /// Forgets a daemon that is gone, once nothing of it is left: what another transaction had in its hands just now
    /// is looked after the next time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_daemon(&mut self, instance: &str) -> Result<(), StoreError> {
        let query = "DELETE FROM daemons WHERE instance = $1 \
                     AND NOT EXISTS (SELECT 1 FROM transfers WHERE lease_token IS NOT NULL AND leased_by = $1) \
                     AND NOT EXISTS (SELECT 1 FROM attempts WHERE finished_at IS NULL AND worker = $1)";
        execute!(self, "forgetting a daemon", sqlx::query(query).bind(instance))?;
        Ok(())
    }
}
