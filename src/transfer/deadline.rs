//! When a partner lets a transfer lapse, and when the gateway looks at an open one next.

use super::{Entry, Following, State};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _, tz};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Asia/Shanghai, the zone of every deadline; it has kept one offset since 1991.
fn shanghai() -> tz::TimeZone {
    tz::TimeZone::fixed(tz::offset(8))
}

/// Until when the partner waits: for a review, `lapse_after` from when it had the transfer; for the member's check-in,
/// the time that it named, if it did. No other state has a deadline there.
pub(super) fn deadline(following: Following, entry: &Entry) -> Option<Timestamp> {
    match entry.state {
        State::Submitted => {
            entry.milestones.submitted_at.map(|since| lapses_at(since, following.lapse_after))
        }
        State::AwaitingCheckIn => entry.milestones.check_in_by,
        State::Queued
        | State::Sending
        | State::Unconfirmed
        | State::Completed
        | State::Rejected
        | State::Returned
        | State::Overdue
        | State::Withdrawn
        | State::Failed => None,
    }
}

/// Natural days are counted from the day after, and end with the last one's midnight. A value that is not whole days
/// counts exactly.
fn lapses_at(since: Timestamp, after: SignedDuration) -> Timestamp {
    let natural = || {
        let days = i32::try_from(after.as_secs().checked_div(DAY.as_secs())?).ok()?;
        let day: Date = since.to_zoned(shanghai()).date();
        let ends = day.checked_add(days.checked_add(1)?.days()).ok()?;
        Some(ends.to_zoned(shanghai()).ok()?.timestamp())
    };
    if after.as_nanos() % DAY.as_nanos() == 0 {
        natural().unwrap_or(Timestamp::MAX)
    } else {
        since.saturating_add(after).unwrap_or(Timestamp::MAX)
    }
}

/// An open transfer is looked at when it was to be, or at its deadline where that comes sooner. One whose deadline has
/// passed keeps its pace.
#[must_use]
pub fn no_later_than(due: Timestamp, deadline: Option<Timestamp>, now: Timestamp) -> Timestamp {
    deadline.filter(|deadline| *deadline > now).map_or(due, |deadline| due.min(deadline))
}

/// A deadline as people read it, in Beijing's time.
#[must_use]
pub fn spoken(deadline: Timestamp) -> String {
    deadline.to_zoned(shanghai()).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::tests::{at, entry, following};
    use crate::transfer::{Advance, Event, Facts, Verdict, advance};
    use league_contract::Completion;
    use league_contract::PartnerStatus::{self, Approved, CheckedIn, Pending};
    use proptest::prelude::*;

    fn heard(entry: &Entry, event: Event, second: i64) -> Advance {
        advance(following(Completion::Approval), entry, Some(event), Facts::default(), at(second))
    }

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn ten_natural_days_end_at_midnight_in_shanghai() {
        let days = |number: i64| SignedDuration::from_hours(24 * number);
        for (since, after, end) in [
            ("2024-07-01T09:30:00+08:00", days(10), "2024-07-12T00:00:00+08:00"),
            ("2024-07-01T00:00:00+08:00", days(10), "2024-07-12T00:00:00+08:00"),
            ("2024-07-01T23:59:59.999+08:00", days(10), "2024-07-12T00:00:00+08:00"),
            // Still the day before in UTC.
            ("2024-07-01T00:00:01+08:00", days(1), "2024-07-03T00:00:00+08:00"),
            ("2024-02-28T12:00:00+08:00", days(2), "2024-03-02T00:00:00+08:00"),
            ("2024-12-31T12:00:00+08:00", days(1), "2025-01-02T00:00:00+08:00"),
        ] {
            assert_eq!(lapses_at(time(since), after), time(end), "{since} and {after}");
        }
    }

    #[test]
    fn what_is_not_whole_days_counts_exactly() {
        let since = time("2024-07-01T09:30:00+08:00");
        for after in [SignedDuration::from_secs(3), SignedDuration::from_hours(36)] {
            assert_eq!(lapses_at(since, after).duration_since(since), after);
        }
    }

    #[test]
    fn a_deadline_beyond_all_calendars_is_none_to_wait_for() {
        let since = time("2024-07-01T09:30:00+08:00");
        for after in [SignedDuration::from_hours(24 * 365 * 20_000), SignedDuration::MAX] {
            assert!(lapses_at(since, after) >= time("9999-01-01T00:00:00Z"), "{after}");
        }
    }

    #[test]
    fn the_sooner_of_pace_and_deadline_until_it_has_passed() {
        let (now, soon, late) =
            (time("2024-07-01T00:00:00Z"), time("2024-07-01T03:00:00Z"), time("2024-07-01T06:00:00Z"));
        assert_eq!(no_later_than(late, Some(soon), now), soon);
        assert_eq!(no_later_than(soon, Some(late), now), soon);
        assert_eq!(no_later_than(late, None, now), late);
        assert_eq!(
            no_later_than(late, Some(now), now),
            late,
            "at the deadline it is asked; then the pace goes on"
        );
        assert_eq!(spoken(soon), "2024-07-01 11:00");
    }

    #[test]
    fn a_deadline_is_looked_at_when_it_comes_and_goes_with_the_end() {
        let hours = |hours: i64| at(3600 * hours);
        // Taken in at 10:00 in Beijing on July 1st: ten days end with the 11th.
        let first = heard(&entry(State::Sending), Event::Reported(Pending), 0);
        assert_eq!(first.entry.deadline_at, Some(hours(10 * 24 + 14)));
        assert_eq!(first.entry.due_at, Some(hours(6)));
        let near = heard(&first.entry, Event::Reported(Pending), 3600 * (10 * 24 + 10));
        assert_eq!(near.entry.due_at, near.entry.deadline_at, "sooner than the pace");
        let after = 3600 * (10 * 24 + 15);
        let passed = heard(&near.entry, Event::Reported(Pending), after);
        assert_eq!(passed.entry.due_at, Some(hours(10 * 24 + 21)), "at the pace again");
        let lapsed = heard(&passed.entry, Event::Lapsed, after);
        assert_eq!(
            (lapsed.entry.state, lapsed.entry.deadline_at, lapsed.entry.due_at),
            (State::Overdue, None, None)
        );
        let contradicted = heard(&lapsed.entry, Event::Reported(Approved), after + 9);
        assert_eq!(contradicted.verdict, Verdict::Conflict);
        assert_eq!(contradicted.entry, lapsed.entry);
    }

    #[test]
    fn a_check_in_ends_when_the_partner_says_and_that_may_move() {
        let following = following(Completion::CheckIn);
        let until = |by| Facts { check_in_by: Some(at(by)), ..Facts::default() };
        let waits = Some(Event::Reported(PartnerStatus::AwaitingCheckIn));
        let first = advance(following, &entry(State::Sending), waits, until(600), at(0)).entry;
        assert_eq!((first.deadline_at, first.due_at), (Some(at(600)), Some(at(600))));
        let moved = advance(following, &first, waits, until(900), at(1)).entry;
        assert_eq!((moved.deadline_at, moved.due_at), (Some(at(900)), Some(at(900))));
        let open = advance(following, &entry(State::Sending), waits, Facts::default(), at(0)).entry;
        assert_eq!((open.deadline_at, open.due_at), (None, Some(at(6 * 3600))));
        let done =
            advance(following, &moved, Some(Event::Reported(CheckedIn)), Facts::default(), at(2)).entry;
        assert_eq!((done.state, done.deadline_at), (State::Completed, None));
    }

    fn any_step() -> impl Strategy<Value = (Event, Option<i64>, Option<i64>, i64)> {
        let event = proptest::sample::select(Event::all());
        let within = || proptest::option::of(0i64..2_000_000);
        (event, within(), within(), 0i64..400_000)
    }

    proptest! {
        /// Whatever happens: who waits has a deadline, nobody else has one, and it is looked at in time.
        #[test]
        fn a_deadline_stands_as_long_as_the_partner_waits(
            steps in proptest::collection::vec(any_step(), 0..30), national: bool,
        ) {
            let following = following(if national { Completion::Approval } else { Completion::CheckIn });
            let (mut entry, mut now) = (entry(State::Queued), 0);
            for (event, check_in_by, due_at, wait) in steps {
                now += wait;
                let facts = Facts {
                    check_in_by: check_in_by.map(at), due_at: due_at.map(at), ..Facts::default()
                };
                let step = advance(following, &entry, Some(event), facts, at(now));
                if step.verdict == Verdict::Conflict {
                    prop_assert_eq!(step.entry.deadline_at, entry.deadline_at);
                } else {
                    let waits = step.entry.state == State::Submitted
                        || (step.entry.state == State::AwaitingCheckIn && step.entry.milestones.check_in_by.is_some());
                    prop_assert_eq!(step.entry.deadline_at.is_some(), waits, "{}", step.entry.state);
                    if let (None, Some(deadline)) = (due_at, step.entry.deadline_at.filter(|by| *by > at(now))) {
                        prop_assert!(step.entry.due_at.is_some_and(|due| due <= deadline));
                    }
                }
                entry = step.entry;
            }
        }
    }
}
