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
pub use push::Push;
pub use report::{Report, TransferReport, Violation};
pub use script::{Manner, Rule, Script, Step};
pub use sink::{Pusher, Sink};

pub use axum::http;

use axum::body::Bytes;
use fujian::Fujian;
use guangdong::Guangdong;
use shared::Shared;
use smart_league::SmartLeague;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The three partners, running until [`Sandbox::stop`] or drop.
pub struct Sandbox {
    shared: Arc<Shared>,
    faces: (Arc<SmartLeague>, Arc<Guangdong>, Arc<Fujian>),
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
        let faces = (
            Arc::new(SmartLeague(shared.clone())),
            Arc::new(Guangdong::new(shared.clone())),
            Arc::new(Fujian::new(shared.clone())),
        );
        shared.spawn(server::serve(smart_league, faces.0.clone(), shared.clone()));
        shared.spawn(server::serve(guangdong, faces.1.clone(), shared.clone()));
        shared.spawn(server::serve(fujian, faces.2.clone(), shared.clone()));
        Ok(Self { shared, faces, urls })
    }

    /// What a partner answers to a request that came by another way than its listener; nothing where a fault cuts the
    /// connection. For simulated networks.
    pub async fn answer(
        &self,
        partner: Partner,
        request: http::Request<Bytes>,
    ) -> Option<http::Response<Vec<u8>>> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
        let request = wire::Request { method: head.method, target, headers: head.headers, body };
        let answered = match partner {
            Partner::SmartLeague => server::answer(&*self.faces.0, &self.shared, &request).await,
            Partner::Guangdong => server::answer(&*self.faces.1, &self.shared, &request).await,
            Partner::Fujian => server::answer(&*self.faces.2, &self.shared, &request).await,
        };
        answered.and_then(server::respond).ok()
    }

    /// All that a partner has to push about a transfer, freshly signed, in the order in which it happened: for whoever
    /// carries pushes in another way. Fujian pushes nothing.
    #[must_use]
    pub fn pushes(&self, request_id: &str) -> Vec<Push> {
        let push = |partner| {
            let events = self.shared.book(partner, |book| book.events(request_id).to_vec());
            events.into_iter().map(move |event| Push::sign(&self.shared, partner, event))
        };
        [Partner::SmartLeague, Partner::Guangdong].into_iter().flat_map(push).collect()
    }

    /// Tells the partner what its push was answered with, if anything. Whether that says that it was stored; a wrong
    /// answer is a violation.
    pub fn pushed(&self, push: &Push, answer: Option<http::Response<Vec<u8>>>) -> bool {
        let answer = answer.map(|answer| {
            let (head, body) = answer.into_parts();
            wire::Answer { status: head.status.as_u16(), headers: head.headers, body }
        });
        push.judge(&self.shared, answer.as_ref()) == wire::Verdict::Stored
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
