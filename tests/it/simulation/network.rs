//! The network between daemons and partners: what is sent waits here until the simulation lets it go.

use futures_util::future::BoxFuture;
use league_contract::{WireRequest, WireResponse};
use league_gateway::transport::{Carrier, SendError};
use league_sandbox::Partner;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

/// How long a gateway waits for an answer, in milliseconds: the `timeout` of the tests' configuration.
const PATIENCE: i64 = 5_000;

/// No partner takes what was signed longer ago; a little less than the profiles say.
const FRESH: i64 = 250_000;

/// What came of a request, as its sender sees it.
pub(super) type Answered = Result<WireResponse, SendError>;

#[derive(Debug, Default)]
pub(super) struct Network {
    under_way: Mutex<Vec<Message>>,
    /// Something was sent.
    sent: Notify,
    /// The time that has really passed, in milliseconds, however clocks are set.
    passed: AtomicI64,
}

/// A request that was sent and not answered yet.
#[derive(Debug)]
pub(super) struct Message {
    /// The run of the daemon that sent it.
    pub(super) run: u64,
    pub(super) partner: Partner,
    pub(super) request: WireRequest,
    /// Taken when the gateway has its answer, or gave up.
    reply: Option<oneshot::Sender<Answered>>,
    /// What the partner answered, while it is on its way back.
    pub(super) answer: Option<WireResponse>,
    /// No partner would take it any more: it was signed on a clock that was set since.
    pub(super) stale: bool,
    sent_at: i64,
}

impl Message {
    /// Whether its sender still waits.
    pub(super) fn is_waited_for(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// Whether a text stands in it: the profiles' keys are plain ASCII in all three.
    pub(super) fn mentions(&self, text: &str) -> bool {
        let body = String::from_utf8_lossy(&self.request.body);
        body.contains(text) || self.request.target.contains(text)
    }

    /// Whether it asks for Fujian's changes.
    pub(super) fn asks_the_feed(&self) -> bool {
        self.partner == Partner::Fujian && self.mentions("ListStatusChanges")
    }

    /// Tells the sender.
    pub(super) fn reply(&mut self, answered: Answered) {
        if let Some(reply) = self.reply.take() {
            // A sender that is gone hears nothing.
            reply.send(answered).ok();
        }
    }
}

impl Network {
    pub(super) fn under_way(&self) -> MutexGuard<'_, Vec<Message>> {
        self.under_way.lock().expect("nobody panics with it")
    }

    /// Waits until a look at Fujian's feed is waiting for its answer; `run` is whose.
    pub(super) async fn feed_asked(&self, run: u64) {
        loop {
            let sent = self.sent.notified();
            if self.under_way().iter().any(|one| one.run == run && one.is_waited_for() && one.asks_the_feed())
            {
                return;
            }
            sent.await;
        }
    }

    /// Time passes: whoever has waited for too long gives up. What it sent may arrive all the same.
    pub(super) fn pass(&self, milliseconds: i64) {
        let now = self.passed.fetch_add(milliseconds, Ordering::Relaxed) + milliseconds;
        for message in &mut *self.under_way() {
            if now - message.sent_at >= PATIENCE {
                message.stale |= message.answer.take().is_some();
                message.reply(Err(SendError::Unclear("no answer in time".into())));
            }
            message.stale |= now - message.sent_at >= FRESH;
        }
    }

    /// A transfer's requests keep their order: what was overtaken by a later one is lost. (A partner that gets an old
    /// submit after it said that there is none could be told nothing by any gateway.)
    pub(super) fn overtake(&self, mentioned: &str, by: usize) {
        for message in &mut self.under_way()[..by] {
            if message.answer.is_none() && message.mentions(mentioned) {
                message.stale = true;
                message.reply(Err(SendError::Unclear("overtaken".into())));
            }
        }
    }

    /// Forgets what is of no consequence any more.
    pub(super) fn forget(&self) {
        self.under_way()
            .retain(|message| message.is_waited_for() || !(message.stale || message.answer.is_some()));
    }
}

/// One daemon's way to one partner.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) network: Arc<Network>,
    pub(super) run: u64,
    pub(super) partner: Partner,
}

impl Carrier for Line {
    fn carry(&self, request: WireRequest) -> BoxFuture<'static, Answered> {
        let (network, run, partner) = (self.network.clone(), self.run, self.partner);
        Box::pin(async move {
            let (reply, answered) = oneshot::channel();
            let sent_at = network.passed.load(Ordering::Relaxed);
            let message =
                Message { run, partner, request, reply: Some(reply), answer: None, stale: false, sent_at };
            network.under_way().push(message);
            network.sent.notify_waiters();
            answered.await.unwrap_or_else(|_| Err(SendError::Unclear("the network is gone".into())))
        })
    }
}
