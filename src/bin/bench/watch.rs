//! What time it is, for those who measure it.

use anyhow::bail;
use std::time::{Duration, Instant};

/// Starts a measurement.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time; nothing is decided by it")]
pub(super) fn start() -> Instant {
    Instant::now()
}

/// Nanoseconds since the epoch, to be compared with what another process on this machine noted.
#[expect(clippy::disallowed_methods, reason = "a bench compares real times of two processes")]
pub(super) fn nanos() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Seconds between two times in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "a span in nanoseconds needs no last digit")]
pub(super) fn seconds(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1e9
}

/// A count as a factor.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}

/// Asks again and again until there is an answer; gives up after `longest`.
pub(super) async fn until<T>(
    what: &str,
    longest: Duration,
    pause: Duration,
    mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = start();
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        if began.elapsed() > longest {
            bail!("{what}: not within {longest:?}");
        }
        tokio::time::sleep(pause).await;
    }
}

/// The value below which `share` of them lie (0.5 is the median); 0 where there are none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index within a list")]
pub(super) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (float(values.len()) * share).ceil() as usize;
    values.get(at.max(1) - 1).copied().unwrap_or_default()
}

/// The day, in UTC.
#[expect(clippy::disallowed_methods, reason = "the table says when it was measured")]
pub(super) fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}
