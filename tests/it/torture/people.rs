//! The lives that transfers lead under torture, and how each must end.

use league_sandbox::{Manner, Rule, Step};

/// One kind of life. Its name begins the request ids.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) name: &'static str,
    /// What happens at the partner; empty: all goes well.
    steps: &'static [Step],
    callbacks: &'static [Manner],
    /// The state in which it must end.
    pub(super) ends: &'static str,
    /// Upstream takes it back as soon as a partner has it.
    pub(super) withdrawn: bool,
    /// The national system makes an account on the way.
    pub(super) account: bool,
}

const WELL: Life =
    Life { name: "WELL", steps: &[], callbacks: &[], ends: "completed", withdrawn: false, account: false };

/// All of them.
pub(super) static LIVES: [Life; 8] = [
    WELL,
    Life { name: "TWICE", callbacks: &[Manner::Duplicate], ..WELL },
    Life {
        name: "ACCOUNT",
        steps: &[Step::AccountCreated, Step::Approve],
        callbacks: &[Manner::Reorder, Manner::Duplicate],
        account: true,
        ..WELL
    },
    Life { name: "EARLY", callbacks: &[Manner::BeforeAnswer], ..WELL },
    Life { name: "LATE", callbacks: &[Manner::Late, Manner::Duplicate], ..WELL },
    Life { name: "LAPSED", steps: &[Step::Expire], ends: "overdue", ..WELL },
    Life { name: "BACK", steps: &[Step::None], ends: "withdrawn", withdrawn: true, ..WELL },
    Life { name: "OLD", steps: &[Step::AccountCreated, Step::Approve], account: true, ..WELL },
];

impl Life {
    /// The life of a request.
    pub(super) fn of(request_id: &str) -> &'static Self {
        let name = request_id.split('-').next().unwrap_or_default();
        LIVES.iter().find(|life| life.name == name).expect("a life")
    }
}

/// What the sandbox must know of them.
pub(super) fn rules() -> Vec<Rule> {
    let rule = |life: &Life| {
        let steps = if life.steps.is_empty() { vec![Step::Approve] } else { life.steps.to_vec() };
        let request_id = Some(format!("{}-*", life.name));
        Rule { request_id, steps, callbacks: life.callbacks.to_vec(), ..Rule::default() }
    };
    LIVES.iter().map(rule).collect()
}
