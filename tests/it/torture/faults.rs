//! Every fault of the sandbox, for every operation of every system: alone, and in mixes that a seed decides.

use super::database::Kind;
use super::report::{Counts, Round};
use super::world::{Setting, World};
use crate::support::Dice;
use crate::support::{SIDES, Setup, Side, TestApp, document, program};
use league_sandbox::{Fault, FaultKind, Faults, Operation, Partner, Rule, Step};
use serde_json::json;
use std::fmt;
use std::time::Duration;

/// Whether a transfer ends by itself although this fault strikes again and again.
fn passes(kind: FaultKind) -> bool {
    match kind {
        FaultKind::DropBefore
        | FaultKind::DropAfter
        | FaultKind::Maintenance
        | FaultKind::TooMany
        | FaultKind::CursorExpired
        | FaultKind::Status500
        | FaultKind::Internal
        | FaultKind::Garbage
        | FaultKind::WrongSignature
        | FaultKind::Hang => true,
        // It sends a transfer back, or suspends the system until an operator acts.
        FaultKind::DataRefused | FaultKind::Authentication => false,
    }
}

/// Faults of every kind that passes, for every operation of every system, each as likely as `percent` says at most.
pub(super) fn mix(seed: u64, percent: u64) -> Faults {
    let mut dice = Dice::new(seed);
    let mut faults = Vec::new();
    for system in Partner::ALL {
        for operation in Operation::ALL {
            for kind in FaultKind::ALL.into_iter().filter(|kind| passes(*kind)) {
                let effect = dice.percent(50);
                faults.push(Fault {
                    system: Some(system),
                    operation: Some(operation),
                    probability: Some(
                        f64::from(u32::try_from(dice.below(percent + 1)).expect("small")) / 100.0,
                    ),
                    effect: Some(effect),
                    retry_after: Some(0),
                    ..Fault::of(kind)
                });
            }
        }
    }
    Faults { seed, faults }
}

/// One fault of one operation of one system, alone.
#[derive(Clone, Copy)]
struct Case {
    side: &'static Side,
    operation: Operation,
    kind: FaultKind,
    /// Whether the call takes effect, of the kinds that leave this open.
    effect: bool,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for side in &SIDES {
        for operation in Operation::ALL {
            for kind in FaultKind::ALL {
                let both: &[bool] = if leaves_effect_open(kind) { &[false, true] } else { &[false] };
                cases.extend(both.iter().map(|effect| Case { side, operation, kind, effect: *effect }));
            }
        }
    }
    cases.retain(|case| case.strikes());
    cases
}

/// Whether the sandbox lets a test choose if the call takes effect all the same.
fn leaves_effect_open(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Status500
        | FaultKind::Internal
        | FaultKind::Garbage
        | FaultKind::WrongSignature
        | FaultKind::Hang => true,
        FaultKind::DropBefore
        | FaultKind::DropAfter
        | FaultKind::Maintenance
        | FaultKind::TooMany
        | FaultKind::DataRefused
        | FaultKind::Authentication
        | FaultKind::CursorExpired => false,
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side, operation, kind, effect } = self;
        write!(f, "{} {operation:?} {kind:?} (effect: {effect})", side.system)
    }
}

impl Case {
    /// Whether the system has the operation, and the operation the fault.
    fn strikes(self) -> bool {
        let national = self.side.partner == Partner::SmartLeague;
        let feed = self.side.partner == Partner::Fujian;
        match self.operation {
            _ if self.kind == FaultKind::CursorExpired => feed && self.operation == Operation::ListChanges,
            Operation::CheckOrganization => national,
            Operation::ListChanges => feed,
            Operation::SearchOrganizations | Operation::Submit | Operation::Query | Operation::Withdraw => {
                true
            }
        }
    }

    /// Where the transfer must stand in the end, with how many effective transfers.
    fn ends(self) -> (&'static str, u32) {
        let refused = self.kind == FaultKind::DataRefused;
        match self.operation {
            Operation::SearchOrganizations => ("returned", 0),
            Operation::Submit if refused => ("returned", 0),
            // The partner's no to a withdrawal stands.
            Operation::Withdraw if refused => (self.side.waits, 1),
            Operation::Withdraw => ("withdrawn", 1),
            Operation::ListChanges => ("completed", 1),
            Operation::CheckOrganization | Operation::Submit | Operation::Query => (self.side.waits, 1),
        }
    }

    /// Runs it, and says what does not hold.
    async fn run(self, test: &TestApp, n: usize) -> Vec<String> {
        let id = format!("FAULT-{n}");
        let fault = Fault {
            system: Some(self.side.partner),
            operation: Some(self.operation),
            times: Some(1),
            effect: Some(self.effect),
            retry_after: Some(1),
            ..Fault::of(self.kind)
        };
        // Nobody asks about a submit that was answered.
        let lost = self.side.fault(FaultKind::DropAfter, u32::from(self.operation == Operation::Query));
        test.sandbox.set_faults(Faults { seed: 1, faults: vec![fault, lost] });
        let unknown = self.operation == Operation::SearchOrganizations;
        let name = if unknown { "共青团并不存在大学委员会" } else { self.side.organization };
        test.submit(&document(&id, n, self.side.province, name)).await;
        self.provoke(test, &id).await;
        let (state, effective) = self.ends();
        let mut wrong = Vec::new();
        let shown = self.settle(test, &id, state).await;
        if shown["state"] != state {
            wrong.push(format!("{self}: {id} is {shown} instead of {state}"));
        }
        let seen = test.at_partner(&id).map_or(0, |line| line.effective);
        if seen != effective {
            wrong.push(format!("{self}: {id} has {seen} effective transfers instead of {effective}"));
        }
        if test.sandbox.faults().faults[0].times != Some(0) {
            wrong.push(format!("{self}: the fault did not strike"));
        }
        wrong
    }

    /// Brings the gateway to make the call.
    async fn provoke(self, test: &TestApp, id: &str) {
        match self.operation {
            Operation::CheckOrganization | Operation::SearchOrganizations | Operation::Submit => {}
            // The partner's news would end the doubt, too.
            Operation::Query => {
                test.cut_callbacks();
                for _ in 0..3 {
                    test.deliver().await;
                    test.app.clock.advance(jiff::SignedDuration::from_secs(2));
                }
                test.mend_callbacks();
            }
            Operation::Withdraw => {
                self.settle(test, id, self.side.waits).await;
                let path = format!("/v1/transfers/{id}/withdraw");
                test.client.post(&path, &json!({"reason": "改变去向"})).await;
            }
            Operation::ListChanges => {
                self.settle(test, id, self.side.waits).await;
                test.sandbox.advance(id, &self.side.completes).await;
            }
        }
    }

    /// Lets time pass until the transfer is where it must be; an operator resumes a system that was suspended.
    async fn settle(self, test: &TestApp, id: &str, state: &str) -> serde_json::Value {
        test.run_until_idle().await;
        for _ in 0..20 {
            let suspended = test.count("systems WHERE suspended IS NOT NULL").await;
            if suspended > 0 {
                resume(test, self.side);
            } else if test.get(id).await["state"] == state {
                break;
            }
            test.later(5).await;
        }
        test.get(id).await
    }
}

fn resume(test: &TestApp, side: &Side) {
    let mut operator = program();
    test.config_files().iter().for_each(|file| {
        operator.arg("--config").arg(file);
    });
    let resumed = operator.args(["systems", "resume", side.system, "--reason", "mended"]).output();
    let resumed = resumed.expect("runs");
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
}

/// The table of one system in one gateway, or as many percent of it as are asked for: the seed says which.
pub(super) async fn table(side: &'static Side, share: u64, seed: u64) -> Round {
    let mut dice = Dice::new(seed);
    let config = "[systems.smart_league]\ntimeout = \"150ms\"\n[systems.guangdong]\ntimeout = \"150ms\"\n\
                  [systems.fujian]\ntimeout = \"150ms\"\n";
    let waiting = Rule { steps: vec![Step::None], ..Rule::default() };
    let test = Setup::by_hand().rules(vec![waiting]).config(config).start().await;
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    let chosen = |case: &Case| case.side.partner == side.partner && dice.percent(share);
    for (n, case) in cases().into_iter().filter(chosen).enumerate() {
        match tokio::time::timeout(Duration::from_secs(30), case.run(&test, n)).await {
            Ok(found) => wrong.extend(found),
            Err(_) => wrong.push(format!("{case} hangs")),
        }
        counts.add("faults", 1);
    }
    test.finish().await;
    let what = format!("every fault of every operation, alone, {}", side.system);
    Round { area: "Faults", what, seed, counts, wrong }
}

/// The short form tries so many percent of the table.
const SHORT: u64 = 35;

/// Partners whose query never works: nothing is sent a second time unless an operator says so.
pub(super) async fn deaf(seed: u64) -> Round {
    let (mut faults, mut documents) = (Vec::new(), Vec::new());
    for side in &SIDES {
        for kind in FaultKind::ALL.into_iter().filter(|kind| never_answers(*kind, side.partner)) {
            for lost in [FaultKind::DropBefore, FaultKind::DropAfter] {
                let (n, id) = (documents.len(), format!("DEAF-{}-{kind:?}-{lost:?}", side.system));
                documents.push((side.document(&id, n), id.clone()));
                let request_id = Some(id);
                let query = Fault { operation: Some(Operation::Query), times: None, ..side.fault(kind, 0) };
                faults.push(Fault { request_id: request_id.clone(), ..side.fault(lost, 1) });
                faults.push(Fault { request_id, ..query });
            }
        }
    }
    let timeout = |side: &Side| format!("[systems.{}]\ntimeout = \"150ms\"\n", side.system);
    let config: String = SIDES.iter().map(timeout).collect();
    let waiting = Rule { steps: vec![Step::None], ..Rule::default() };
    let test = Setup::by_hand().rules(vec![waiting]).config(&config).start().await;
    test.cut_callbacks();
    test.sandbox.set_faults(Faults { seed, faults });
    for (document, _) in &documents {
        test.submit(document).await;
    }
    for _ in 0..12 {
        test.deliver().await;
        test.app.clock.advance(jiff::SignedDuration::from_hours(1));
    }
    let (mut counts, mut wrong) = (Counts::default(), Vec::new());
    for (_, id) in &documents {
        let state = test.get(id).await["state"].clone();
        let submits = test.at_partner(id).map(|line| line.submits);
        if submits != Some(1) || !(state == "unconfirmed" || state == "failed") {
            wrong.push(format!("{id} is {state} after {submits:?} submits"));
        }
        counts.add("transfers", 1);
    }
    test.mend_callbacks();
    test.finish().await;
    Round { area: "Faults", what: "no query is ever answered".to_owned(), seed, counts, wrong }
}

/// Whether a query under this fault never says what became of a submit. Refused credentials suspend the system, and
/// hide all others: they have their own tests.
fn never_answers(kind: FaultKind, partner: Partner) -> bool {
    match kind {
        FaultKind::WrongSignature => partner != Partner::Fujian,
        FaultKind::CursorExpired | FaultKind::Authentication => false,
        FaultKind::DropBefore
        | FaultKind::DropAfter
        | FaultKind::Maintenance
        | FaultKind::TooMany
        | FaultKind::DataRefused
        | FaultKind::Status500
        | FaultKind::Internal
        | FaultKind::Garbage
        | FaultKind::Hang => true,
    }
}

/// Many faults at once, and no kill: as [`super::kill::round`], with more going wrong.
pub(super) async fn mixed(database: Kind, daemons: usize, transfers: usize, seed: u64) -> Round {
    let setting = Setting { daemons, faults: mix(seed, 12), ..Setting::calm(seed, database) };
    let mut world = World::make(setting).await;
    let mut counts = Counts::default();
    world.begin().await;
    let mut link = None;
    let mut dice = world.dice.fork();
    for _ in 0..transfers {
        world.upstream.hand_over(&mut dice, &mut link).await;
    }
    // Under the faults first: what is still open when the net runs out is judged without them.
    drop(world.upstream.until_all_ended(Duration::from_secs(10)).await);
    let wrong = world.end(&mut counts).await;
    let what = format!("every fault in a mix, {database:?}, {daemons} daemon(s)");
    Round { area: "Faults", what, seed, counts, wrong }
}

#[tokio::test]
async fn without_a_query_nothing_is_sent_twice() {
    deaf(super::seed(23)).await.must_hold();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mix_of_all_faults_ends_well() {
    mixed(Kind::Sqlite, 1, 60, super::seed(5)).await.must_hold();
}

#[tokio::test]
async fn every_fault_of_every_operation_ends_well_smart_league() {
    table(&SIDES[0], SHORT, super::seed(20)).await.must_hold();
}

#[tokio::test]
async fn every_fault_of_every_operation_ends_well_guangdong() {
    table(&SIDES[1], SHORT, super::seed(21)).await.must_hold();
}

#[tokio::test]
async fn every_fault_of_every_operation_ends_well_fujian() {
    table(&SIDES[2], SHORT, super::seed(22)).await.must_hold();
}
