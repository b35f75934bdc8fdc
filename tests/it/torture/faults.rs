//! Every fault of the sandbox, for every operation of every system: alone, and in mixes that a seed decides.

use super::dice::Dice;
use league_sandbox::{Fault, FaultKind, Faults, Operation, Partner};

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
