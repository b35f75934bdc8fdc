//! What a service manager is told that asks for it (systemd: `Type=notify`, `WatchdogSec=`): ready, alive, stopping. Where
//! nobody asks, nothing happens.

use crate::clock::Clock;
use jiff::SignedDuration;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;

/// Lets this process open so many files, as far as it may.
///
/// # Errors
/// How many it may open, where that is less.
pub fn open_files(wanted: u64) -> Result<(), u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // No limit is none.
    let (Some(now), most) = (current, maximum.unwrap_or(u64::MAX)) else { return Ok(()) };
    if now >= wanted {
        return Ok(());
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted.min(most)), maximum });
    match raised {
        Ok(()) if most >= wanted => Ok(()),
        Ok(()) => Err(most),
        Err(_) => Err(now),
    }
}

/// The daemon listens and delivers; `status` is shown beside it.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads its configuration anew; [`ready`] says that this is over.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager can't be told the time"),
    }
}

/// It was told to stop, and finishes what is in flight.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing exchanges in flight")]);
}

/// Says again and again that the daemon lives, twice as often as is asked for; for ever, so that a stop that takes its time is no
/// death. It runs on the daemon's own runtime: one that hangs says nothing, and is started anew.
pub async fn alive(clock: Clock) {
    let Some(interval) = sd_notify::watchdog_enabled() else { return };
    let half = SignedDuration::try_from(interval / 2).unwrap_or(SignedDuration::from_secs(1));
    loop {
        tell(&[NotifyState::Watchdog]);
        clock.sleep(half.max(SignedDuration::from_millis(1))).await;
    }
}

/// A manager that can't be reached is no reason not to work.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager can't be told how the daemon is");
    }
}
