//! The token bucket, as GCRA has it: its whole state is one instant, up to which the rate is used up.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const SECOND: i64 = 1_000_000;

/// What was taken of a rate: the instant at which the bucket is full again, in microseconds since the epoch.
///
/// It lets a tenth of a second's worth (at least one) through at once. Clocks of daemons up to a second apart keep
/// the rate exactly, at the price of that second; an instant further ahead was written by a clock that is wrong or has
/// been put back since, and counts as a bucket with one exchange in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(i64);

/// What so many exchanges take, in microseconds, rounded up.
fn cost(exchanges: u32, rate: u32) -> i64 {
    let micros = (u64::from(exchanges) * SECOND.unsigned_abs()).div_ceil(u64::from(rate.max(1)));
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// What may be taken at once, in microseconds.
fn tolerance(rate: u32) -> i64 {
    cost((rate / 10).max(1), rate)
}

impl Bucket {
    /// How many exchanges may begin now, at so many a second.
    #[must_use]
    pub fn available(self, rate: u32, now: Timestamp) -> u32 {
        let room = tolerance(rate) - (self.used_up_to(rate, now) - now.as_microsecond());
        u32::try_from(room.max(0) * i64::from(rate.max(1)) / SECOND).unwrap_or(u32::MAX)
    }

    /// Takes exchanges that begin now. Those that begin anyway may be more than were there: later ones wait for
    /// them, up to a second.
    pub fn take(&mut self, exchanges: u32, rate: u32, now: Timestamp) {
        if exchanges == 0 {
            return;
        }
        let furthest = now.as_microsecond() + tolerance(rate) + SECOND;
        self.0 = (self.used_up_to(rate, now) + cost(exchanges, rate)).min(furthest);
    }

    /// When the next exchange may begin: now, where one may.
    #[must_use]
    pub fn next_at(self, rate: u32, now: Timestamp) -> Timestamp {
        let at = self.used_up_to(rate, now) + cost(1, rate) - tolerance(rate);
        Timestamp::from_microsecond(at).unwrap_or(now).max(now)
    }

    fn used_up_to(self, rate: u32, now: Timestamp) -> i64 {
        let now = now.as_microsecond();
        if self.0 > now + tolerance(rate) + SECOND {
            return now + tolerance(rate) - cost(1, rate);
        }
        self.0.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(1_700_000_000_000_000 + micros).expect("in range")
    }

    #[test]
    fn a_full_bucket_holds_a_tenth_of_a_second() {
        for (rate, burst) in [(1, 1), (9, 1), (30, 3), (50, 5), (70_001, 7000), (100_000, 10_000)] {
            let mut bucket = Bucket::default();
            assert_eq!(bucket.available(rate, at(0)), burst, "{rate}");
            bucket.take(burst, rate, at(0));
            assert_eq!(bucket.available(rate, at(0)), 0, "{rate}");
            let next = bucket.next_at(rate, at(0));
            assert!(next > at(0) && bucket.available(rate, next) >= 1, "{rate}");
            assert_eq!(bucket.available(rate, next - jiff::SignedDuration::from_micros(1)), 0, "{rate}");
        }
    }

    #[test]
    fn what_happened_anyway_is_paid_back_within_a_second() {
        let mut bucket = Bucket::default();
        bucket.take(20, 50, at(0));
        assert_eq!(bucket.next_at(50, at(0)), at(320_000), "15 too many, and one more to come");
        bucket.take(4_000_000, 50, at(0));
        assert_eq!(bucket.next_at(50, at(0)), at(1_020_000));
    }

    #[test]
    fn a_clock_that_was_put_back_stops_nothing_for_long() {
        for back in [1_000_000, 1_200_000, 60_000_000, 86_400_000_000] {
            let mut bucket = Bucket::default();
            bucket.take(5, 50, at(0));
            let wait = bucket.next_at(50, at(-back)).duration_since(at(-back));
            assert!(wait <= jiff::SignedDuration::from_micros(1_020_000), "{back}: {wait}");
        }
        let mut bucket = Bucket(i64::MAX);
        assert_eq!(bucket.available(50, at(0)), 1);
        bucket.take(1, 50, at(0));
        assert_eq!(bucket.available(50, at(0)), 0, "then the rate holds again");
        assert_eq!(Bucket(i64::MIN).available(50, at(0)), 5);
    }

    proptest! {
        /// Daemons share one state, each asks and takes under its lock, with clocks up to a second apart.
        #[test]
        fn no_ten_seconds_hold_more_than_the_rate(
            rate in prop_oneof![1u32..200, 1u32..=100_000],
            skews in proptest::collection::vec(-500_000i64..=500_000, 3),
            asks in proptest::collection::vec((0usize..3, 0i64..400_000, 1u32..20_000), 1..200),
        ) {
            let mut bucket = Bucket::default();
            let mut now = 0;
            let mut taken: Vec<(i64, i64)> = Vec::new();
            for (daemon, pause, wanted) in asks {
                now += pause;
                let clock = at(now + skews[daemon]);
                let some = wanted.min(bucket.available(rate, clock));
                bucket.take(some, rate, clock);
                taken.push((now, i64::from(some)));
                // Measured by the wall: what differs between clocks is the second that they may be apart.
                let window: i64 =
                    taken.iter().filter(|(at, _)| *at > now - 10 * SECOND).map(|(_, some)| some).sum();
                let spread = skews.iter().max().expect("three") - skews.iter().min().expect("three");
                let most = i64::from(rate) * (10 * SECOND + spread) / SECOND + i64::from((rate / 10).max(1)) + 1;
                prop_assert!(window <= most, "{window} in ten seconds at {rate} a second");
            }
        }

        #[test]
        fn one_clock_keeps_the_rate_exactly(
            rate in prop_oneof![1u32..200, 1u32..=100_000],
            asks in proptest::collection::vec((0i64..400_000, 1u32..20_000), 1..200),
        ) {
            let mut bucket = Bucket::default();
            let (mut now, mut taken) = (0, Vec::new());
            for (pause, wanted) in asks {
                now += pause;
                let some = wanted.min(bucket.available(rate, at(now)));
                bucket.take(some, rate, at(now));
                taken.push((now, i64::from(some)));
                let window: i64 =
                    taken.iter().filter(|(at, _)| *at > now - 10 * SECOND).map(|(_, some)| some).sum();
                prop_assert!(window <= i64::from(rate) * 10 + i64::from((rate / 10).max(1)));
            }
        }

        #[test]
        fn whoever_waits_until_next_gets_one(rate in 1u32..=100_000, state in any::<i64>(), now in 0i64..SECOND) {
            let bucket = Bucket(state);
            let next = bucket.next_at(rate, at(now));
            prop_assert!(bucket.available(rate, next) >= 1);
            prop_assert!(next.duration_since(at(now)) <= jiff::SignedDuration::from_secs(2));
        }
    }
}
