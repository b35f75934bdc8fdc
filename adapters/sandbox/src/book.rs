//! One partner's books: its transfers and, for Fujian, its change feed. No time passes in here and nothing is sent.

use crate::organizations::Found;
use crate::partner::{Account, Changes, Done, Event, EventKind, Record, Refusal, Submission};
use crate::script::Step;
use crate::{Partner, Status};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// How long a member has to check in.
const CHECK_IN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What has come in under a `request_id`, whatever became of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) submits: u32,
    pub(crate) blind_submits: u32,
    pub(crate) resubmits: u32,
    /// A query has found no transfer since the last submit came.
    pub(crate) told_absent: bool,
    /// The last submit came after such a query.
    pub(crate) founded: bool,
    /// The last submit's outcome can't be known to the gateway, and it has not asked since.
    pub(crate) in_doubt: bool,
    pub(crate) callbacks_sent: u32,
    pub(crate) callbacks_answered: u32,
}

#[derive(Debug)]
struct Entry {
    submission: Submission,
    organization_id: String,
    effective: u32,
    first: Status,
    record: Record,
    events: Vec<Event>,
}

#[derive(Debug)]
pub(crate) struct Book {
    partner: Partner,
    /// Begins every id that this book gives out, so that another run's are others.
    run: String,
    spent_ids: u64,
    entries: BTreeMap<String, Entry>,
    pub(crate) tallies: BTreeMap<String, Tally>,
    feed: Vec<(i64, Event)>,
    spent_sequence: i64,
}

impl Book {
    pub(crate) fn new(partner: Partner, run: &str) -> Self {
        let run = format!("{}{run}", ["ZT", "GD", "FJ"][partner as usize]);
        let (entries, tallies) = (BTreeMap::new(), BTreeMap::new());
        Self { partner, run, spent_ids: 0, entries, tallies, feed: Vec::new(), spent_sequence: 0 }
    }

    fn next_id(&mut self) -> String {
        self.spent_ids += 1;
        format!("{}{:06}", self.run, self.spent_ids)
    }

    /// Takes a transfer in; the second value says whether it is a new one. A refusal leaves the key free.
    pub(crate) fn submit(
        &mut self,
        submission: Submission,
        found: &Found,
        now: Timestamp,
    ) -> Result<(Done, bool), Refusal> {
        if let Some(entry) = self.entries.get(&submission.request_id) {
            let tally = self.tallies.entry(submission.request_id.clone()).or_default();
            tally.resubmits += u32::from(!tally.founded);
            if entry.submission.content != submission.content {
                return Err(Refusal::Conflict);
            }
            let receipt_no = entry.record.receipt_no.clone();
            return Ok((Done::Receipt { receipt_no, status: entry.first, duplicate: true }, false));
        }
        let (Found::One(organization) | Found::Several(organization)) = found else {
            return Err(Refusal::NoOrganization);
        };
        let (status, check_in_by) = match self.partner {
            Partner::SmartLeague => (Status::Pending, None),
            Partner::Guangdong | Partner::Fujian => (Status::AwaitingCheckIn, Some(now + CHECK_IN)),
        };
        let receipt_no = self.next_id();
        let record = Record {
            request_id: submission.request_id.clone(),
            receipt_no: receipt_no.clone(),
            status,
            reason: None,
            check_in_by,
            updated_at: now,
            account: None,
        };
        let key = submission.request_id.clone();
        let organization_id = organization.org_id.clone();
        let entry =
            Entry { submission, organization_id, effective: 1, first: status, record, events: Vec::new() };
        self.entries.insert(key, entry);
        Ok((Done::Receipt { receipt_no, status, duplicate: false }, true))
    }

    pub(crate) fn record(&self, request_id: &str) -> Option<&Record> {
        self.entries.get(request_id).map(|entry| &entry.record)
    }

    pub(crate) fn destination(&self, request_id: &str) -> Option<&str> {
        self.entries.get(request_id).map(|entry| entry.submission.full_name.as_str())
    }

    pub(crate) fn events(&self, request_id: &str) -> &[Event] {
        self.entries.get(request_id).map_or(&[], |entry| &entry.events)
    }

    /// Every key with its count of effective transfers and its state.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&String, &Tally, u32, Option<Status>)> {
        self.tallies.iter().map(|(key, tally)| {
            let entry = self.entries.get(key);
            (key, tally, entry.map_or(0, |entry| entry.effective), entry.map(|entry| entry.record.status))
        })
    }

    /// Takes a transfer back; a second time changes nothing.
    pub(crate) fn withdraw(&mut self, request_id: &str, now: Timestamp) -> Result<Record, Refusal> {
        let entry = self.entries.get_mut(request_id).ok_or(Refusal::NoSuchRequest)?;
        if entry.record.status == Status::Withdrawn {
            return Ok(entry.record.clone());
        }
        if !entry.record.status.is_open() {
            return Err(Refusal::TooLate);
        }
        entry.record.status = Status::Withdrawn;
        entry.record.updated_at = now;
        let record = entry.record.clone();
        // The two others have no event of a withdrawal: their answer says it all.
        if self.partner == Partner::Fujian
            && let Some(event) = self.note(request_id, EventKind::Status(Status::Withdrawn), now)
        {
            self.publish(event);
        }
        Ok(record)
    }

    /// The event that says the transfer was taken in; the national system has none.
    pub(crate) fn acceptance(&mut self, request_id: &str) -> Option<Event> {
        let (first, at) = self.entries.get(request_id).map(|entry| (entry.first, entry.record.updated_at))?;
        (self.partner != Partner::SmartLeague)
            .then(|| self.note(request_id, EventKind::Status(first), at))
            .flatten()
    }

    /// Lets a step happen, where the transfer's state allows it.
    pub(crate) fn step(&mut self, request_id: &str, step: &Step, now: Timestamp) -> Option<Event> {
        let status = match step {
            Step::Approve | Step::CheckIn => self.completed(),
            Step::Reject(_) => Status::Rejected,
            Step::Expire | Step::Overdue => Status::Lapsed,
            Step::AccountCreated => return self.make_account(request_id, now),
            Step::None => return None,
        };
        let record = &mut self.entries.get_mut(request_id)?.record;
        if !record.status.is_open() {
            return None;
        }
        record.status = status;
        record.updated_at = now;
        if let Step::Reject(reason) = step {
            record.reason = Some(reason.clone());
        }
        self.note(request_id, EventKind::Status(status), now)
    }

    fn completed(&self) -> Status {
        match self.partner {
            Partner::SmartLeague => Status::Approved,
            Partner::Guangdong | Partner::Fujian => Status::CheckedIn,
        }
    }

    fn make_account(&mut self, request_id: &str, now: Timestamp) -> Option<Event> {
        let entry = self.entries.get_mut(request_id)?;
        let alive = matches!(entry.record.status, Status::Pending | Status::Approved);
        if !alive || entry.record.account.is_some() {
            return None;
        }
        let account = Account { username: entry.submission.id_number.clone(), created_at: now };
        entry.record.account = Some(account.clone());
        self.note(request_id, EventKind::Account(account), now)
    }

    /// An event with a new id that says the opposite of the transfer's end. It is not part of the transfer's story.
    pub(crate) fn contradiction(&mut self, request_id: &str, now: Timestamp) -> Option<Event> {
        let status = self.entries.get(request_id)?.record.status;
        let (opposite, reason) = match status {
            Status::Approved | Status::CheckedIn => (Status::Rejected, Some("与先前的结果相反".to_owned())),
            Status::Rejected | Status::Lapsed | Status::Withdrawn => (self.completed(), None),
            Status::Pending | Status::AwaitingCheckIn => return None,
        };
        let event = self.event(request_id, EventKind::Status(opposite), now)?;
        Some(Event { reason, ..event })
    }

    fn note(&mut self, request_id: &str, kind: EventKind, now: Timestamp) -> Option<Event> {
        let event = self.event(request_id, kind, now)?;
        self.entries.get_mut(request_id)?.events.push(event.clone());
        Some(event)
    }

    fn event(&mut self, request_id: &str, kind: EventKind, now: Timestamp) -> Option<Event> {
        let event_id = self.next_id();
        let entry = self.entries.get(request_id)?;
        let waits = matches!(kind, EventKind::Status(Status::AwaitingCheckIn));
        let approves = matches!(kind, EventKind::Status(Status::Approved));
        Some(Event {
            event_id,
            request_id: request_id.to_owned(),
            receipt_no: entry.record.receipt_no.clone(),
            reason: entry
                .record
                .reason
                .clone()
                .filter(|_| matches!(kind, EventKind::Status(Status::Rejected))),
            check_in_by: entry.record.check_in_by.filter(|_| waits),
            organization_id: approves.then(|| entry.organization_id.clone()),
            kind,
            occurred_at: now,
        })
    }

    /// Appends to the feed. Every third event leaves a hole behind it, so that the highest sequence spent is one.
    pub(crate) fn publish(&mut self, event: Event) {
        self.spent_sequence += 1;
        self.feed.push((self.spent_sequence, event));
        if self.feed.len().is_multiple_of(3) {
            self.spent_sequence += 1;
        }
    }

    /// A page of the feed. There never was a cursor above what is spent.
    pub(crate) fn changes(&self, after: i64, limit: usize) -> Result<Changes, Refusal> {
        if !(0..=self.spent_sequence).contains(&after) {
            return Err(Refusal::CursorExpired);
        }
        let from = self.feed.partition_point(|(sequence, _)| *sequence <= after);
        let changes: Vec<_> = self.feed[from..].iter().take(limit).cloned().collect();
        let more = from + changes.len() < self.feed.len();
        let end = changes.last().map(|(sequence, _)| *sequence).filter(|_| more);
        Ok(Changes { changes, last: end.unwrap_or(self.spent_sequence), more })
    }
}
