//! The two feeds: a partner's, which we read from a durable cursor, and ours, which upstream reads likewise.

use stateright::{Model, Property};

/// How many events there are, of either feed.
pub(super) const EVENTS: usize = 4;
/// How many a partner's page holds.
const PAGE: usize = 2;

/// No event at or before the cursor is missing: nobody would ever ask for it again.
pub(super) const NOTHING_SKIPPED: &str = "the cursor skips nothing";
/// An event is applied once, however often it is read.
pub(super) const ONCE: &str = "an event is applied once";
/// A reader that follows the cursors has seen every event before its place.
pub(super) const NOTHING_MISSED: &str = "a reader misses nothing";

/// A partner's feed, read by two daemons: a leader that does not know yet that it is none any more, and the next one.
pub(super) struct PartnersFeed {
    /// The cursor is committed first, the events of its page after it.
    pub(super) cursor_first: bool,
}

/// Event `n` stands at cursor `n + 1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Read {
    published: usize,
    cursor: usize,
    applied: [u8; EVENTS],
    daemons: [Reader; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    Down,
    Idle,
    Asked {
        after: usize,
    },
    Answered {
        after: usize,
        last: usize,
    },
    /// Broken only: the cursor is committed, the events are not.
    Owes {
        after: usize,
        last: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadStep {
    Publish,
    Advance(usize),
    NoAnswer(usize),
    Crash(usize),
}

impl PartnersFeed {
    fn advance(&self, next: &mut Read, daemon: usize) {
        let keep = |applied: &mut [u8; EVENTS], after: usize, last: usize| {
            // An event is known by its id.
            applied[after..last].iter_mut().filter(|count| **count == 0).for_each(|count| *count += 1);
        };
        next.daemons[daemon] = match next.daemons[daemon] {
            Reader::Down => Reader::Idle,
            Reader::Idle => Reader::Asked { after: next.cursor },
            Reader::Asked { after } => {
                Reader::Answered { after, last: next.published.min(after + PAGE).max(after) }
            }
            Reader::Answered { after, last } => {
                next.cursor = last;
                if self.cursor_first {
                    Reader::Owes { after, last }
                } else {
                    keep(&mut next.applied, after, last);
                    Reader::Idle
                }
            }
            Reader::Owes { after, last } => {
                keep(&mut next.applied, after, last);
                Reader::Idle
            }
        };
    }
}

impl Model for PartnersFeed {
    type State = Read;
    type Action = ReadStep;

    fn init_states(&self) -> Vec<Read> {
        vec![Read { published: 0, cursor: 0, applied: [0; EVENTS], daemons: [Reader::Idle; 2] }]
    }

    fn actions(&self, state: &Read, steps: &mut Vec<ReadStep>) {
        if state.published < EVENTS {
            steps.push(ReadStep::Publish);
        }
        for (number, daemon) in state.daemons.iter().enumerate() {
            steps.push(ReadStep::Advance(number));
            if matches!(daemon, Reader::Asked { .. }) {
                steps.push(ReadStep::NoAnswer(number));
            }
            if *daemon != Reader::Down {
                steps.push(ReadStep::Crash(number));
            }
        }
    }

    fn next_state(&self, last: &Read, step: ReadStep) -> Option<Read> {
        let mut next = last.clone();
        match step {
            ReadStep::Publish => next.published += 1,
            ReadStep::Advance(daemon) => self.advance(&mut next, daemon),
            ReadStep::NoAnswer(daemon) => next.daemons[daemon] = Reader::Idle,
            ReadStep::Crash(daemon) => next.daemons[daemon] = Reader::Down,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_SKIPPED, |_, state: &Read| {
                let at_it = |reader: &Reader| matches!(reader, Reader::Owes { .. });
                state.daemons.iter().any(at_it)
                    || state.applied[..state.cursor].iter().all(|count| *count > 0)
            }),
            Property::always(ONCE, |_, state: &Read| state.applied.iter().all(|count| *count <= 1)),
            Property::sometimes("all is read", |_, state: &Read| state.cursor == EVENTS),
            Property::sometimes("a late page moves the cursor back", |_, state: &Read| {
                state.applied[state.cursor..].iter().any(|count| *count > 0)
            }),
        ]
    }
}

impl Read {
    /// Everything is applied.
    pub(super) fn is_done(&self) -> bool {
        self.applied == [1; EVENTS]
    }
}

/// Our own feed on PostgreSQL: transactions that each write one event take their cursors from one sequence, and commit
/// in any order, while a reader follows.
pub(super) struct OurFeed {
    /// Who takes a cursor does not hold the lock until the commit.
    pub(super) unlocked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Written {
    writers: [Writer; EVENTS],
    sequence: u8,
    /// The reader's place, and what it has seen: a bit a writer.
    place: u8,
    seen: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Writer {
    Before,
    /// Has a cursor; nobody else sees it.
    Writing(u8),
    Committed(u8),
    RolledBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteStep {
    Take(usize),
    Commit(usize),
    RollBack(usize),
    /// The reader takes the next visible event, or all of them.
    Next,
    All,
}

impl Written {
    fn read(&mut self, limit: usize) -> Option<()> {
        let place = self.place;
        let visible = self.writers.iter().enumerate().filter_map(|(number, writer)| match writer {
            Writer::Committed(cursor) if *cursor > place => Some((*cursor, number)),
            Writer::Before | Writer::Writing(_) | Writer::Committed(_) | Writer::RolledBack => None,
        });
        let mut page: Vec<_> = visible.collect();
        page.sort_unstable();
        page.truncate(limit);
        self.place = page.last()?.0;
        page.iter().for_each(|(_, number)| self.seen |= 1 << number);
        Some(())
    }

    /// What is committed is seen.
    pub(super) fn is_done(&self) -> bool {
        self.writers.iter().enumerate().all(|(number, writer)| match writer {
            Writer::Committed(_) => self.seen >> number & 1 == 1,
            Writer::RolledBack => true,
            Writer::Before | Writer::Writing(_) => false,
        })
    }
}

impl Model for OurFeed {
    type State = Written;
    type Action = WriteStep;

    fn init_states(&self) -> Vec<Written> {
        vec![Written { writers: [Writer::Before; EVENTS], sequence: 0, place: 0, seen: 0 }]
    }

    fn actions(&self, state: &Written, steps: &mut Vec<WriteStep>) {
        let locked = state.writers.iter().any(|writer| matches!(writer, Writer::Writing(_)));
        for (number, writer) in state.writers.iter().enumerate() {
            match writer {
                Writer::Before if self.unlocked || !locked => steps.push(WriteStep::Take(number)),
                Writer::Writing(_) => {
                    steps.extend([WriteStep::Commit(number), WriteStep::RollBack(number)]);
                }
                Writer::Before | Writer::Committed(_) | Writer::RolledBack => {}
            }
        }
        steps.extend([WriteStep::Next, WriteStep::All]);
    }

    fn next_state(&self, last: &Written, step: WriteStep) -> Option<Written> {
        let mut next = last.clone();
        match step {
            WriteStep::Take(writer) => {
                next.sequence += 1;
                next.writers[writer] = Writer::Writing(next.sequence);
            }
            WriteStep::Commit(writer) => {
                let Writer::Writing(cursor) = last.writers[writer] else { return None };
                next.writers[writer] = Writer::Committed(cursor);
            }
            // A cursor that was taken is not given back.
            WriteStep::RollBack(writer) => next.writers[writer] = Writer::RolledBack,
            WriteStep::Next => next.read(1)?,
            WriteStep::All => next.read(EVENTS)?,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_MISSED, |_, state: &Written| {
                state.writers.iter().enumerate().all(|(number, writer)| match writer {
                    Writer::Committed(cursor) => *cursor > state.place || state.seen >> number & 1 == 1,
                    Writer::Before | Writer::Writing(_) | Writer::RolledBack => true,
                })
            }),
            Property::sometimes("all is seen", |_, state: &Written| state.seen.count_ones() == 4),
            Property::sometimes("a cursor is never used", |_, state: &Written| {
                state.writers.contains(&Writer::RolledBack) && state.is_done()
            }),
        ]
    }
}
