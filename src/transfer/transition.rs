//! The transition table: the only place that knows what may follow what.

use super::{Event, State};
use league_contract::{Completion, PartnerStatus};

/// What an event does to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It changes the state.
    To(State),
    /// Known already, or older than what is known: nothing changes.
    Stays,
    /// It contradicts the state: nothing changes, and somebody should look.
    Conflict,
}

/// What follows. `completion` is the system's: what completes a transfer there.
///
/// The partner's word counts in every state in which the partner may have the transfer, `queued` included: a request
/// that a query did not find may still have been on its way.
#[must_use]
pub const fn transition(completion: Completion, state: State, event: Event) -> Verdict {
    use Verdict::{Conflict, To};
    match event {
        Event::Claimed => only(state, State::Queued, State::Sending),
        Event::Released => from_sending(state, State::Queued),
        Event::Lost => from_sending(state, State::Unconfirmed),
        Event::NotReceived => only(state, State::Unconfirmed, State::Queued),
        Event::Reported(status) => reported(state, state_of(completion, status)),
        Event::DataRefused => from_sending(state, State::Returned),
        Event::GivenUp => match state {
            State::Sending | State::Unconfirmed => To(State::Failed),
            State::Queued
            | State::Submitted
            | State::AwaitingCheckIn
            | State::Completed
            | State::Rejected
            | State::Returned
            | State::Overdue
            | State::Withdrawn
            | State::Failed => Conflict,
        },
        Event::Amended => only(state, State::Returned, State::Queued),
        Event::Retried => only(state, State::Failed, State::Queued),
        Event::WithdrawnHere => match state {
            State::Queued | State::Returned => To(State::Withdrawn),
            State::Withdrawn => Verdict::Stays,
            State::Sending
            | State::Unconfirmed
            | State::Submitted
            | State::AwaitingCheckIn
            | State::Completed
            | State::Rejected
            | State::Overdue
            | State::Failed => Conflict,
        },
        Event::Closed => only(state, State::Failed, State::Withdrawn),
        Event::Lapsed => match state {
            State::Submitted | State::AwaitingCheckIn => To(State::Overdue),
            State::Overdue => Verdict::Stays,
            State::Queued
            | State::Sending
            | State::Unconfirmed
            | State::Completed
            | State::Rejected
            | State::Returned
            | State::Withdrawn
            | State::Failed => Conflict,
        },
    }
}

const fn only(state: State, from: State, to: State) -> Verdict {
    if state as u8 == from as u8 { Verdict::To(to) } else { Verdict::Conflict }
}

const fn from_sending(state: State, to: State) -> Verdict {
    only(state, State::Sending, to)
}

const fn state_of(completion: Completion, status: PartnerStatus) -> State {
    match status {
        PartnerStatus::Pending => State::Submitted,
        PartnerStatus::AwaitingCheckIn => State::AwaitingCheckIn,
        PartnerStatus::Approved => match completion {
            Completion::Approval => State::Completed,
            Completion::CheckIn => State::AwaitingCheckIn,
        },
        PartnerStatus::CheckedIn => State::Completed,
        PartnerStatus::Rejected => State::Rejected,
        PartnerStatus::Overdue => State::Overdue,
        PartnerStatus::Withdrawn => State::Withdrawn,
    }
}

/// A partner's reports come twice, late and out of order: they move a transfer forward and never back, and a final
/// state is contradicted only by another final one.
const fn reported(state: State, target: State) -> Verdict {
    match state {
        State::Queued | State::Sending | State::Unconfirmed => Verdict::To(target),
        State::Submitted => {
            if target as u8 == State::Submitted as u8 {
                Verdict::Stays
            } else {
                Verdict::To(target)
            }
        }
        State::AwaitingCheckIn => {
            if target.is_final() {
                Verdict::To(target)
            } else {
                Verdict::Stays
            }
        }
        State::Completed | State::Rejected | State::Overdue | State::Withdrawn => {
            if target.is_final() && target as u8 != state as u8 { Verdict::Conflict } else { Verdict::Stays }
        }
        // The partner refused this data, or an operator is asked: its word now contradicts its word then.
        State::Returned | State::Failed => Verdict::Conflict,
    }
}

/// The table as Markdown, a row a state and a column an event: `docs/STATES.md` is this text.
#[must_use]
pub fn states_table(completion: Completion) -> String {
    let events = Event::all();
    let name = |event: &Event| match event {
        Event::Reported(status) => format!("reported {status:?}"),
        Event::Claimed
        | Event::Released
        | Event::Lost
        | Event::NotReceived
        | Event::DataRefused
        | Event::GivenUp
        | Event::Amended
        | Event::Retried
        | Event::WithdrawnHere
        | Event::Closed
        | Event::Lapsed => format!("{event:?}"),
    };
    let mut table = String::from("| state |");
    table.extend(events.iter().map(|event| format!(" {} |", name(event))));
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(events.len()));
    for state in State::ALL {
        table.push_str(&format!("\n| `{state}` |"));
        table.extend(events.iter().map(|event| match transition(completion, *state, *event) {
            Verdict::To(to) => format!(" `{to}` |"),
            Verdict::Stays => " · |".to_owned(),
            Verdict::Conflict => " ✗ |".to_owned(),
        }));
    }
    table.push('\n');
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use league_contract::PartnerStatus::{
        Approved, AwaitingCheckIn, CheckedIn, Overdue, Pending, Rejected, Withdrawn,
    };
    use proptest::prelude::*;

    const COMPLETIONS: [Completion; 2] = [Completion::Approval, Completion::CheckIn];

    fn run(completion: Completion, from: State, events: &[Event]) -> State {
        events.iter().fold(from, |state, event| match transition(completion, state, *event) {
            Verdict::To(next) => next,
            Verdict::Stays | Verdict::Conflict => state,
        })
    }

    #[test]
    fn nothing_leaves_a_final_state() {
        for completion in COMPLETIONS {
            for state in State::ALL.iter().filter(|state| state.is_final()) {
                for event in Event::all() {
                    assert!(
                        !matches!(transition(completion, *state, event), Verdict::To(_)),
                        "{state} must not be left by {event:?}"
                    );
                }
            }
        }
    }

    /// Every order, with repeats, of what a profile can report of one transfer ends in the same state.
    #[test]
    fn every_order_that_a_profile_allows_ends_in_the_same_state() {
        let stories: [(Completion, &[PartnerStatus], State); 9] = [
            (Completion::Approval, &[Pending, Approved], State::Completed),
            (Completion::Approval, &[Pending, Rejected], State::Rejected),
            (Completion::Approval, &[Pending, Overdue], State::Overdue),
            (Completion::Approval, &[Pending, Withdrawn], State::Withdrawn),
            (Completion::CheckIn, &[AwaitingCheckIn, CheckedIn], State::Completed),
            (Completion::CheckIn, &[AwaitingCheckIn, Rejected], State::Rejected),
            (Completion::CheckIn, &[AwaitingCheckIn, Overdue], State::Overdue),
            (Completion::CheckIn, &[AwaitingCheckIn, Withdrawn], State::Withdrawn),
            (Completion::CheckIn, &[AwaitingCheckIn, Approved, CheckedIn], State::Completed),
        ];
        for (completion, story, end) in stories {
            for start in [State::Queued, State::Sending, State::Unconfirmed, State::Submitted] {
                let doubled: Vec<PartnerStatus> = story.iter().chain(story).copied().collect();
                for order in permutations(&doubled) {
                    let events: Vec<Event> = order.into_iter().map(Event::Reported).collect();
                    assert_eq!(run(completion, start, &events), end, "{start}: {events:?}");
                }
            }
        }
    }

    fn permutations(items: &[PartnerStatus]) -> Vec<Vec<PartnerStatus>> {
        if items.is_empty() {
            return vec![Vec::new()];
        }
        (0..items.len())
            .flat_map(|at| {
                let mut rest = items.to_vec();
                let first = rest.remove(at);
                permutations(&rest).into_iter().map(move |mut tail| {
                    tail.insert(0, first);
                    tail
                })
            })
            .collect()
    }

    #[test]
    fn the_words_of_the_design_hold() {
        let national = |state, event| transition(Completion::Approval, state, event);
        assert_eq!(national(State::Sending, Event::Lost), Verdict::To(State::Unconfirmed));
        assert_eq!(national(State::Unconfirmed, Event::NotReceived), Verdict::To(State::Queued));
        assert_eq!(national(State::Submitted, Event::NotReceived), Verdict::Conflict);
        assert_eq!(national(State::Returned, Event::Amended), Verdict::To(State::Queued));
        assert_eq!(national(State::Queued, Event::Amended), Verdict::Conflict);
        assert_eq!(national(State::Failed, Event::Retried), Verdict::To(State::Queued));
        assert_eq!(national(State::Submitted, Event::WithdrawnHere), Verdict::Conflict);
        assert_eq!(national(State::Completed, Event::Reported(Rejected)), Verdict::Conflict);
        assert_eq!(national(State::Completed, Event::Reported(Pending)), Verdict::Stays);
        assert_eq!(national(State::Submitted, Event::Lapsed), Verdict::To(State::Overdue));
        assert_eq!(national(State::AwaitingCheckIn, Event::Lapsed), Verdict::To(State::Overdue));
        assert_eq!(national(State::Unconfirmed, Event::Lapsed), Verdict::Conflict);
        assert_eq!(national(State::Overdue, Event::Reported(Approved)), Verdict::Conflict);
        assert_eq!(national(State::Overdue, Event::Reported(Overdue)), Verdict::Stays);
    }

    #[test]
    fn the_document_of_states_is_this_table() {
        let document = include_str!("../../docs/STATES.md");
        for completion in COMPLETIONS {
            let table = states_table(completion);
            assert!(document.contains(&table), "docs/STATES.md should contain:\n{table}");
        }
    }

    #[test]
    fn only_what_the_partner_has_open_can_lapse() {
        for completion in COMPLETIONS {
            for state in State::ALL {
                let lapses = transition(completion, *state, Event::Lapsed) == Verdict::To(State::Overdue);
                assert_eq!(lapses, matches!(state, State::Submitted | State::AwaitingCheckIn), "{state}");
            }
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        proptest::sample::select(Event::all())
    }

    proptest! {
        #[test]
        fn no_sequence_leaves_a_final_state(events in proptest::collection::vec(any_event(), 0..40), national: bool) {
            let completion = if national { Completion::Approval } else { Completion::CheckIn };
            let mut state = State::Queued;
            let mut ended = None;
            for event in events {
                state = run(completion, state, &[event]);
                if let Some(end) = ended { prop_assert_eq!(state, end); }
                if state.is_final() { ended = Some(state); }
            }
        }

        /// Nothing is ever sent twice without the partner's or an operator's word that it is not there.
        #[test]
        fn from_unconfirmed_only_a_word_leads_back_to_queued(event in any_event(), national: bool) {
            let completion = if national { Completion::Approval } else { Completion::CheckIn };
            if transition(completion, State::Unconfirmed, event) == Verdict::To(State::Queued) {
                prop_assert_eq!(event, Event::NotReceived);
            }
        }
    }
}
