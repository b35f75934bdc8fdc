//! The time: the machine's, or one that a test holds in its hand.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tokio::sync::watch;

/// Where the time comes from. Cheap to clone; clones of a manual clock move together.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's.
    Wall,
    /// A test's: it stands still until [`Clock::advance`].
    Manual(watch::Sender<Timestamp>),
}

/// The store and the partners count in milliseconds: a finer time would change on its way through them.
fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

impl Clock {
    /// A clock that stands at an instant.
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(watch::Sender::new(to_the_millisecond(at)))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
            Self::Wall => to_the_millisecond(Timestamp::now()),
            Self::Manual(time) => *time.borrow(),
        }
    }

    /// Moves a manual clock; sleepers whose time has come wake up. A wall clock stays.
    pub fn advance(&self, by: SignedDuration) {
        if let Self::Manual(time) = self {
            time.send_modify(|now| *now = now.saturating_add(by).unwrap_or(Timestamp::MAX));
        }
    }

    /// Waits until an instant has come.
    pub async fn sleep_until(&self, instant: Timestamp) {
        match self {
            Self::Wall => {
                let left = instant.duration_since(self.now());
                if let Ok(left) = std::time::Duration::try_from(left) {
                    // An alarm in the far future is looked at again daily.
                    tokio::time::sleep(left.min(std::time::Duration::from_secs(86_400))).await;
                }
            }
            Self::Manual(time) => {
                // The sender lives as long as this clock, so the wait ends by the condition alone.
                drop(time.subscribe().wait_for(|now| *now >= instant).await);
            }
        }
    }

    /// Waits for a span.
    pub async fn sleep(&self, span: SignedDuration) {
        self.sleep_until(self.now().saturating_add(span).unwrap_or(Timestamp::MAX)).await;
    }
}

/// Reads a span as people write it: `500ms`, `10s`, `5m`, `6h`, `10d`, `2y` (a year has 365 days).
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).filter(|millis| *millis > 0).map(Duration::from_millis)
}
