//! When to try again. The only file that names `backoff`: the crate is no longer maintained (see `deny.toml`), and
//! whatever follows it has this one function to fill.

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A `Retry-After` lies outside most signatures: one of years must not strand a member.
const LONGEST_FLOOR: SignedDuration = SignedDuration::from_hours(24);

/// A system's schedule.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The wait after the first failure, before jitter.
    pub initial: Duration,
    /// The longest wait, before jitter.
    pub max: Duration,
}

impl Schedule {
    /// When to try again after `failures` in a row (from 1): doubled each time, with a jitter of a quarter either
    /// way so that what failed together does not come back together, and never before `floor` (a `Retry-After`).
    #[must_use]
    pub fn next(&self, failures: u32, now: Timestamp, floor: Option<Timestamp>) -> Timestamp {
        // The crate keeps its state in memory, ours stands in the row: the interval is set to where the row says.
        let doublings = failures.saturating_sub(1).min(20);
        let current = self.initial.saturating_mul(1 << doublings).min(self.max);
        let mut schedule = ExponentialBackoff {
            current_interval: current,
            initial_interval: self.initial,
            max_interval: self.max,
            randomization_factor: 0.25,
            multiplier: 2.0,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        let wait = schedule.next_backoff().unwrap_or(self.max);
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_secs(600));
        let at = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let longest = now.saturating_add(LONGEST_FLOOR).unwrap_or(Timestamp::MAX);
        floor.map_or(at, |floor| at.max(floor.min(longest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(failures: u32) -> (SignedDuration, SignedDuration) {
        let schedule = Schedule { initial: Duration::from_secs(1), max: Duration::from_secs(600) };
        let now = Timestamp::UNIX_EPOCH;
        let all: Vec<SignedDuration> =
            (0..200).map(|_| schedule.next(failures, now, None).duration_since(now)).collect();
        (all.iter().copied().min().unwrap_or_default(), all.iter().copied().max().unwrap_or_default())
    }

    #[test]
    fn waits_double_up_to_the_longest_with_jitter() {
        for (failures, seconds) in [(0, 1.0), (1, 1.0), (2, 2.0), (5, 16.0), (11, 600.0), (4_000_000, 600.0)]
        {
            let (least, most) = waits(failures);
            assert!(least.as_secs_f64() >= seconds * 0.75 - 1e-6, "{failures}: {least}");
            assert!(most.as_secs_f64() <= seconds * 1.25 + 1e-6, "{failures}: {most}");
            assert!(most > least, "{failures}: jitter");
        }
    }

    #[test]
    fn a_retry_after_is_a_floor() {
        let schedule = Schedule { initial: Duration::from_secs(1), max: Duration::from_secs(600) };
        let now = Timestamp::UNIX_EPOCH;
        let floor = Timestamp::from_second(3600).expect("in range");
        assert_eq!(schedule.next(1, now, Some(floor)), floor);
        assert!(schedule.next(1, now, Some(now)) > now);
        let day = Timestamp::from_second(86_400).expect("in range");
        assert_eq!(schedule.next(1, now, Some(Timestamp::MAX)), day);
    }
}
