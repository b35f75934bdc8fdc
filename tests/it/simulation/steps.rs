//! What can happen, one thing at a time, as the dice fall.

use super::world::{UnderWay, World, pushed, replied};
use crate::support::{SIDES, upstream};
use jiff::SignedDuration;
use league_contract::RequestId;
use league_gateway::intake::{IntakeError, Taken};
use league_gateway::store::Abandoned;
use league_gateway::transport::SendError;
use league_sandbox::{FaultKind, Partner, Step};
use serde_json::json;

/// So far may clocks move in all: no deadline passes by itself, so every end is one that a partner knows.
const FARTHEST: i64 = 5 * 86_400;

/// What a request may meet with an answer.
const TROUBLES: [FaultKind; 8] = [
    FaultKind::DropAfter,
    FaultKind::Maintenance,
    FaultKind::TooMany,
    FaultKind::DataRefused,
    FaultKind::Status500,
    FaultKind::Internal,
    FaultKind::Garbage,
    FaultKind::WrongSignature,
];

impl World {
    /// One step.
    pub(super) async fn step(&mut self) {
        if self.living().is_empty() {
            return self.daemon_dies_or_comes_back().await;
        }
        match self.dice.below(100) {
            0..28 => self.turn().await,
            28..58 => self.network_moves().await,
            58..63 => self.somebody_asks().await,
            63..70 => self.partner_moves().await,
            70..78 => self.push_moves().await,
            78..82 => self.read_feed().await,
            82..90 => self.time_moves().await,
            90..93 => self.sweep().await,
            93..96 => self.upstream_changes_its_mind().await,
            96..98 => self.daemon_dies_or_comes_back().await,
            _ => self.upstream_reads().await,
        }
    }

    /// A place where a daemon lives.
    fn somebody(&mut self) -> Option<usize> {
        let living = self.living();
        (!living.is_empty()).then(|| *self.dice.pick(&living))
    }

    /// One daemon looks after one system.
    async fn turn(&mut self) {
        let Some(at) = self.somebody() else { return };
        let side = usize::try_from(self.dice.below(3)).expect("one of three");
        self.tell(|| format!("daemon {at} works for {}", SIDES[side].system));
        if self.dice.percent(2) {
            self.tell(|| format!("daemon {at} dies between its commit and the first byte"));
            let daemon = self.daemon(at);
            daemon.drivers[side].work(&mut daemon.desks[side], true).await.expect("the turn is committed");
            self.kill(at).await;
        } else {
            self.work(at, side).await;
        }
    }

    /// Something happens to one request, or to the answer to it.
    async fn network_moves(&mut self) {
        let count = self.network.under_way().len() as u64;
        if count == 0 {
            return;
        }
        let at = usize::try_from(self.dice.below(count)).expect("an index");
        let (answered, stale) = {
            let message = &self.network.under_way()[at];
            (message.answer.is_some(), message.stale)
        };
        let waited_for = self.network.under_way()[at].is_waited_for();
        match self.dice.below(100) {
            _ if answered => self.let_go(at),
            0..10 => self.lose(at, SendError::NotSent("refused".into())),
            // The sender gives up; the request itself is still on its way.
            10..18 => self.network.under_way()[at].reply(Err(SendError::Unclear("cut".into()))),
            _ if stale => self.lose(at, SendError::Unclear("cut".into())),
            _ if !waited_for => self.arrive(at, Some(FaultKind::DropAfter)).await,
            18..38 => {
                let trouble = *self.dice.pick(&TROUBLES);
                self.arrive(at, Some(trouble)).await;
                self.let_go(at);
            }
            // The answer takes its time.
            38..50 => self.arrive(at, None).await,
            _ => {
                self.arrive(at, None).await;
                self.let_go(at);
            }
        }
        self.network.forget();
        self.calm().await;
        self.finish_reading().await;
    }

    pub(super) fn lose(&mut self, at: usize, why: SendError) {
        self.tell(|| format!("request {at} is lost: {why}"));
        self.network.under_way().remove(at).reply(Err(why));
    }

    /// A request takes effect at the partner; its answer begins its way back.
    pub(super) async fn arrive(&mut self, at: usize, fault: Option<FaultKind>) {
        let (partner, request, run, about) = {
            let message = &self.network.under_way()[at];
            let about = self.asked.iter().find(|id| message.mentions(id.as_str())).cloned();
            (message.partner, message.request.clone(), message.run, about)
        };
        if let Some(about) = &about {
            self.network.overtake(about.as_str(), at);
        }
        let answer = self.answer(partner, &request, fault).await;
        self.tell(|| {
            let status = answer.as_ref().map(|answer| answer.status);
            format!("{partner} gets a request of run {run} about {about:?}, {fault:?}: {status:?}")
        });
        let message = &mut self.network.under_way()[at];
        match answer {
            Some(answer) => message.answer = Some(answer),
            None => {
                message.stale = true;
                message.reply(Err(SendError::Unclear("cut".into())));
            }
        }
    }

    /// An answer comes back.
    pub(super) fn let_go(&mut self, at: usize) {
        let message = &mut self.network.under_way()[at];
        if let Some(answer) = message.answer.take() {
            message.stale = true;
            message.reply(Ok(answer));
        }
    }

    /// Somebody wants to move: by one daemon's API, by the API twice, or by the intake table.
    async fn somebody_asks(&mut self) {
        let Some(at) = self.somebody() else { return };
        let n = self.asked.len();
        let id = format!("SIM-{n:04}");
        let side = self.dice.pick(&SIDES);
        let document = side.document(&id, n);
        self.tell(|| format!("{id} is asked for at daemon {at}, for {}", side.system));
        if self.dice.percent(30) {
            let insert = format!("INSERT INTO intake (request_id, payload) VALUES ('{id}', '{document}')");
            self.database.execute(&insert).await;
            self.daemon(at).app.intake.drain_table(500).await.expect("the table is drained");
        } else {
            let taken = self.daemon(at).app.intake.create(document.clone()).await.expect("it is taken");
            assert!(matches!(taken, Taken::Created(_)), "{id} is new");
        }
        self.asked.push(RequestId::parse(&id).expect("a request id"));
        if self.dice.percent(20)
            && let Some(other) = self.somebody()
        {
            let taken = self.daemon(other).app.intake.create(document).await.expect("it is taken");
            assert!(matches!(taken, Taken::Same(_)), "it is the same");
        }
    }

    fn some_request(&mut self) -> Option<RequestId> {
        (!self.asked.is_empty()).then(|| self.dice.pick(&self.asked).clone())
    }

    /// The receiving organization, the member, or time decides.
    async fn partner_moves(&mut self) {
        let Some(id) = self.some_request() else { return };
        let step = match self.dice.below(10) {
            0..5 => Step::CheckIn,
            5..7 => Step::AccountCreated,
            7..9 => Step::Reject("材料不全".into()),
            _ => Step::Expire,
        };
        if self.sandbox.advance(id.as_str(), &step).await {
            self.tell(|| format!("{id}: {step:?}"));
        }
    }

    /// A partner pushes what it was not told to be stored yet; or something happens to a push.
    async fn push_moves(&mut self) {
        if self.pushes.is_empty() || self.dice.percent(40) {
            let Some(id) = self.some_request() else { return };
            self.send_pushes(id.as_str());
            return;
        }
        let which = usize::try_from(self.dice.below(self.pushes.len() as u64)).expect("an index");
        if self.dice.percent(15) {
            drop(self.pushes.swap_remove(which));
            return;
        }
        let Some(at) = self.somebody() else { return };
        let lost = self.dice.percent(10);
        self.deliver_push(at, which, lost).await;
    }

    /// A partner pushes all about a transfer that it was not told to be stored.
    pub(super) fn send_pushes(&mut self, id: &str) {
        for push in self.sandbox.pushes(id) {
            if !self.acknowledged.contains(push.event_id()) {
                let guangdong = push.path.ends_with("guangdong");
                let partner = if guangdong { Partner::Guangdong } else { Partner::SmartLeague };
                self.pushes.push(UnderWay { push, partner, heard: true });
            }
        }
    }

    /// A push comes to a daemon; the answer may be lost. It stays under way, for a copy may follow it.
    pub(super) async fn deliver_push(&mut self, at: usize, which: usize, lost: bool) {
        let UnderWay { push, partner, heard } = &mut self.pushes[which];
        let (push, partner, heard) = (push.clone(), *partner, std::mem::take(heard));
        let daemon = self.daemon(at);
        let answer = daemon.api.receiver.receive(daemon.system(partner), pushed(&push)).await;
        self.tell(|| format!("daemon {at} gets push {}: {}", push.event_id(), answer.status));
        if !heard || lost {
            return;
        }
        if self.sandbox.pushed(&push, Some(replied(answer))) {
            self.acknowledged.insert(push.event_id().to_owned());
        }
    }

    /// One daemon looks at Fujian's feed.
    async fn read_feed(&mut self) {
        let Some(at) = self.somebody() else { return };
        self.begin_reading(at).await;
    }

    pub(super) async fn begin_reading(&mut self, at: usize) {
        let daemon = self.daemon(at);
        if daemon.reading.is_some() {
            return;
        }
        let feed = daemon.app.feed(daemon.system(Partner::Fujian));
        daemon.reading = Some(tokio::spawn(async move { feed.poll().await.expect("the page is stored") }));
        self.reading_waits(at).await;
        self.tell(|| format!("daemon {at} looks at the feed"));
    }

    /// Waits until a look at the feed waits for the network, or has ended.
    async fn reading_waits(&mut self, at: usize) {
        let network = self.network.clone();
        let daemon = self.daemon(at);
        let Some(reading) = &mut daemon.reading else { return };
        tokio::select! {
            ended = reading => {
                ended.expect("it did not panic");
                daemon.reading = None;
            }
            () = network.feed_asked(daemon.run) => {}
        }
    }

    /// Lets the looks at the feed whose answers have come end.
    pub(super) async fn finish_reading(&mut self) {
        for at in self.living() {
            self.reading_waits(at).await;
        }
    }

    async fn time_moves(&mut self) {
        let milliseconds = *self.dice.pick(&[1, 11, 1_000, 1_000, 6_000, 25_000, 70_000, 600_000, 7_200_000]);
        let by = SignedDuration::from_millis(milliseconds);
        if self.dice.percent(10) {
            let hours = *self.dice.pick(&[-5, -1, 1, 5]);
            if (0..FARTHEST).contains(&(self.moved + hours * 3600)) {
                self.tell(|| format!("all clocks are set by {hours} h"));
                self.set_clocks(SignedDuration::from_hours(hours));
            }
        } else if self.moved + by.as_secs() < FARTHEST {
            self.tell(|| format!("{milliseconds} ms pass"));
            self.pass(by).await;
            self.finish_reading().await;
        }
    }

    /// One daemon takes back what ran out, or what a dead one left; seldom one that only seemed dead.
    async fn sweep(&mut self) {
        let Some(at) = self.somebody() else { return };
        let mut gone = self.dead.clone();
        if self.dice.percent(10)
            && let Some(other) = self.somebody()
        {
            gone.push(self.daemon(other).app.delivery().worker);
        }
        self.tell(|| format!("daemon {at} sweeps"));
        let sweeper = self.daemon(at).app.sweeper();
        for instance in &gone {
            sweeper.bury(instance).await.expect("the dead are buried");
        }
        let now = self.clock.now();
        sweeper.rescue(Abandoned::Before(now)).await.expect("leases are taken back");
        sweeper.look().await.expect("alarms are looked after");
    }

    /// It takes back, or amends.
    async fn upstream_changes_its_mind(&mut self) {
        let (Some(at), Some(id)) = (self.somebody(), self.some_request()) else { return };
        if self.dice.percent(50) {
            self.amend(at, &id).await;
            return;
        }
        let answer = self.daemon(at).app.intake.withdraw(&id, "不转了", &upstream()).await;
        self.tell(|| format!("upstream takes {id} back at daemon {at}: {}", answer.is_ok()));
        refused_at_most(answer);
    }

    pub(super) async fn amend(&mut self, at: usize, id: &RequestId) {
        let changes = json!({"member": {"phone": "13971000001"}});
        let answer = self.daemon(at).app.intake.amend(id, &changes, &upstream()).await;
        self.tell(|| format!("upstream amends {id} at daemon {at}: {}", answer.is_ok()));
        refused_at_most(answer);
    }

    async fn daemon_dies_or_comes_back(&mut self) {
        let at = usize::try_from(self.dice.below(self.daemons.len() as u64)).expect("an index");
        if self.daemons[at].is_some() {
            self.tell(|| format!("daemon {at} dies"));
            self.kill(at).await;
        } else {
            self.tell(|| format!("daemon {at} comes back"));
            self.start(at).await;
        }
    }

    /// It reads on in the event feed.
    pub(super) async fn upstream_reads(&mut self) {
        let Some(at) = self.somebody() else { return };
        let after = self.heard.last().map_or(0, |event| event.cursor);
        let limit = u32::try_from(1 + self.dice.below(20)).expect("a few");
        let mut tx = self.daemon(at).app.store.read("test").await.expect("the store answers");
        let events = tx.feed(after, limit).await.expect("the feed is read");
        self.heard.extend(events);
    }
}

/// Upstream may ask for what is not allowed any more; nothing else may go wrong.
fn refused_at_most<T>(answer: Result<T, IntakeError>) {
    assert!(matches!(answer, Ok(_) | Err(IntakeError::Refused(_))), "the store and the sealer answer");
}
