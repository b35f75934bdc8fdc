//! Suggestions on a terminal: what differs from what was typed is marked.

use super::super::output::Output;
use crate::organization::suggestion::{Mark, Suggestion};

/// One suggestion on a line. What was typed wrongly and what it should be stand as `[-付-]{+附+}`, in colour where there is some.
pub(in crate::cli) fn suggestion(out: Output, one: &Suggestion) -> String {
    let name = if one.differences.is_empty() {
        one.organization.full_name.clone()
    } else {
        one.differences.iter().map(|mark| marked(out, mark)).collect()
    };
    let elsewhere = one.province_code.map(|code| format!("  {} {code}", out.lang.pick("在", "in")));
    let equivalent = match (one.equivalent, one.differences.is_empty()) {
        (true, true) => out.lang.pick("（同名）", "  (of this very name)"),
        (true, false) => out.lang.pick("（仅写法不同）", "  (only written otherwise)"),
        (false, _) => "",
    };
    let more = [elsewhere.unwrap_or_default(), equivalent.to_owned()].concat();
    format!("  {} {name}{}", one.organization.organization_id, out.dim(&more))
}

fn marked(out: Output, mark: &Mark) -> String {
    let extra = |text: &str| if out.color { out.paint("9;31", text) } else { format!("[-{text}-]") };
    let missing = |text: &str| if out.color { out.paint("4;32", text) } else { format!("{{+{text}+}}") };
    match mark {
        Mark::Same { text } => text.clone(),
        Mark::Replaced { typed, meant } => extra(typed) + &missing(meant),
        Mark::Missing { meant } => missing(meant),
        Mark::Extra { typed } => extra(typed),
    }
}
