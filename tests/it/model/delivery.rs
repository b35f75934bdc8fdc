//! The way out: daemons that claim, open, send and settle; a network that loses and delays; a partner's books.

use super::row::{Along, Answered, MAX_ATTEMPTS, Row, Rules};
use league_contract::{Completion, Operation, PartnerStatus};
use league_gateway::transfer::{Event, State};
use stateright::Model;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is explored.
pub(super) struct Delivery {
    pub(super) rules: Rules,
    pub(super) transfers: usize,
    pub(super) daemons: usize,
    /// The same request id again is a duplicate, as the profiles promise.
    pub(super) idempotent: bool,
    /// The partner can be asked where a transfer stands.
    pub(super) query: bool,
    /// A request may outlive its exchange, and a daemon its lease in the middle of one: it takes effect at any later
    /// time. Without, what was sent has arrived or is lost by the time that anybody asks.
    pub(super) late: bool,
    /// Somebody between us and the partner may say "blocked" of a submit that was done (ADR 0005).
    pub(super) unsigned_no: bool,
    /// Upstream may take a transfer back, at any time, once.
    pub(super) wishes: bool,
    /// How often an operator may say "again".
    pub(super) retries: u8,
    pub(super) broken: Option<Broken>,
}

/// A daemon with one mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Who settles does not prove that the lease is still theirs.
    SettleUnfenced,
    /// Who opens an attempt does not prove it.
    OpenUnfenced,
    /// An unknown outcome goes back to the queue.
    ResendUnknown,
    /// The attempt's row is written after the bytes went.
    AttemptAfterSend,
    /// A rescue takes an open attempt for one that was not sent.
    RescueRequeues,
    /// A callback is answered before its commit.
    CallbackAnsweredFirst,
    /// Who opens an attempt once more closes what is open of the transfer, whosoever it is.
    AbandonUnfenced,
}

/// Everything at one instant. Daemons are alike: their order says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) rows: Vec<Row>,
    pub(super) books: Vec<Book>,
    pub(super) daemons: Vec<Daemon>,
}

/// What the partner has of one transfer, and what is on its way there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Book {
    pub(super) status: Option<PartnerStatus>,
    /// Transfers in effect under the one request id.
    pub(super) effects: u8,
    /// Submits that left a daemon which no longer waits for them.
    pub(super) late_submits: u8,
    /// A withdrawal likewise.
    pub(super) late_withdrawal: bool,
    /// Events that happened: a bit a status.
    pub(super) happened: u8,
    /// Events that we answered as stored.
    pub(super) answered: u8,
}

/// A daemon has one slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Daemon {
    Down,
    Idle,
    Busy(Work),
    /// Answered, not yet committed: a broken daemon only.
    Remembers(usize, PartnerStatus),
}

/// A leased transfer, as it was at the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Work {
    pub(super) row: usize,
    pub(super) token: u8,
    pub(super) task: Task,
    pub(super) stage: Stage,
}

/// What the state at the claim asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Task {
    /// No exchange: settled with this event.
    Settle(Event),
    Exchange(Operation),
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Claimed,
    /// The second commit failed, or its end is unknown: it is made again.
    Unsure,
    Open,
    Over(Answered),
}

/// One step of anybody; `usize` is a daemon or a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Claim {
        daemon: usize,
        row: usize,
    },
    Open(usize),
    /// The second commit's end is unknown; did it happen?
    Unsure(usize, bool),
    Exchange(usize, Fate),
    Settle(usize),
    Crash(usize),
    Start(usize),
    /// A daemon takes back a lease, because its holder is dead or its time is up.
    Rescue(usize),
    /// A request that nobody waits for arrives.
    LateSubmit(usize),
    LateWithdrawal(usize),
    /// The receiving organization decides, or the member checks in.
    Decided(usize),
    Callback(usize, PartnerStatus),
    CommitCallback(usize),
    TakeBack(usize),
    Again(usize),
}

/// What becomes of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    NotSent,
    TryLater,
    RequestLost,
    AnswerLost,
    Late,
    BlockedUndone,
    BlockedDone,
}

const fn bit(status: PartnerStatus) -> u8 {
    1 << status as u8
}

impl Delivery {
    /// The partner's word for "we have it", and for the good end.
    pub(super) fn words(&self) -> [PartnerStatus; 2] {
        match self.rules.completion {
            Completion::Approval => [PartnerStatus::Pending, PartnerStatus::Approved],
            Completion::CheckIn => [PartnerStatus::AwaitingCheckIn, PartnerStatus::CheckedIn],
        }
    }

    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    fn submitted(&self, book: &mut Book) -> Answered {
        let [first, _] = self.words();
        let duplicate = book.status.is_some() && self.idempotent;
        if !duplicate {
            book.effects = (book.effects + 1).min(3);
            book.status.get_or_insert(first);
            book.happened |= bit(first);
        }
        Answered::Receipt { status: first, duplicate }
    }

    fn withdrawn(&self, book: &mut Book) -> Answered {
        let [_, end] = self.words();
        match book.status {
            None => Answered::NotReceived,
            Some(status) if status == end => Answered::TooLate,
            // No event tells of it: the answer says it all.
            Some(_) => {
                book.status = Some(PartnerStatus::Withdrawn);
                Answered::Record(PartnerStatus::Withdrawn)
            }
        }
    }

    fn task(&self, row: &Row) -> Option<Task> {
        match row.state {
            // As the claim leaves it.
            State::Sending if row.wish => Some(Task::Settle(Event::Lost)),
            State::Sending if row.attempts > MAX_ATTEMPTS => Some(Task::Settle(Event::GivenUp)),
            State::Sending => Some(Task::Exchange(Operation::Submit)),
            State::Unconfirmed if !self.query => Some(Task::Settle(Event::GivenUp)),
            State::Submitted | State::AwaitingCheckIn if row.wish => {
                Some(Task::Exchange(Operation::Withdraw))
            }
            State::Unconfirmed | State::Submitted | State::AwaitingCheckIn => {
                self.query.then_some(Task::Exchange(Operation::Query))
            }
            State::Queued
            | State::Completed
            | State::Rejected
            | State::Returned
            | State::Overdue
            | State::Withdrawn
            | State::Failed => None,
        }
    }

    /// The first commit.
    fn claim(&self, world: &mut World, daemon: usize, index: usize) -> Option<()> {
        let token = world.free_token(index);
        let row = &mut world.rows[index];
        if row.state == State::Queued {
            row.occur(&self.rules, Some(Event::Claimed), Along::default(), false);
        }
        let task = self.task(row)?;
        row.lease = Some(token);
        world.daemons[daemon] = Daemon::Busy(Work { row: index, token, task, stage: Stage::Claimed });
        Some(())
    }

    /// The second commit, fenced; or the only other one, where there is nothing to send.
    fn open(&self, world: &mut World, daemon: usize, work: Work) {
        let row = &mut world.rows[work.row];
        let ours = row.lease == Some(work.token);
        if work.stage == Stage::Unsure && (ours || self.is(Broken::AbandonUnfenced)) {
            // Nobody sends for what it opened before.
            row.abandon();
        }
        if !ours && !self.is(Broken::OpenUnfenced) {
            world.daemons[daemon] = Daemon::Idle;
            return;
        }
        match work.task {
            Task::Settle(event) => {
                // Nothing went out this time: the attempt does not count.
                let along = Along { uncounted: row.state == State::Sending, due: true, ..Along::default() };
                row.occur(&self.rules, Some(event), along, true);
                world.daemons[daemon] = Daemon::Idle;
            }
            Task::Exchange(operation) => {
                if operation == Operation::Submit && !self.is(Broken::AttemptAfterSend) {
                    row.open |= 1 << work.token;
                    row.goes_out();
                }
                world.daemons[daemon] = Daemon::Busy(Work { stage: Stage::Open, ..work });
            }
        }
    }

    /// The second commit, of which the daemon hears nothing: no bytes go.
    fn unsure(world: &mut World, daemon: usize, work: Work, happened: bool) {
        let row = &mut world.rows[work.row];
        if happened && row.lease == Some(work.token) {
            row.open |= 1 << work.token;
        }
        world.daemons[daemon] = Daemon::Busy(Work { stage: Stage::Unsure, ..work });
    }

    /// The bytes go, and what becomes of them.
    fn exchange(&self, world: &mut World, daemon: usize, work: Work, fate: Fate) {
        let Task::Exchange(operation) = work.task else { return };
        let (row, book) = (&mut world.rows[work.row], &mut world.books[work.row]);
        if operation == Operation::Submit && self.is(Broken::AttemptAfterSend) {
            row.goes_out();
        }
        let reaches = matches!(fate, Fate::Answered | Fate::AnswerLost | Fate::BlockedDone);
        let mut answer = Answered::Silence;
        if reaches {
            answer = match operation {
                Operation::Submit => self.submitted(book),
                Operation::Withdraw => self.withdrawn(book),
                Operation::Query
                | Operation::CheckOrganization
                | Operation::SearchOrganizations
                | Operation::ListChanges => book.status.map_or(Answered::NotReceived, Answered::Record),
            };
        }
        let answered = match fate {
            Fate::Answered => answer,
            Fate::NotSent => Answered::NotSent,
            Fate::TryLater => Answered::TryLater,
            Fate::BlockedUndone | Fate::BlockedDone => Answered::Blocked,
            Fate::RequestLost | Fate::AnswerLost => Answered::Silence,
            Fate::Late => {
                if operation == Operation::Submit {
                    book.late_submits += 1;
                } else {
                    book.late_withdrawal = true;
                }
                Answered::Silence
            }
        };
        world.daemons[daemon] = Daemon::Busy(Work { stage: Stage::Over(answered), ..work });
    }

    /// The third commit: the attempt's end in any case, what it means only for whoever has the lease.
    fn settle(&self, world: &mut World, daemon: usize, work: Work, answered: Answered) {
        world.daemons[daemon] = Daemon::Idle;
        let Task::Exchange(operation) = work.task else { return };
        let row = &mut world.rows[work.row];
        let mark = 1 << work.token;
        if row.open & mark != 0 {
            row.open &= !mark;
            row.doubtful |= matches!(answered, Answered::Silence | Answered::Blocked);
        }
        let ours = row.lease == Some(work.token);
        if !ours && !self.is(Broken::SettleUnfenced) {
            return;
        }
        let (mut event, along) = self.rules.meaning(operation, row, answered);
        if self.is(Broken::ResendUnknown) && event == Some(Event::Lost) {
            event = Some(Event::Released);
        }
        let doubt = answered == Answered::Silence || (answered == Answered::Blocked && self.unsigned_no);
        row.unresolved &= doubt || !ours;
        row.occur(&self.rules, event, along, true);
    }

    fn rescue(&self, row: &mut Row) {
        let open = row.abandon() && !self.is(Broken::RescueRequeues);
        let event = match (row.state == State::Sending, open) {
            (true, true) => Some(Event::Lost),
            (true, false) => Some(Event::Released),
            (false, _) => None,
        };
        row.occur(&self.rules, event, Along::default(), true);
    }

    /// An event is kept and applied in one commit; it is known by its id, so a second time changes nothing.
    fn apply(&self, row: &mut Row, status: PartnerStatus) {
        if row.kept & bit(status) == 0 {
            row.kept |= bit(status);
            row.unresolved = false;
            row.occur(&self.rules, Some(Event::Reported(status)), Along::default(), false);
        }
    }

    /// `Intake::withdraw`.
    fn take_back(&self, row: &mut Row) {
        row.wished = true;
        let here = match row.state {
            State::Queued => !row.may_have_arrived(),
            State::Returned => true,
            State::Sending
            | State::Unconfirmed
            | State::Submitted
            | State::AwaitingCheckIn
            | State::Completed
            | State::Rejected
            | State::Overdue
            | State::Withdrawn
            | State::Failed => false,
        };
        if here {
            row.occur(&self.rules, Some(Event::WithdrawnHere), Along::default(), false);
        } else {
            row.wish = true;
            row.due = row.state != State::Sending;
        }
    }

    fn fates(&self, work: Work, book: &Book) -> Vec<Fate> {
        let mut fates = vec![Fate::Answered, Fate::RequestLost];
        let Task::Exchange(operation) = work.task else { return Vec::new() };
        if operation != Operation::Query {
            fates.push(Fate::AnswerLost);
            let full =
                if operation == Operation::Submit { book.late_submits > 1 } else { book.late_withdrawal };
            if self.late && !full {
                fates.push(Fate::Late);
            }
        }
        if operation == Operation::Submit {
            fates.extend([Fate::NotSent, Fate::TryLater]);
            if self.unsigned_no {
                fates.extend([Fate::BlockedUndone, Fate::BlockedDone]);
            }
        }
        fates
    }

    /// A lease's time may be up at any moment; but with requests that keep to their time, not amid an exchange.
    fn may_be_rescued(&self, world: &World, index: usize) -> bool {
        let row = &world.rows[index];
        let holder = world.works().find(|work| work.row == index && row.lease == Some(work.token));
        let amid = holder.is_some_and(|work| work.stage == Stage::Open);
        row.lease.is_some() && (self.late || !amid) && world.daemons.iter().any(|one| *one != Daemon::Down)
    }

    fn outside(&self, world: &World, index: usize, steps: &mut Vec<Step>) {
        let (row, book) = (&world.rows[index], &world.books[index]);
        let [first, end] = self.words();
        if self.may_be_rescued(world, index) {
            steps.push(Step::Rescue(index));
        }
        if book.late_submits > 0 {
            steps.push(Step::LateSubmit(index));
        }
        if book.late_withdrawal {
            steps.push(Step::LateWithdrawal(index));
        }
        if book.status == Some(first) {
            steps.push(Step::Decided(index));
        }
        for status in [first, end] {
            let waits = book.happened & !book.answered & bit(status) != 0;
            if waits && world.daemons.iter().any(|one| *one != Daemon::Down) {
                steps.push(Step::Callback(index, status));
            }
        }
        let open = row.state.is_active() || row.state == State::Returned;
        if self.wishes && !row.wished && open {
            steps.push(Step::TakeBack(index));
        }
        if row.state == State::Failed && row.retried < self.retries {
            steps.push(Step::Again(index));
        }
    }
}

impl World {
    pub(super) fn works(&self) -> impl Iterator<Item = &Work> {
        self.daemons.iter().filter_map(|daemon| match daemon {
            Daemon::Busy(work) => Some(work),
            Daemon::Down | Daemon::Idle | Daemon::Remembers(..) => None,
        })
    }

    /// A token that nobody bears and no attempt stands under.
    fn free_token(&self, index: usize) -> u8 {
        let row = &self.rows[index];
        let borne = |token| self.works().any(|work| work.row == index && work.token == token);
        (0..8).find(|token| row.open >> token & 1 == 0 && !borne(*token)).expect("few daemons")
    }

    fn sorted(mut self) -> Self {
        self.daemons.sort_by_cached_key(|daemon| {
            let mut hasher = DefaultHasher::new();
            daemon.hash(&mut hasher);
            hasher.finish()
        });
        self
    }
}

impl Row {
    /// The checker's book-keeping of a submit.
    fn goes_out(&mut self) {
        self.blind |= self.unresolved;
        self.unresolved = true;
    }
}

impl Model for Delivery {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            rows: vec![Row::new(); self.transfers],
            books: vec![Book::default(); self.transfers],
            daemons: vec![Daemon::Idle; self.daemons],
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (number, daemon) in world.daemons.iter().enumerate() {
            if number > 0 && world.daemons[number - 1] == *daemon {
                continue;
            }
            match daemon {
                Daemon::Down => steps.push(Step::Start(number)),
                Daemon::Idle => {
                    let free = |row: &Row| row.due && row.lease.is_none();
                    let rows = (0..self.transfers).filter(|row| free(&world.rows[*row]));
                    steps.extend(rows.map(|row| Step::Claim { daemon: number, row }));
                }
                Daemon::Busy(work) => steps.extend(match work.stage {
                    Stage::Claimed if work.task == Task::Exchange(Operation::Submit) => {
                        vec![Step::Open(number), Step::Unsure(number, false), Step::Unsure(number, true)]
                    }
                    Stage::Claimed | Stage::Unsure => vec![Step::Open(number)],
                    Stage::Open => {
                        let fates = self.fates(*work, &world.books[work.row]);
                        fates.into_iter().map(|fate| Step::Exchange(number, fate)).collect()
                    }
                    Stage::Over(_) => vec![Step::Settle(number)],
                }),
                Daemon::Remembers(..) => steps.push(Step::CommitCallback(number)),
            }
            if *daemon != Daemon::Down {
                steps.push(Step::Crash(number));
            }
        }
        for index in 0..self.transfers {
            self.outside(world, index, steps);
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut next = last.clone();
        let world = &mut next;
        match step {
            Step::Claim { daemon, row } => self.claim(world, daemon, row)?,
            Step::Open(daemon) => self.open(world, daemon, last.work(daemon)?),
            Step::Unsure(daemon, happened) => Self::unsure(world, daemon, last.work(daemon)?, happened),
            Step::Exchange(daemon, fate) => self.exchange(world, daemon, last.work(daemon)?, fate),
            Step::Settle(daemon) => {
                let work = last.work(daemon)?;
                let Stage::Over(answered) = work.stage else { return None };
                self.settle(world, daemon, work, answered);
            }
            Step::Crash(daemon) => world.daemons[daemon] = Daemon::Down,
            Step::Start(daemon) => {
                world.daemons[daemon] = Daemon::Idle;
                // `Tx::abandon_all_attempts`: a rescue reads the others.
                let idle = |row: &&mut Row| row.lease.is_none() && row.state != State::Sending;
                world.rows.iter_mut().filter(idle).for_each(|row| _ = row.abandon());
            }
            Step::Rescue(row) => self.rescue(&mut world.rows[row]),
            Step::LateSubmit(row) => {
                world.books[row].late_submits -= 1;
                self.submitted(&mut world.books[row]);
            }
            Step::LateWithdrawal(row) => {
                world.books[row].late_withdrawal = false;
                self.withdrawn(&mut world.books[row]);
            }
            Step::Decided(row) => {
                let [_, end] = self.words();
                world.books[row].status = Some(end);
                world.books[row].happened |= bit(end);
            }
            Step::Callback(row, status) => {
                world.books[row].answered |= bit(status);
                if self.is(Broken::CallbackAnsweredFirst) {
                    let idle = world.daemons.iter().position(|one| *one == Daemon::Idle)?;
                    world.daemons[idle] = Daemon::Remembers(row, status);
                } else {
                    self.apply(&mut world.rows[row], status);
                }
            }
            Step::CommitCallback(daemon) => {
                let Daemon::Remembers(row, status) = last.daemons[daemon] else { return None };
                world.daemons[daemon] = Daemon::Idle;
                self.apply(&mut world.rows[row], status);
            }
            Step::TakeBack(row) => self.take_back(&mut world.rows[row]),
            Step::Again(row) => {
                let row = &mut world.rows[row];
                row.retried += 1;
                row.unresolved = false;
                row.occur(&self.rules, Some(Event::Retried), Along::default(), false);
            }
        }
        Some(next.sorted())
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        super::laws::of(self)
    }
}

impl World {
    fn work(&self, daemon: usize) -> Option<Work> {
        match &self.daemons[daemon] {
            Daemon::Busy(work) => Some(*work),
            Daemon::Down | Daemon::Idle | Daemon::Remembers(..) => None,
        }
    }
}
