//! The partners' side of the three profiles (`docs/profiles`): strict, stateful, with faults.
//!
//! Three HTTP servers on loopback that keep books of transfers, answer as the profiles say, and push status events
//! to the gateway or keep them in a feed. The crate depends on no adapter and shares no encoder, signer or parser
//! with one: what both ends could get wrong together would never show.
//!
//! **Strict.** Signatures, digests and tokens, time windows, nonces, every field, unknown fields, order of elements:
//! each breach is answered as the profile says, and kept in [`Report::violations`]. Two facts that the profiles imply
//! are held too: an ID number's check character, and that gender follows from its 17th digit.
//!
//! **What happens to a transfer** is a [`Script`], **what goes wrong** are [`Faults`]; one TOML file holds both:
//! ```
//! let scenario = league_sandbox::Scenario::parse(r#"
//! seed = 7                              # of the dice that `probability` rolls
//!
//! [[rule]]                              # the first that matches decides; conditions left out always hold
//! system = "smart_league"               # smart_league, guangdong, fujian
//! request_id = "BJ-2024-*"              # exact, or the beginning before a closing *
//! destination = "共青团南京大学委员会"
//! steps = ["account_created", "approve"]
//! callbacks = ["duplicate", "reorder"]  # also: before_answer, late, conflicting
//!
//! [[rule]]
//! steps = [{ reject = "信息有误" }]     # also: expire, check_in, overdue, none
//!
//! [[fault]]
//! system = "guangdong"
//! operation = "submit"                  # check_organization, search_organizations, query, withdraw, list_changes
//! request_id = "BJ-2024-000007"
//! times = 2                             # always, where left out
//! probability = 0.5
//! kind = "maintenance"                  # one of FaultKind
//! retry_after = 3                       # seconds
//! http_date = false                     # Retry-After as an HTTP date
//!
//! [[fault]]
//! kind = "garbage"
//! effect = false                        # see FaultKind
//! delay_ms = 20                         # alone it is a fault too: a slow answer
//! "#).unwrap();
//! assert_eq!((scenario.script.rules.len(), scenario.faults.faults.len()), (2, 2));
//! ```
//! Without a rule, the national system approves, and with Guangdong and Fujian the member checks in.

mod book;
mod config;
mod desk;
mod faults;
mod fujian;
mod guangdong;
mod life;
mod organizations;
mod partner;
mod push;
mod report;
mod rules;
mod script;
mod server;
mod shared;
mod sink;
mod smart_league;
mod time;
mod wire;
mod xml;

pub use config::{Credentials, Identity, Pace, Retries, SandboxConfig};
pub use faults::{Fault, FaultKind, Faults, Scenario};
pub use organizations::Organization;
pub use partner::{Operation, Partner, Status};
pub use report::{Report, TransferReport, Violation};
pub use script::{Manner, Rule, Script, Step};
pub use sink::{Push, Pusher, Sink};

use shared::Shared;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The three partners, running until [`Sandbox::stop`] or drop.
pub struct Sandbox {
    shared: Arc<Shared>,
    urls: Urls,
}

/// The base URLs that the gateway's configuration needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urls {
    /// `systems.smart_league.base_url`
    pub smart_league: String,
    /// `systems.guangdong.base_url`
    pub guangdong: String,
    /// `systems.fujian.base_url`
    pub fujian: String,
}

impl Sandbox {
    /// Binds the three addresses and begins to serve.
    ///
    /// # Errors
    /// When an address can't be bound.
    pub async fn start(config: SandboxConfig) -> io::Result<Self> {
        let smart_league = TcpListener::bind(config.smart_league).await?;
        let guangdong = TcpListener::bind(config.guangdong).await?;
        let fujian = TcpListener::bind(config.fujian).await?;
        let url = |listener: &TcpListener| listener.local_addr().map(|address| format!("http://{address}"));
        let urls =
            Urls { smart_league: url(&smart_league)?, guangdong: url(&guangdong)?, fujian: url(&fujian)? };
        let shared = Arc::new(Shared::new(config)?);
        let face = Arc::new(smart_league::SmartLeague(shared.clone()));
        shared.spawn(server::serve(smart_league, face, shared.clone()));
        let face = Arc::new(guangdong::Guangdong::new(shared.clone()));
        shared.spawn(server::serve(guangdong, face, shared.clone()));
        let face = Arc::new(fujian::Fujian::new(shared.clone()));
        shared.spawn(server::serve(fujian, face, shared.clone()));
        Ok(Self { shared, urls })
    }

    /// Where the three listen.
    #[must_use]
    pub fn urls(&self) -> Urls {
        self.urls.clone()
    }

    /// Where pushes go from now on, those that wait for their repeat included.
    pub fn set_gateway(&self, url: impl Into<String>) {
        self.shared.state().gateway = Some(url.into());
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.state().faults = faults;
    }

    /// What may still go wrong: `times` counts down with every strike.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.shared.state().faults.clone()
    }

    /// What happens to transfers that are taken in from now on.
    pub fn set_script(&self, script: Script) {
        self.shared.state().script = script;
    }

    /// What the partners have seen so far.
    #[must_use]
    pub fn report(&self) -> Report {
        self.shared.report()
    }

    /// Lets a step happen to a transfer, and tells the gateway; resolves after the first push's answer. False when
    /// no partner has the transfer, or its state does not allow the step.
    pub async fn advance(&self, request_id: &str, step: &Step) -> bool {
        let now = self.shared.now();
        for partner in Partner::ALL {
            let event = self.shared.book(partner, |book| book.step(request_id, step, now));
            if let Some(event) = event {
                life::publish(&self.shared, partner, event, false).await;
                return true;
            }
        }
        false
    }

    /// Tells the gateway all of a transfer's events once more, under their own ids; resolves after the first answers.
    /// Returns how many there were.
    pub async fn push_now(&self, request_id: &str) -> usize {
        let mut count = 0;
        for partner in Partner::ALL {
            let events = self.shared.book(partner, |book| book.events(request_id).to_vec());
            for event in events {
                life::publish(&self.shared, partner, event, false).await;
                count += 1;
            }
        }
        count
    }

    /// Resolves when no transfer has a step of its script ahead, and no push waits for its answer or its repeat.
    pub fn pushes_idle(&self) -> impl Future<Output = ()> {
        let shared = self.shared.clone();
        async move { shared.idle().await }
    }

    /// Closes every connection and forgets everything.
    pub async fn stop(self) {
        self.shared.stop().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.shared.cancel();
    }
}
