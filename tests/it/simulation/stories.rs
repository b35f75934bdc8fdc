//! What seeds found, told as tests of their own: a seed's meaning changes with the steps, a story's does not.

use super::world::World;
use super::{patient, template};
use crate::support::{SIDES, in_time};
use league_contract::RequestId;
use league_gateway::transfer::State;
use league_gateway::transport::SendError;

const FUJIAN: usize = 2;

/// Seed 10. A daemon that was slow loses its lease, takes the same transfer up again, and both exchanges end together:
/// what came of the first says nothing under the second's lease.
#[tokio::test]
async fn an_outcome_counts_under_its_own_lease_alone() {
    let (_folder, template) = template().await;
    let mut world = World::new(0, 1, &template, &patient()).await;
    let id = RequestId::parse("SIM-0000").expect("a request id");
    let intake = world.daemon(0).app.intake.clone();
    intake.create(SIDES[FUJIAN].document(id.as_str(), 0)).await.expect("it is taken");
    world.asked.push(id.clone());
    world.work(0, FUJIAN).await;
    let app = &world.daemon(0).app;
    app.sweeper().bury(&app.delivery().worker).await.expect("it seems to be dead");
    world.work(0, FUJIAN).await;
    assert_eq!(world.network.under_way().len(), 2, "the submit, and the query after it");
    world.arrive(1, None).await;
    world.let_go(1);
    world.lose(0, SendError::NotSent("refused".into()));
    world.calm().await;
    world.work(0, FUJIAN).await;
    assert_ne!(world.stored(&id).await.entry.state, State::Unconfirmed, "the query's answer counts");
    assert_eq!(in_time("the end", world.end()).await, [""; 0]);
    world.kill(0).await;
}
