//! Clocks and memory of this process.

use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// Time of a clock, as a span since its own beginning.
pub(crate) fn now(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Processor time and wall time of many calls, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Times {
    processor: Vec<f64>,
    wall: Vec<f64>,
}

impl Times {
    /// Measures one call.
    pub(crate) fn of<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let (wall, processor) = (now(ClockId::Monotonic), now(ClockId::ThreadCPUTime));
        let result = call();
        self.processor.push((now(ClockId::ThreadCPUTime) - processor).as_secs_f64() * 1e6);
        self.wall.push((now(ClockId::Monotonic) - wall).as_secs_f64() * 1e6);
        result
    }

    /// Processor time that a share of calls stays under.
    pub(crate) fn processor(&self, share: f64) -> f64 {
        at(&self.processor, share)
    }

    /// Wall time likewise.
    pub(crate) fn wall(&self, share: f64) -> f64 {
        at(&self.wall, share)
    }

    /// How many calls there were.
    pub(crate) fn count(&self) -> usize {
        self.wall.len()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a length"
)]
fn at(all: &[f64], share: f64) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// A line of `/proc/self/status` in mebibytes: `VmHWM`, `RssAnon`.
pub(crate) fn memory(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok());
    kibibytes.unwrap_or(0.0) / 1024.0
}
