//! What a run of many cases tells other programs: JUnit.

use crate::Examined;
use league_xml::Writer;
use std::collections::BTreeMap;

/// One case that was run.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Ran {
    /// Where it stands below the root.
    pub name: String,
    /// Whose profile it shows.
    pub system: String,
    /// What it shows.
    pub title: String,
    /// Whether nothing differs.
    pub passed: bool,
    /// Each field.
    #[serde(flatten)]
    pub examined: Examined,
}

/// JUnit's XML: a suite a system, a case a fixture.
#[must_use]
pub fn junit(ran: &[Ran]) -> String {
    let mut suites: BTreeMap<&str, Vec<&Ran>> = BTreeMap::new();
    for one in ran {
        suites.entry(&one.system).or_default().push(one);
    }
    let failures = |cases: &[&Ran]| cases.iter().filter(|one| !one.passed).count().to_string();
    let all: Vec<&Ran> = ran.iter().collect();
    let mut xml = Writer::new();
    xml.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failed) = (ran.len().to_string(), failures(&all));
    // Replay takes no time worth telling, and the schema wants one.
    xml.start(
        "testsuites",
        &[("name", "fixtures"), ("tests", &tests), ("failures", &failed), ("errors", "0"), ("time", "0")],
    );
    for (system, cases) in suites {
        let (tests, failed) = (cases.len().to_string(), failures(&cases));
        let counts = [
            ("name", system),
            ("tests", &tests),
            ("failures", &failed),
            ("errors", "0"),
            ("skipped", "0"),
            ("time", "0"),
        ];
        xml.start("testsuite", &counts);
        for one in cases {
            let (folder, name) = one.name.rsplit_once('/').unwrap_or(("", &one.name));
            let class = format!("fixtures.{}", folder.replace('/', "."));
            xml.start("testcase", &[("name", name), ("classname", &class), ("time", "0")]);
            if !one.passed {
                failure(&mut xml, one);
            }
            xml.end();
        }
        xml.end();
    }
    xml.finish()
}

fn failure(xml: &mut Writer, one: &Ran) {
    let differing = || one.examined.differences.iter().chain(&one.examined.restyled);
    let fields: Vec<&str> = differing().map(|difference| difference.field.as_str()).collect();
    let message = printable(&format!("{}: {}", one.title, fields.join(", ")));
    let text: Vec<String> = differing().map(ToString::to_string).collect();
    xml.leaf_with("failure", &[("message", &message), ("type", "difference")], &printable(&text.join("\n")));
}

/// Without the characters that XML can't hold.
fn printable(text: &str) -> String {
    let holds = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars()
        .map(|c| if holds(c) && !matches!(c, '\u{FFFE}' | '\u{FFFF}') { c } else { '\u{FFFD}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Difference;

    #[test]
    fn junit_is_well_formed_whatever_a_field_holds() {
        let ran = |name: &str, system: &str, differences: Vec<Difference>| Ran {
            name: name.to_owned(),
            system: system.to_owned(),
            title: "\"<&>\"".to_owned(),
            passed: differences.is_empty(),
            examined: Examined { differences, ..Examined::default() },
        };
        let text = junit(&[
            ran("guangdong/a", "guangdong", vec![]),
            ran("callbacks/guangdong/b", "guangdong", vec![Difference::new("f", "]]>\u{0}", "<\u{FFFF}张")]),
            ran("fujian/c", "fujian", vec![]),
        ]);
        let root = league_xml::parse(text.as_bytes(), &[league_xml::Encoding::Utf8]).expect("well-formed");
        assert_eq!((root.attribute("", "tests"), root.attribute("", "failures")), (Some("3"), Some("1")));
        let [fujian, guangdong] = &root.children[..] else { panic!("two suites") };
        assert_eq!(
            (fujian.attribute("", "name"), fujian.attribute("", "failures")),
            (Some("fujian"), Some("0"))
        );
        let case = guangdong.children_named("", "testcase").nth(1).expect("two cases");
        assert_eq!(case.attribute("", "classname"), Some("fixtures.callbacks.guangdong"));
        let failure = case.child("", "failure").expect("it failed");
        assert_eq!(failure.attribute("", "message"), Some("\"<&>\": f"));
        assert_eq!(failure.text, "f\n  expected: ]]>\u{FFFD}\n  actual:   <\u{FFFD}张");
    }
}
