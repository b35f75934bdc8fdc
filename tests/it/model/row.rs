//! One row of the outbox, moved by the daemon's own functions: `advance` for what may follow what, `consequence` for
//! what an outcome means. What the model keeps of a row is what decides; texts and times are filled in and forgotten.

use jiff::{SignedDuration, Timestamp};
use league_contract::{
    Answer, Blockage, Completion, Operation, PartnerStatus, ProvinceCode, Receipt, Record, Refusal, Remark,
    Reply, RequestId, System, Transfer, Words, document,
};
use league_gateway::outbound::{Situation, consequence};
use league_gateway::partner::{Outcome, Policy, Watch};
use league_gateway::retry::Schedule;
use league_gateway::transfer::{
    Entry, Event, Facts, Following, Line, Milestones, State, Verdict, Withdrawal, advance,
};
use std::collections::HashMap;
use std::time::Duration;

/// Submits that count before an operator is asked.
pub(super) const MAX_ATTEMPTS: u8 = 2;

/// A row as far as it decides anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) state: State,
    /// The token of the lease on it.
    pub(super) lease: Option<u8>,
    /// Something is due, sooner or later: time has no length here.
    pub(super) due: bool,
    /// Upstream wants it back.
    pub(super) wish: bool,
    pub(super) attempts: u8,
    /// Submits whose attempt is open: a bit a token.
    pub(super) open: u8,
    /// A submit ended in a way that leaves doubt.
    pub(super) doubtful: bool,
    /// Events of the partner that are kept: a bit a status.
    pub(super) kept: u8,
    /// What the event feed said last.
    pub(super) told: State,
    /// A contradiction is on record: somebody looks.
    pub(super) alarm: bool,
    // What follows is the checker's, not the store's.
    /// Upstream has asked for it once.
    pub(super) wished: bool,
    /// How often an operator said "again".
    pub(super) retried: u8,
    /// A submit went out, and nobody has said yet what became of it.
    pub(super) unresolved: bool,
    /// A submit went out although that was so.
    pub(super) blind: bool,
    /// It was called withdrawn, in doubt, and without having asked.
    pub(super) unasked: bool,
}

/// What an occurrence brings along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Along {
    pub(super) due: bool,
    pub(super) uncounted: bool,
    pub(super) fruitless: bool,
    pub(super) withdrawal_refused: bool,
}

/// What came of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answered {
    Receipt { status: PartnerStatus, duplicate: bool },
    Record(PartnerStatus),
    NotReceived,
    TryLater,
    TooLate,
    Blocked,
    NotSent,
    Silence,
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn policy(completion: Completion) -> Policy {
    Policy {
        following: Following {
            completion,
            reconcile_after: SignedDuration::from_hours(6),
            lapse_after: SignedDuration::from_hours(240),
        },
        watch: Watch {
            backlog_limit: SignedDuration::from_hours(1),
            lapse_warning: SignedDuration::from_hours(48),
        },
        schedule: Schedule { initial: Duration::from_secs(1), max: Duration::from_secs(600) },
        max_attempts: u32::from(MAX_ATTEMPTS),
        concurrency: 1,
        feed_interval: SignedDuration::from_secs(30),
    }
}

fn template() -> Entry {
    let request_id = RequestId::parse("M").expect("an id");
    let code = ProvinceCode::parse("320000").expect("a code");
    let received = Entry::received(request_id, System::named("model"), code, String::new(), now());
    Entry { id: 1, due_at: None, milestones: Milestones::default(), ..received }
}

impl Row {
    /// Just taken in.
    pub(super) fn new() -> Self {
        Self {
            state: State::Queued,
            lease: None,
            due: true,
            wish: false,
            attempts: 0,
            open: 0,
            doubtful: false,
            kept: 0,
            told: State::Queued,
            alarm: false,
            wished: false,
            retried: 0,
            unresolved: false,
            blind: false,
            unasked: false,
        }
    }

    /// `Tx::may_have_arrived`.
    pub(super) fn may_have_arrived(&self) -> bool {
        self.open != 0 || self.doubtful
    }

    /// `Tx::has_open_attempt`, then `Tx::abandon_attempts`.
    pub(super) fn abandon(&mut self) -> bool {
        let open = self.open != 0;
        self.doubtful |= open;
        self.open = 0;
        open
    }

    /// `advance`, then `Tx::save`: state, timeline and feed in one commit.
    pub(super) fn occur(&mut self, rules: &Rules, event: Option<Event>, along: Along, release: bool) {
        let before = Entry {
            state: self.state,
            attempts: u32::from(self.attempts),
            due_at: self.due.then(now),
            withdrawal: self.wish.then(|| Withdrawal { reason: String::new(), at: now() }),
            ..rules.template.clone()
        };
        let facts = Facts {
            due_at: along.due.then(now),
            uncounted: along.uncounted,
            fruitless: along.fruitless,
            withdrawal_refused: along.withdrawal_refused,
            doubtful: rules.tells_doubt && self.may_have_arrived(),
            ..Facts::default()
        };
        let step = advance(policy(rules.completion).following, &before, event, facts, now());
        let asked = matches!(event, Some(Event::NotReceived | Event::Reported(_)));
        if step.entry.state == State::Withdrawn && self.state != State::Withdrawn && !asked {
            self.unasked |= self.may_have_arrived();
        }
        self.alarm |= step.verdict == Verdict::Conflict;
        self.state = step.entry.state;
        // Beyond the last one more says nothing new: a daemon that dies after each claim counts without an end.
        self.attempts = u8::try_from(step.entry.attempts).unwrap_or(u8::MAX).min(MAX_ATTEMPTS + 1);
        self.due = step.entry.due_at.is_some();
        self.wish = step.entry.withdrawal.is_some();
        let mut changed = false;
        for line in &step.lines {
            if let Line::StateChanged { from, to } = line {
                changed = true;
                // The feed is a chain. A link that does not fit leaves it behind for good, which a law below sees.
                if *from == Some(self.told) {
                    self.told = *to;
                }
            }
        }
        if changed || release {
            self.lease = None;
        }
    }
}

/// What was asked, in which state, after how many submits, and what came of it.
type Case = (&'static str, State, u8, Answered);

/// The daemon's own rules, asked once for every case that can come up.
pub(super) struct Rules {
    pub(super) completion: Completion,
    /// `advance` hears that a submit may have arrived: only a broken daemon keeps it back.
    pub(super) tells_doubt: bool,
    template: Entry,
    meanings: HashMap<Case, (Option<Event>, Along)>,
}

impl Rules {
    pub(super) fn new(completion: Completion) -> Self {
        let mut rules =
            Self { completion, tells_doubt: true, template: template(), meanings: HashMap::new() };
        let transfer = a_transfer();
        for operation in [Operation::Submit, Operation::Query, Operation::Withdraw] {
            for state in [State::Sending, State::Unconfirmed, State::Submitted, State::AwaitingCheckIn] {
                for attempts in 0..=MAX_ATTEMPTS + 1 {
                    for answered in every_answer() {
                        let meaning = rules.ask((operation, state, attempts, answered), &transfer);
                        rules.meanings.insert((operation.as_str(), state, attempts, answered), meaning);
                    }
                }
            }
        }
        rules
    }

    fn ask(
        &self,
        (operation, state, attempts, answered): (Operation, State, u8, Answered),
        transfer: &Transfer,
    ) -> (Option<Event>, Along) {
        let entry = Entry { state, attempts: u32::from(attempts), ..self.template.clone() };
        let situation = Situation {
            operation,
            entry: &entry,
            transfer,
            policy: policy(self.completion),
            asked_at: now(),
            now: now(),
        };
        let meant = consequence(situation, &outcome(answered));
        let along = Along {
            due: meant.facts.due_at.is_some(),
            uncounted: meant.facts.uncounted,
            fruitless: meant.facts.fruitless,
            withdrawal_refused: meant.facts.withdrawal_refused,
        };
        (meant.event, along)
    }

    /// What an outcome means for a row as it is now: `consequence`.
    pub(super) fn meaning(
        &self,
        operation: Operation,
        row: &Row,
        answered: Answered,
    ) -> (Option<Event>, Along) {
        // Of a row that is nobody's work any more only a broken daemon asks: it means what it meant to the work.
        let known = |state| self.meanings.contains_key(&(operation.as_str(), state, 0, answered));
        let state = if operation == Operation::Submit {
            State::Sending
        } else if known(row.state) {
            row.state
        } else {
            State::Submitted
        };
        self.meanings[&(operation.as_str(), state, row.attempts.min(MAX_ATTEMPTS + 1), answered)]
    }
}

fn every_answer() -> Vec<Answered> {
    let plain = [
        Answered::NotReceived,
        Answered::TryLater,
        Answered::TooLate,
        Answered::Blocked,
        Answered::NotSent,
        Answered::Silence,
    ];
    let statuses = PartnerStatus::ALL.into_iter().flat_map(|status| {
        [
            Answered::Record(status),
            Answered::Receipt { status, duplicate: false },
            Answered::Receipt { status, duplicate: true },
        ]
    });
    plain.into_iter().chain(statuses).collect()
}

fn outcome(answered: Answered) -> Outcome {
    let remark = || Remark { code: "model".into(), message: Words::new("") };
    let answer = |answer| Outcome::Reply(Reply::Answered(answer));
    match answered {
        Answered::Receipt { status, duplicate } => {
            answer(Answer::Receipt(Receipt { receipt_no: "1".into(), status, duplicate }))
        }
        Answered::Record(status) => answer(Answer::Record(Record {
            request_id: RequestId::parse("M").expect("an id"),
            receipt_no: "1".into(),
            status,
            reason: None,
            check_in_by: None,
            account_created_at: None,
            updated_at: now(),
        })),
        Answered::NotReceived => answer(Answer::NotReceived),
        Answered::TryLater => {
            Outcome::Reply(Reply::TryLater { not_before: None, maintenance: false, remark: remark() })
        }
        Answered::TooLate => Outcome::Reply(Reply::Refused { why: Refusal::TooLate, remark: remark() }),
        Answered::Blocked => {
            Outcome::Reply(Reply::Blocked { why: Blockage::Authentication, remark: remark() })
        }
        Answered::NotSent => Outcome::NotSent(String::new()),
        Answered::Silence => Outcome::NoAnswer(String::new()),
    }
}

fn a_transfer() -> Transfer {
    document::read_canonical(&serde_json::json!({
        "request_id": "M", "initiator": "member",
        "member": {"name": "张三", "id_number": "11010519491231002X", "phone": "13800138000", "joined_on": "2012-05"},
        "source": {"organization_id": "1", "full_name": "来源团支部"},
        "destination": {"province_code": "320000", "full_name": "共青团南京大学委员会"},
        "reason": "other", "details": {"text": "因家庭原因迁往外地居住"}, "applied_at": "2024-07-01T09:30:00+08:00"
    }))
    .expect("valid")
}
