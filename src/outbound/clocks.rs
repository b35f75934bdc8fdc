//! What somebody should know before it is too late: a queue that can't be drained in time, transfers that will lapse, a
//! suspension. A look reads first; it writes only what has changed.

use crate::alarm::AlarmKind;
use crate::gate::Why;
use crate::partner::{Partner, Partners, Watch};
use crate::store::{Store, StoreError, despite_races};
use jiff::{SignedDuration, Timestamp};
use league_contract::{NONCE_MEMORY_SECONDS, System};
use std::collections::BTreeSet;

/// Near deadlines are counted so far: "a thousand or more" says enough.
const MOST_LAPSES: i64 = 1000;
/// Old nonces are forgotten in small transactions, so many in one and so many of them in a look.
const NONCES: u32 = 2000;
const NONCE_ROUNDS: u32 = 25;

/// How a system's queue stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Queue {
    /// What is due or falls due within the limit, counted as far as it matters.
    falling_due: i64,
    /// How long the longest has been due.
    oldest: SignedDuration,
    /// Open transfers near their deadline.
    lapsing: i64,
    suspended: bool,
    /// Why its breaker is open.
    breaker: Option<Why>,
}

/// What becomes of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    Raise([String; 2]),
    Clear,
}

/// What a system's queue is measured by.
#[derive(Debug, Clone, Copy)]
struct Measure {
    watch: Watch,
    /// Exchanges in a second.
    rate: u32,
}

impl Measure {
    /// As much as can be done within the limit.
    fn capacity(self) -> i64 {
        i64::from(self.rate).saturating_mul(self.watch.backlog_limit.as_secs().max(1))
    }
}

/// Looks at every system once, raises and clears alarms, sets the metrics, and forgets old nonces.
///
/// # Errors
/// [`StoreError`]; the next look does what this one left.
pub(super) async fn look(store: &Store, partners: &Partners, now: Timestamp) -> Result<(), StoreError> {
    let memory = SignedDuration::from_secs(NONCE_MEMORY_SECONDS);
    let forget = now.saturating_sub(memory).unwrap_or(Timestamp::MIN);
    let mut look = store.read("clocks").await?;
    let open = look.alarms(true, u32::MAX).await?;
    let open: BTreeSet<(String, String)> =
        open.into_iter().map(|alarm| (alarm.system.unwrap_or_default(), alarm.kind)).collect();
    let mut turns = Vec::new();
    for partner in partners.values() {
        let watch = partner.policy.watch;
        let measure = Measure { watch, rate: partner.limits.rate_per_second };
        let soon = |after: SignedDuration| now.saturating_add(after).unwrap_or(Timestamp::MAX);
        let system = &partner.system;
        let oldest = look.next_due(system).await?.map(|due| now.duration_since(due));
        let row = look.system(system).await?;
        let queue = Queue {
            falling_due: look.falling_due(system, soon(watch.backlog_limit), measure.capacity() + 1).await?,
            oldest: oldest.unwrap_or_default().max(SignedDuration::ZERO),
            lapsing: look.lapsing(system, soon(watch.lapse_warning), MOST_LAPSES).await?,
            suspended: row.suspended.is_some(),
            breaker: row.health.breaker.open(),
        };
        show(system, queue);
        for (kind, turn) in judge(measure, queue, |kind| {
            open.contains(&(system.as_str().to_owned(), kind.as_str().to_owned()))
        }) {
            turns.push((partner, kind, turn));
        }
    }
    let old_nonces = look.has_old_nonces(forget).await?;
    drop(look);
    despite_races(|| turn(store, &turns, now)).await?;
    if old_nonces {
        forget_nonces(store, forget).await?;
    }
    Ok(())
}

async fn turn(
    store: &Store,
    turns: &[(&std::sync::Arc<Partner>, AlarmKind, Turn)],
    now: Timestamp,
) -> Result<(), StoreError> {
    if turns.is_empty() {
        return Ok(());
    }
    let mut tx = store.write("clocks").await?;
    for (partner, kind, turn) in turns {
        let system = Some(&partner.system);
        match turn {
            Turn::Raise(detail) => tx.raise_alarm(system, *kind, detail.clone(), now).await?,
            Turn::Clear => tx.clear_alarm(system, *kind, None, now).await?,
        };
    }
    tx.commit().await
}

async fn forget_nonces(store: &Store, before: Timestamp) -> Result<(), StoreError> {
    for _ in 0..NONCE_ROUNDS {
        let gone = despite_races(async || {
            let mut tx = store.write("forget nonces").await?;
            let gone = tx.forget_nonces(before, NONCES).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(gone)
        })
        .await?;
        if gone < u64::from(NONCES) {
            break;
        }
    }
    Ok(())
}

/// Whoever leads tells how queues are; from anybody else an old figure would stay for ever.
pub(super) fn show_nothing(partners: &Partners) {
    partners.keys().for_each(|system| show(system, Queue::default()));
}

fn show(system: &System, queue: Queue) {
    let name = || system.as_str().to_owned();
    metrics::gauge!("league_gateway_backlog", "system" => name()).set(queue.falling_due as f64);
    metrics::gauge!("league_gateway_oldest_due_seconds", "system" => name()).set(queue.oldest.as_secs_f64());
}

/// An alarm, when it is raised, when cleared, and its words.
type Level<'a> = (AlarmKind, bool, bool, &'a dyn Fn() -> [String; 2]);

/// What becomes of the alarms that are level with what a look sees. Between the limit and its half a backlog's alarm
/// stays as it is, so that it does not flicker.
fn judge(measure: Measure, queue: Queue, open: impl Fn(AlarmKind) -> bool) -> Vec<(AlarmKind, Turn)> {
    let Queue { falling_due, oldest, lapsing, suspended, breaker } = queue;
    let Measure { watch, rate } = measure;
    let (capacity, limit) = (measure.capacity(), watch.backlog_limit);
    let high = falling_due > capacity || oldest > limit;
    let low = falling_due <= capacity / 2 && oldest <= limit / 2;
    let minutes = |span: SignedDuration| span.as_mins();
    let backlog = || {
        let more = if falling_due > capacity { "+" } else { "" };
        [
            format!(
                "{} 分钟内到期 {falling_due}{more} 笔，按每秒 {} 次最多可处理 {capacity} 笔；最早一笔已等待 {} 分钟",
                minutes(limit),
                rate,
                minutes(oldest)
            ),
            format!(
                "{falling_due}{more} fall due within {} min, {capacity} can be done at {} a second; the oldest has waited {} min",
                minutes(limit),
                rate,
                minutes(oldest)
            ),
        ]
    };
    let lapses = || {
        let more = if lapsing == MOST_LAPSES { "+" } else { "" };
        let hours = watch.lapse_warning.as_hours();
        [
            format!("{lapsing}{more} 笔未结申请将在 {hours} 小时内逾期"),
            format!("{lapsing}{more} open transfers lapse within {hours} h"),
        ]
    };
    let stopped = || ["见 systems list".to_owned(), "see `systems list`".to_owned()];
    let (broken, skewed) = (breaker == Some(Why::Breaker), breaker == Some(Why::ClockSkew));
    let levels: [Level<'_>; 5] = [
        (AlarmKind::Backlog, high, low, &backlog),
        (AlarmKind::Lapses, lapsing > 0, lapsing == 0, &lapses),
        (AlarmKind::Suspended, suspended, !suspended, &stopped),
        (AlarmKind::Breaker, broken, !broken, &stopped),
        (AlarmKind::ClockSkew, skewed, !skewed, &stopped),
    ];
    let turned = levels.into_iter().filter_map(|(kind, raise, clear, detail)| match open(kind) {
        false if raise => Some((kind, Turn::Raise(detail()))),
        true if clear => Some((kind, Turn::Clear)),
        true | false => None,
    });
    turned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Queue =
        Queue { falling_due: 0, oldest: SignedDuration::ZERO, lapsing: 0, suspended: false, breaker: None };

    /// What becomes of the one kind of alarm, when it is open and when it is not.
    fn turns(kind: AlarmKind, queue: Queue) -> (bool, bool) {
        let watch = Watch {
            backlog_limit: SignedDuration::from_secs(60),
            lapse_warning: SignedDuration::from_hours(48),
        };
        let raised = |open| {
            let turns = judge(Measure { watch, rate: 10 }, queue, |one| open && one == kind);
            turns.into_iter().find(|(one, _)| *one == kind).map(|(_, turn)| turn)
        };
        (matches!(raised(false), Some(Turn::Raise(_))), raised(true) == Some(Turn::Clear))
    }

    #[test]
    fn a_backlog_is_raised_above_its_limit_and_cleared_below_half() {
        let seconds = SignedDuration::from_secs;
        for (falling_due, oldest, raised, cleared) in [
            (0, 0, false, true),
            (300, 30, false, true),
            (301, 0, false, false),
            (0, 31, false, false),
            (600, 60, false, false),
            (601, 0, true, false),
            (0, 61, true, false),
        ] {
            let queue = Queue { falling_due, oldest: seconds(oldest), ..QUIET };
            assert_eq!(turns(AlarmKind::Backlog, queue), (raised, cleared), "{queue:?}");
        }
    }

    #[test]
    fn the_other_alarms_follow_what_is_seen() {
        for (kind, queue) in [
            (AlarmKind::Lapses, Queue { lapsing: 1, ..QUIET }),
            (AlarmKind::Suspended, Queue { suspended: true, ..QUIET }),
            (AlarmKind::Breaker, Queue { breaker: Some(Why::Breaker), ..QUIET }),
            (AlarmKind::ClockSkew, Queue { breaker: Some(Why::ClockSkew), ..QUIET }),
        ] {
            assert_eq!(turns(kind, QUIET), (false, true), "{kind}");
            assert_eq!(turns(kind, queue), (true, false), "{kind}");
        }
    }

    #[test]
    fn what_a_person_clears_is_left_to_a_person() {
        for kind in AlarmKind::ALL.iter().filter(|kind| !kind.clears_itself()) {
            assert_eq!(turns(*kind, QUIET), (false, false), "{kind}");
        }
    }
}
