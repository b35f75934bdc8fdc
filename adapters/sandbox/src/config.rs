//! What a sandbox is started with.

use crate::{Faults, Organization, Script};
use jiff::Timestamp;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// All of it. The default listens on free ports of loopback, knows no organization, and lets everything go well.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Where the national system listens; port 0 is any free one.
    pub smart_league: SocketAddr,
    /// Where Guangdong listens.
    pub guangdong: SocketAddr,
    /// Where Fujian listens.
    pub fujian: SocketAddr,
    /// The gateway's base URL, plain HTTP. Pushes go to `{gateway}/callbacks/smart-league` and
    /// `{gateway}/callbacks/guangdong`; without one there are none.
    pub gateway: Option<String>,
    /// Who the gateway must be, by partner.
    pub credentials: Credentials,
    /// The organizations that exist. Two of one name in one province make that name ambiguous.
    pub organizations: Vec<Organization>,
    /// What happens to transfers.
    pub script: Script,
    /// What goes wrong.
    pub faults: Faults,
    /// How fast things happen.
    pub pace: Pace,
    /// The partners' clock: what they stamp, and hold messages against. Delays are real time all the same.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            smart_league: any,
            guangdong: any,
            fujian: any,
            gateway: None,
            credentials: Credentials::default(),
            organizations: Vec::new(),
            script: Script::default(),
            faults: Faults::default(),
            pace: Pace::default(),
            clock: Arc::new(wall_clock),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the partners' clock is theirs; tests give another one")]
fn wall_clock() -> Timestamp {
    Timestamp::now()
}

/// Who the gateway is to one partner: application id, `AppKey` or user name, and its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name.
    pub id: String,
    /// The secrets or passwords: the first signs, all verify.
    pub secrets: Vec<String>,
}

impl Identity {
    /// One with a single secret.
    #[must_use]
    pub fn new(id: &str, secret: &str) -> Self {
        Self { id: id.to_owned(), secrets: vec![secret.to_owned()] }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The identities at the three partners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `X-App-Id` and its secrets.
    pub smart_league: Identity,
    /// `AppKey` and its secrets.
    pub guangdong: Identity,
    /// User name and passwords.
    pub fujian: Identity,
}

impl Default for Credentials {
    /// `BJGQT` everywhere, with secrets that are known to all.
    fn default() -> Self {
        Self {
            smart_league: Identity::new("BJGQT", "sandbox-smart-league-secret"),
            guangdong: Identity::new("BJGQT", "sandbox-guangdong-secret"),
            fujian: Identity::new("BJGQT", "sandbox-fujian-password"),
        }
    }
}

/// How fast things happen, in real time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Before each step of a script.
    pub review: Duration,
    /// Before the push that says a transfer was taken in (Guangdong).
    pub between: Duration,
    /// How late the events of the manner `late` are.
    pub late: Duration,
    /// How long the gateway has to answer a push.
    pub push_timeout: Duration,
    /// When the national system repeats an unanswered push.
    pub smart_league_retries: Retries,
    /// When Guangdong does.
    pub guangdong_retries: Retries,
}

/// When a push is repeated: after each of `first` in turn, then every `then`, until `during` has passed in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// The first waits.
    pub first: Vec<Duration>,
    /// Every wait after those.
    pub then: Duration,
    /// For how long.
    pub during: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Retries {
    /// The waits before each repeat.
    pub(crate) fn waits(&self) -> impl Iterator<Item = Duration> {
        let mut left = self.during;
        self.first.iter().copied().chain(std::iter::repeat(self.then)).map_while(move |wait| {
            left = left.checked_sub(wait)?;
            Some(wait)
        })
    }

    fn quick() -> Self {
        let first = [200, 400, 800].map(Duration::from_millis).to_vec();
        Self { first, then: Duration::from_secs(1), during: 60 * MINUTE }
    }
}

impl Default for Pace {
    /// Fast enough to watch: reviews take 300 ms, pushes are repeated after 200 ms and then slower, for an hour.
    fn default() -> Self {
        Self {
            review: Duration::from_millis(300),
            between: Duration::from_millis(50),
            late: Duration::from_secs(2),
            push_timeout: Duration::from_secs(10),
            smart_league_retries: Retries::quick(),
            guangdong_retries: Retries::quick(),
        }
    }
}

impl Pace {
    /// The repeats that the profiles name: 1, 5, 30 minutes and hourly for 72 hours; every 10 minutes for 24 hours.
    #[must_use]
    pub fn profile() -> Self {
        Self {
            smart_league_retries: Retries {
                first: vec![MINUTE, 5 * MINUTE, 30 * MINUTE],
                then: 60 * MINUTE,
                during: 72 * 60 * MINUTE,
            },
            guangdong_retries: Retries { first: Vec::new(), then: 10 * MINUTE, during: 24 * 60 * MINUTE },
            ..Self::default()
        }
    }

    /// No delay anywhere but a millisecond between repeats, for tests.
    #[must_use]
    pub fn immediate() -> Self {
        let moment = Duration::from_millis(1);
        let retries = Retries { first: Vec::new(), then: moment, during: MINUTE };
        Self {
            review: Duration::ZERO,
            between: Duration::ZERO,
            late: moment,
            push_timeout: Duration::from_secs(10),
            smart_league_retries: retries.clone(),
            guangdong_retries: retries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_follow_the_profile() {
        let pace = Pace::profile();
        let minutes: Vec<_> = pace.smart_league_retries.waits().map(|wait| wait.as_secs() / 60).collect();
        assert_eq!(minutes[..5], [1, 5, 30, 60, 60]);
        assert_eq!(minutes.len(), 3 + 71);
        assert_eq!(pace.guangdong_retries.waits().count(), 144);
    }
}
