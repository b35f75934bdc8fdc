//! The gate before a system is one for all daemons: its rate, and its breaker's probe.

use super::template;
use super::world::World;
use crate::support::{SIDES, Side, in_time};
use jiff::SignedDuration;
use league_contract::RequestId;
use league_gateway::transfer::State;
use league_gateway::transport::SendError;
use std::collections::VecDeque;

/// Fujian: nobody asks it for an organization before a submit, so every exchange is a turn's.
const FUJIAN: usize = 2;
const RATE: usize = 10;
const MANY: usize = 60;

/// Three daemons, a slow partner, and much to send to it.
async fn much_to_send(seed: u64) -> World {
    let (_folder, template) = template().await;
    let slow = format!("[systems.fujian]\nrate_per_second = {RATE}\nmax_attempts = 1000\n");
    let mut world = World::new(seed, 3, &template, &slow).await;
    let side: &Side = &SIDES[FUJIAN];
    for n in 0..MANY {
        let id = RequestId::parse(&format!("SIM-{n:04}")).expect("a request id");
        let intake = world.daemon(n % 3).app.intake.clone();
        intake.create(side.document(id.as_str(), n)).await.expect("it is taken");
        world.asked.push(id);
    }
    world
}

impl World {
    /// All daemons look after Fujian, in an order of the dice.
    async fn all_work(&mut self) {
        for _ in 0..6 {
            let at = usize::try_from(self.dice.below(3)).expect("one of three");
            self.work(at, FUJIAN).await;
        }
    }

    async fn taken_in(&mut self) -> usize {
        let mut taken_in = 0;
        for id in self.asked.clone() {
            taken_in += usize::from(self.stored(&id).await.entry.state == State::AwaitingCheckIn);
        }
        taken_in
    }

    async fn close(mut self) {
        for at in 0..self.daemons.len() {
            self.kill(at).await;
        }
    }
}

async fn rate_holds(seed: u64) {
    let mut world = much_to_send(seed).await;
    let mut sent: VecDeque<usize> = VecDeque::new();
    let mut ticks = 0;
    while world.taken_in().await < MANY {
        world.all_work().await;
        sent.push_back(world.network.under_way().len());
        world.deliver_all().await;
        // A second has ten ticks; a tenth of the rate may go out at once.
        if sent.len() > 10 {
            sent.pop_front();
        }
        let within_a_second: usize = sent.iter().sum();
        assert!(within_a_second <= RATE + 1, "seed {seed}: {within_a_second} exchanges within a second");
        world.pass(SignedDuration::from_millis(100)).await;
        ticks += 1;
        assert!(ticks <= 2 * MANY, "seed {seed}: the rate is used");
    }
    assert!(ticks >= MANY - 10, "seed {seed}: {MANY} exchanges in {ticks} ticks");
    world.close().await;
}

async fn one_probe_at_a_time(seed: u64) {
    let mut world = much_to_send(seed).await;
    let lose_all = |world: &mut World| {
        while !world.network.under_way().is_empty() {
            world.lose(0, SendError::Unclear("cut".into()));
        }
    };
    // Nothing comes back, until the breaker opens.
    for _ in 0..30 {
        world.all_work().await;
        lose_all(&mut world);
        world.calm().await;
        world.pass(SignedDuration::from_secs(1)).await;
    }
    let mut probes = 0;
    for _ in 0..20 {
        world.all_work().await;
        let under_way = world.network.under_way().len();
        assert!(under_way <= 1, "seed {seed}: {under_way} exchanges while the breaker is open");
        probes += under_way;
        // Some are answered by silence, some are refused.
        if world.dice.percent(50) {
            lose_all(&mut world);
            world.calm().await;
        }
        world.pass(SignedDuration::from_secs(1)).await;
        world.network.forget();
    }
    assert!(probes > 5, "seed {seed}: it is probed again and again");
    let mut rounds = 0;
    while world.taken_in().await < MANY {
        world.all_work().await;
        world.deliver_all().await;
        world.pass(SignedDuration::from_secs(1)).await;
        rounds += 1;
        assert!(rounds < 200, "seed {seed}: it recovers");
    }
    world.close().await;
}

#[tokio::test]
async fn the_rate_holds_over_all_daemons() {
    for seed in 0..2 {
        in_time("the rate to be kept", rate_holds(seed)).await;
    }
}

#[tokio::test]
async fn an_open_breaker_lets_out_one_probe_at_a_time_over_all_daemons() {
    for seed in 0..2 {
        in_time("the breaker to close", one_probe_at_a_time(seed)).await;
    }
}
