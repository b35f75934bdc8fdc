//! What must hold in every state that can come up.

use super::delivery::{Delivery, World};
use league_contract::PartnerStatus;
use league_gateway::transfer::State;
use stateright::Property;

/// Never two transfers in effect. An idempotent partner sees to it itself; of another, each operator's "again" may
/// make one more, and nothing else.
pub(super) const DOUBLED: &str = "nothing is doubled";
/// No submit goes out while nobody knows what became of the one before: not to an idempotent partner either.
pub(super) const BLIND: &str = "no submit goes out blindly";
/// At most one daemon has a valid lease; what is being sent has one, or nobody would ever take it back.
pub(super) const LEASED: &str = "a lease has one holder";
/// Whatever the gateway has yet to do is due, or somebody is at it.
pub(super) const DUE: &str = "nothing is forgotten";
/// A state that says that the partner has it is true; a final state is the partner's, or a conflict is on record.
pub(super) const TRUE: &str = "a state is true";
/// The same for `withdrawn`.
pub(super) const WITHDRAWN: &str = "withdrawn is withdrawn";
/// A transfer that may have arrived is asked about before it is called withdrawn.
pub(super) const ASKED: &str = "in doubt it is asked before it is withdrawn";
/// The feed tells every change of state once, in order.
pub(super) const TOLD: &str = "the feed tells the state";
/// An event that was answered is kept, or its daemon is still at it.
pub(super) const KEPT: &str = "an answered event is kept";

fn each(world: &World, law: impl Fn(&super::row::Row, &super::delivery::Book) -> bool) -> bool {
    world.rows.iter().zip(&world.books).all(|(row, book)| law(row, book))
}

/// The laws of a setting. Two of them need a network that keeps to its time, or a partner whose "no" is signed.
pub(super) fn of(model: &Delivery) -> Vec<Property<Delivery>> {
    let mut laws = vec![
        Property::always(DOUBLED, |model: &Delivery, world: &World| {
            each(world, |row, book| book.effects <= if model.idempotent { 1 } else { 1 + row.retried })
        }),
        Property::always(LEASED, |_, world: &World| {
            let one = (0..world.rows.len()).all(|index| {
                let lease = world.rows[index].lease;
                world.works().filter(|work| work.row == index && Some(work.token) == lease).count() <= 1
            });
            one && each(world, |row, _| row.state != State::Sending || row.lease.is_some())
        }),
        Property::always(DUE, |_, world| {
            each(world, |row, _| !row.state.is_active() || row.lease.is_some() || row.due)
        }),
        Property::always(TRUE, |model: &Delivery, world: &World| {
            let [_, end] = model.words();
            each(world, |row, book| match row.state {
                State::Submitted | State::AwaitingCheckIn => book.effects > 0,
                State::Completed => book.status == Some(end),
                State::Rejected | State::Overdue => false,
                State::Queued
                | State::Sending
                | State::Unconfirmed
                | State::Returned
                | State::Withdrawn
                | State::Failed => true,
            })
        }),
        Property::always(TOLD, |_, world| each(world, |row, _| row.told == row.state)),
        Property::always(KEPT, |_, world: &World| {
            let at_it = world.daemons.iter().any(|one| matches!(one, super::delivery::Daemon::Remembers(..)));
            at_it || each(world, |row, book| book.answered & !row.kept == 0)
        }),
        // Not laws, but proof that the exploration saw the cases that matter.
        Property::sometimes("one is completed", |_, world| {
            each(world, |row, _| row.state == State::Completed)
        }),
        Property::sometimes("one is in doubt", |_, world| {
            each(world, |row, _| row.state == State::Unconfirmed)
        }),
        Property::sometimes("one is with an operator", |_, world| {
            each(world, |row, _| row.state == State::Failed)
        }),
    ];
    if !model.unsigned_no {
        laws.push(Property::always(BLIND, |_, world| each(world, |row, _| !row.blind)));
    }
    if model.wishes {
        laws.push(Property::always(ASKED, |_, world| each(world, |row, _| !row.unasked)));
        laws.push(Property::always(WITHDRAWN, |_, world| {
            each(world, |row, book| {
                let there = book.status.is_some_and(|status| status != PartnerStatus::Withdrawn);
                row.state != State::Withdrawn || !there || row.alarm
            })
        }));
        laws.push(Property::sometimes("one is withdrawn", |_, world| {
            each(world, |row, _| row.state == State::Withdrawn)
        }));
    }
    laws
}
