//! An act on many transfers: an operation of its own, which the daemon that leads works on, at a rate, until it is done. It can be
//! paused, resumed and cancelled, and says what happened to each.

use super::{Act, Acted, Operator, cleaned};
use crate::intake::IntakeError;
use crate::store::{
    Author, Bulk, BulkResult, BulkState, Cursor, Deed, Filter, Leads, NewBulk, Page, Sort, StoreError,
    Stored, Tx, despite_races,
};
use jiff::{SignedDuration, Timestamp};
use league_contract::{Problem, ProblemCode, RequestId, mask};
use std::collections::HashMap;
use tokio_util::sync::CancellationToken;

/// Transfers a second, at most.
pub const FASTEST: u32 = 1_000;
/// Transfers a second, where nothing else is said.
pub const USUAL: u32 = 20;
/// A preview counts so far: "ten thousand or more" says enough.
pub const MOST_COUNTED: usize = 10_000;
/// A preview looks at so many pages and no more: a million rows of which none fits are nobody's to wait for.
pub const PREVIEW_PAGES: usize = 12;
/// So many transfers a preview shows.
const SHOWN: usize = 10;
/// So often what runs is worked on.
const TICK: SignedDuration = SignedDuration::from_millis(100);

/// What an act on many would be done to.
#[derive(Debug, Default)]
pub struct Preview {
    /// So many fit now, counted as far as [`MOST_COUNTED`].
    pub count: usize,
    /// There may be more than were counted.
    pub more: bool,
    /// It looked as far as what came in then, and no further.
    pub searched_to: Option<Timestamp>,
    /// So many more fit and can't be read: each will refuse the act.
    pub unreadable: usize,
    /// The first of them.
    pub first: Vec<Stored>,
}

/// What an operator can do to an act on many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Stop for now.
    Pause,
    /// Go on.
    Resume,
    /// Stop for good; what was done stays done.
    Cancel,
}

impl Turn {
    /// From which states it leads where.
    const fn leads(self) -> (&'static [BulkState], BulkState, &'static str) {
        match self {
            Self::Pause => (&[BulkState::Running], BulkState::Paused, "pause_bulk"),
            Self::Resume => (&[BulkState::Paused], BulkState::Running, "resume_bulk"),
            Self::Cancel => (&[BulkState::Running, BulkState::Paused], BulkState::Cancelled, "cancel_bulk"),
        }
    }
}

impl Operator {
    /// What an act on many would be done to, as far as so many pages show.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn preview(&self, filter: &Filter, pages: usize) -> Result<Preview, StoreError> {
        let mut tx = self.intake.store.read("preview").await?;
        let mut preview = Preview::default();
        let mut after = None;
        for _ in 0..pages {
            let Page { rows, unreadable, next, searched_to } =
                tx.list(filter, Sort::Oldest, after, 1_000).await?;
            preview.count += rows.len();
            preview.unreadable += unreadable.len();
            let seen = searched_to.or_else(|| rows.last().map(|stored| stored.entry.created_at));
            preview.searched_to = seen.filter(|_| next.is_some());
            let room = SHOWN - preview.first.len();
            preview.first.extend(rows.into_iter().take(room));
            after = next;
            preview.more = after.is_some();
            if after.is_none() || preview.count >= MOST_COUNTED {
                break;
            }
        }
        Ok(preview)
    }

    /// Begins an act on all transfers that fit and are there already. The daemon that leads does it.
    ///
    /// # Errors
    /// [`IntakeError::Refused`]: a reason or a rate that can't be.
    pub async fn begin_bulk(
        &self,
        act: Act,
        filter: &Filter,
        (why, rate): (&str, u32),
        author: &Author,
    ) -> Result<Bulk, IntakeError> {
        let reason = cleaned(why)?;
        if !(1..=FASTEST).contains(&rate) {
            return Err(IntakeError::Refused(vec![Problem::at(
                ProblemCode::FieldInvalid,
                "rate",
                format!("速率须为每秒 1 至 {FASTEST} 份"),
                format!("the rate is 1 to {FASTEST} transfers a second"),
            )]));
        }
        let now = self.intake.clock.now();
        // What comes in later was not meant.
        let end = now.saturating_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX);
        let created_before = Some(filter.created_before.map_or(end, |before| before.min(end)));
        let filter = Filter { created_before, ..filter.clone() };
        let begun = despite_races(async || {
            let mut tx = self.intake.store.write("begin bulk").await?;
            let new = NewBulk { act: act.as_str(), filter: &filter, reason: &reason, author, rate, at: now };
            let id = tx.begin_bulk(&new).await?;
            let outcome = format!("{} of many begun, {rate} a second", act.as_str());
            let subject = format!("bulk:{id}");
            let deed =
                Deed { author, act: "begin_bulk", subject, reason: &reason, outcome: &outcome, at: now };
            tx.audit(&self.intake.sealer, deed).await?;
            let bulk = tx.bulk(id).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(bulk)
        });
        let begun = begun.await?.ok_or(StoreError::Closed)?;
        self.intake.bells.acts.ring();
        Ok(begun)
    }

    /// Pauses, resumes or cancels; nothing where there is no such act on many.
    ///
    /// # Errors
    /// [`IntakeError::Refused`]: its state does not allow it.
    pub async fn turn_bulk(
        &self,
        id: i64,
        turn: Turn,
        why: &str,
        author: &Author,
    ) -> Result<Option<Bulk>, IntakeError> {
        let reason = cleaned(why)?;
        let (from, to, act) = turn.leads();
        let turned = despite_races(async || {
            let mut tx = self.intake.store.write(act).await?;
            let Some(bulk) = tx.bulk(id).await? else { return Ok(None) };
            let now = self.intake.clock.now();
            if !from.contains(&bulk.state) || !tx.turn_bulk(id, bulk.state, to, now).await? {
                return Err(not_allowed(&bulk));
            }
            let subject = format!("bulk:{id}");
            let deed = Deed { author, act, subject, reason: &reason, outcome: to.as_str(), at: now };
            tx.audit(&self.intake.sealer, deed).await?;
            let bulk = tx.bulk(id).await?;
            tx.commit().await?;
            Ok::<_, IntakeError>(bulk)
        });
        let turned = turned.await?;
        self.intake.bells.acts.ring();
        Ok(turned)
    }

    /// Works on acts on many until told to stop, while this daemon leads.
    pub async fn run_bulks(self, leads: Leads, poll: SignedDuration, stop: CancellationToken) {
        let mut rung = self.intake.bells.acts.listen();
        let mut due = HashMap::new();
        while !stop.is_cancelled() {
            let busy = if leads.yes() { self.work(&mut due).await } else { Ok(false) };
            let busy = busy.unwrap_or_else(|error| {
                tracing::error!(%error, "an act on many could not go on: trying again");
                false
            });
            if busy {
                stop.run_until_cancelled(self.intake.clock.sleep(TICK)).await;
            } else {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = rung.wait(&self.intake.clock, poll) => {}
                }
            }
        }
    }

    /// Does what is due of every act on many; whether any runs. `due` says when each may act again.
    ///
    /// # Errors
    /// [`StoreError`]; what was not done is tried again.
    pub async fn work(&self, due: &mut HashMap<i64, Timestamp>) -> Result<bool, StoreError> {
        let running =
            self.intake.store.glance("bulk", |mut tx| async move { tx.running_bulks().await }).await?;
        due.retain(|id, _| running.iter().any(|bulk| bulk.id == *id));
        for bulk in &running {
            let now = self.intake.clock.now();
            let next = due.entry(bulk.id).or_insert(now);
            let many = planned(next, bulk.rate, now);
            if many == 0 {
                continue;
            }
            // One that can't go on does not stop the others.
            if let Err(error) = self.act_on(bulk, many).await {
                tracing::error!(bulk = bulk.id, %error, "an act on many could not go on: trying again");
            }
        }
        Ok(!running.is_empty())
    }

    /// Acts on the next few.
    async fn act_on(&self, bulk: &Bulk, many: u32) -> Result<(), IntakeError> {
        let Some(act) = Act::parse(&bulk.act) else {
            tracing::error!(bulk = bulk.id, act = bulk.act, "an act that nobody knows: it is not done");
            return Ok(());
        };
        let mut bulk = bulk.clone();
        let mut tx = self.intake.store.read("bulk").await?;
        let Page { rows, unreadable, next, .. } =
            tx.list(&bulk.filter, Sort::Oldest, bulk.after, many).await?;
        drop(tx);
        let sound = rows.into_iter().map(|stored| (stored.entry.id, Some(stored.entry.request_id)));
        let damaged = unreadable.into_iter().map(|row| (row.id, row.request_id));
        let mut all: Vec<(i64, Option<RequestId>)> = sound.chain(damaged).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        for (id, request_id) in all {
            let Some(done) = self.step(&bulk, act, id, request_id.as_ref()).await? else { return Ok(()) };
            self.intake.bells.changed();
            bulk = Bulk {
                done: bulk.done + i64::from(done),
                refused: bulk.refused + i64::from(!done),
                after: Some(Cursor::oldest(id)),
                ..bulk
            };
        }
        despite_races(async || {
            let mut tx = self.intake.store.write("bulk").await?;
            match next {
                Some(next) => tx.pass_bulk(&bulk, next).await?,
                None => {
                    tx.turn_bulk(bulk.id, BulkState::Running, BulkState::Done, self.intake.clock.now())
                        .await?;
                }
            }
            tx.commit().await
        })
        .await?;
        Ok(())
    }

    /// One transfer, in one transaction with the note of what happened to it; whether the act was done, or nothing where the act on many
    /// does not run any more. One that is damaged refuses it, and stops no other.
    async fn step(
        &self,
        bulk: &Bulk,
        act: Act,
        id: i64,
        request_id: Option<&RequestId>,
    ) -> Result<Option<bool>, IntakeError> {
        let broken = match request_id {
            Some(request_id) => match despite_races(|| self.try_step(bulk, act, id, request_id)).await {
                Err(error @ (IntakeError::Seal(_) | IntakeError::Store(StoreError::BadRow { .. }))) => {
                    tracing::error!(bulk = bulk.id, transfer = id, %error, "an act on many passes over a damaged transfer");
                    [format!("已损坏，无法处理：{error}"), format!("is damaged: {error}")]
                }
                stepped => return stepped,
            },
            None => [
                "已损坏，无法读取，见日志".to_owned(),
                "is damaged and can't be read: see the log".to_owned(),
            ],
        };
        despite_races(async || {
            let tx = self.intake.store.write("bulk").await?;
            self.note_step(tx, bulk, (id, request_id), (false, broken.clone())).await
        })
        .await
    }

    async fn try_step(
        &self,
        bulk: &Bulk,
        act: Act,
        id: i64,
        request_id: &RequestId,
    ) -> Result<Option<bool>, IntakeError> {
        let mut tx = self.intake.store.write("bulk").await?;
        let origin = format!("{}, bulk {}", bulk.author.origin, bulk.id);
        let author = Author { origin, ..bulk.author.clone() };
        let ended = match self.act_in(&mut tx, request_id, act, (&bulk.reason, &author)).await {
            Ok(Acted { did, .. }) => (true, did),
            Err(IntakeError::Refused(problems)) => {
                let words =
                    |chinese| problems.iter().map(|one| one.text(chinese)).collect::<Vec<_>>().join("；");
                (false, [words(true), words(false)])
            }
            Err(error @ (IntakeError::Store(_) | IntakeError::Seal(_))) => return Err(error),
        };
        self.note_step(tx, bulk, (id, Some(request_id)), ended).await
    }

    async fn note_step(
        &self,
        mut tx: Tx,
        bulk: &Bulk,
        (id, request_id): (i64, Option<&RequestId>),
        (done, [told, told_en]): (bool, [String; 2]),
    ) -> Result<Option<bool>, IntakeError> {
        let number = bulk.done + bulk.refused + 1;
        // What stands in a damaged row may be anything.
        let request_id = request_id.map_or_else(|| format!("#{id}"), ToString::to_string);
        let result = BulkResult { number, request_id, done, told, told_en };
        if !tx.step_bulk(bulk, Cursor::oldest(id), &result).await? {
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(done))
    }
}

/// How many are due by now, the first at `next`, which moves on: each has its time, whenever somebody looks. What was missed is made up for,
/// but for no more than a second.
fn planned(next: &mut Timestamp, rate: u32, now: Timestamp) -> u32 {
    let each = SignedDuration::from_nanos(1_000_000_000 / i64::from(rate.max(1)));
    let earliest = now.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(now);
    *next = (*next).max(earliest);
    let mut many = 0;
    while *next <= now {
        *next = next.saturating_add(each).unwrap_or(Timestamp::MAX);
        many += 1;
    }
    many
}

fn not_allowed(bulk: &Bulk) -> IntakeError {
    let state = bulk.state.as_str();
    IntakeError::Refused(vec![Problem::new(
        ProblemCode::NotAllowedInState,
        format!("批量操作 {} 的状态是 {state}，不能这样做", bulk.id),
        format!("act on many {} is {state}: that can't be done to it", bulk.id),
    )])
}

/// An act on many, as it is shown.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct BulkView {
    /// Its number.
    pub id: i64,
    /// The act's word.
    pub act: String,
    /// On which transfers, as it was read. A person is `true`: whose, nobody is shown.
    #[schema(value_type = Object)]
    pub filter: serde_json::Value,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// Transfers a second.
    pub rate: u32,
    /// How it stands.
    pub state: BulkState,
    /// On so many the act was done.
    pub done: i64,
    /// So many refused it.
    pub refused: i64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

impl From<Bulk> for BulkView {
    fn from(bulk: Bulk) -> Self {
        // What somebody looked for may be a number of a person's.
        let shown = |text: Option<String>| text.map(|text| mask::digits(&text));
        let filter = Filter {
            reason: shown(bulk.filter.reason),
            error: shown(bulk.filter.error),
            organization: shown(bulk.filter.organization),
            ..bulk.filter
        };
        let mut filter = serde_json::to_value(filter).unwrap_or_default();
        if let Some(fields) = filter.as_object_mut() {
            fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty()));
            if let Some(person) = fields.get_mut("person") {
                *person = true.into();
            }
        }
        Self {
            id: bulk.id,
            act: bulk.act,
            filter,
            reason: bulk.reason,
            by: bulk.author.name,
            rate: bulk.rate,
            state: bulk.state,
            done: bulk.done,
            refused: bulk.refused,
            created_at: bulk.created_at,
            ended_at: bulk.ended_at,
        }
    }
}
