//! Running the checker, and the one question that it does not answer: can this still end?

use stateright::{Checker as _, Expectation, HasDiscoveries, Model, Path};
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

/// Visits every state: all laws hold but those that are excused, what should be seen is seen, and there are at least
/// `least` states: a model that explores nothing proves nothing.
pub(super) fn all<M>(name: &str, model: M, excused: &[&str], least: usize)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let mut laws = model.properties();
    laws.retain(|law| !excused.contains(&law.name));
    let failures = laws.iter().filter(|law| law.expectation.discovery_is_failure()).map(|law| law.name);
    let failures = HasDiscoveries::AnyOf(failures.collect());
    let checker = model.checker().finish_when(failures).spawn_bfs().join();
    for property in laws {
        let found = checker.discovery(property.name);
        match property.expectation {
            Expectation::Always | Expectation::Eventually => {
                if let Some(path) = found {
                    let steps = steps(checker.model(), property.name, path).join("\n  ");
                    panic!("{name}: \"{}\" does not hold after\n  {steps}", property.name);
                }
            }
            Expectation::Sometimes => {
                assert!(found.is_some(), "{name}: \"{}\" was never seen", property.name)
            }
        }
    }
    let count = checker.unique_state_count();
    println!("{name}: {count} states, {} steps deep", checker.max_depth());
    assert!(count >= least, "{name}: only {count} states");
}

/// A shortest way to a state in which one of the laws does not hold. It must be there.
pub(super) fn counterexample<M>(name: &str, model: M, law: &'static str) -> Vec<String>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let wanted = HasDiscoveries::AnyOf([law].into());
    let checker = model.checker().finish_when(wanted).spawn_bfs().join();
    let path = checker.discovery(law).unwrap_or_else(|| panic!("{name}: \"{law}\" was not seen to break"));
    let steps = steps(checker.model(), law, path);
    println!("{name}: \"{law}\" is broken after {} steps:\n  {}", steps.len(), steps.join("\n  "));
    steps
}

/// The steps of a way, up to the first state that breaks the law.
fn steps<M>(model: &M, law: &'static str, path: Path<M::State, M::Action>) -> Vec<String>
where
    M: Model,
    M::Action: Debug,
{
    let holds = model.property(law).condition;
    let way = path.into_vec();
    let sound = way.into_iter().take_while(|(state, _)| holds(model, state));
    sound.filter_map(|(_, step)| step.map(|step| format!("{step:?}"))).collect()
}

/// A state from which no step, and no number of them, leads to an end: `None` when there is none.
pub(super) fn stuck<M>(model: &M, is_end: impl Fn(&M::State) -> bool) -> Option<M::State>
where
    M: Model,
    M::State: Clone + Eq + Hash,
{
    let mut numbers = HashMap::new();
    let mut states = Vec::new();
    let mut before: Vec<Vec<usize>> = Vec::new();
    for state in model.init_states() {
        numbers.insert(state.clone(), states.len());
        states.push(state);
        before.push(Vec::new());
    }
    let mut at = 0;
    while at < states.len() {
        for next in model.next_states(&states[at].clone()) {
            let number = *numbers.entry(next).or_insert_with_key(|next| {
                states.push(next.clone());
                before.push(Vec::new());
                states.len() - 1
            });
            before[number].push(at);
        }
        at += 1;
    }
    let mut ends = vec![false; states.len()];
    let mut open: VecDeque<usize> = (0..states.len()).filter(|number| is_end(&states[*number])).collect();
    open.iter().for_each(|number| ends[*number] = true);
    while let Some(number) = open.pop_front() {
        for earlier in &before[number] {
            if !ends[*earlier] {
                ends[*earlier] = true;
                open.push_back(*earlier);
            }
        }
    }
    ends.iter().position(|ends| !ends).map(|number| states[number].clone())
}
