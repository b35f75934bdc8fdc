//! The change feed. A page moves the cursor for good, so it is held to what the profile promises of it before a
//! single change is believed: a cursor that jumped too far would lose events silently. A change that can't be read does
//! not spoil its page: its sequence says where it stands, so it is set aside and the others go on.

use crate::schema::{self, LEAGUE, Reader, malformed};
use league_contract::{ChangePage, DecodeError, UnreadableChange};
use league_xml::Element;

/// Reads `ListStatusChangesResponse`, the answer to a question for what came after `after`.
pub(crate) fn page(after: i64, response: &Element) -> Result<ChangePage, DecodeError> {
    let mut reached = after;
    let (mut changes, mut unreadable) = (Vec::new(), Vec::new());
    for change in response.children_named(LEAGUE, "change") {
        let sequence = Reader::league(change).number("sequence")?;
        if sequence <= reached {
            return Err(malformed("change.sequence does not grow from the cursor on"));
        }
        reached = sequence;
        match schema::change(change) {
            Ok(event) => changes.push(event),
            Err(problem) => unreadable.push(UnreadableChange { sequence, problem: problem.to_string() }),
        }
    }
    let read = Reader::league(response);
    let (last, more) = (read.number("last")?, read.boolean("more")?);
    // While there is more, `last` is the page's last change; else it may lie beyond, on a hole.
    let holds = if more { last == reached && reached > after } else { last >= reached };
    if !holds {
        return Err(malformed("last does not fit the cursor and the page's changes"));
    }
    Ok(ChangePage { changes, unreadable, last, more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use league_xml::Encoding;
    use rstest::rstest;

    fn good(sequence: i64) -> String {
        format!(
            "<change><sequence>{sequence}</sequence><eventId>e{sequence}</eventId><requestId>r</requestId>\
             <receiptNo>FJ1</receiptNo><type>ACCEPTED</type>\
             <occurredAt>2024-07-01T09:30:00+08:00</occurredAt></change>"
        )
    }

    fn read(after: i64, sequences: &[i64], last: i64, more: bool) -> Option<(usize, i64, bool)> {
        let changes: String = sequences.iter().map(|&sequence| good(sequence)).collect();
        let text = format!("<x xmlns='{LEAGUE}'>{changes}<last>{last}</last><more>{more}</more></x>");
        let element = league_xml::parse(text.as_bytes(), &[Encoding::Utf8]).expect("well-formed");
        page(after, &element).ok().map(|page| (page.changes.len(), page.last, page.more))
    }

    /// Pages of three changes, of which the middle one is as given.
    fn with_a_middle(middle: &str) -> Result<ChangePage, DecodeError> {
        let changes = [good(1), format!("<change>{middle}</change>"), good(3)].concat();
        let text = format!("<x xmlns='{LEAGUE}'>{changes}<last>3</last><more>true</more></x>");
        page(0, &league_xml::parse(text.as_bytes(), &[Encoding::Utf8]).expect("well-formed"))
    }

    #[rstest]
    #[case("")]
    #[case("<requestId>r</requestId>")]
    #[case("<requestId>r</requestId><requestId>r</requestId>")]
    #[case("<requestId>张三</requestId>")]
    fn a_change_that_is_unreadable_is_set_aside(#[case] rest: &str) {
        let page =
            with_a_middle(&format!("<sequence>2</sequence><eventId>e2</eventId>{rest}")).expect("a page");
        let ids: Vec<&str> = page.changes.iter().map(|change| change.event_id.as_str()).collect();
        assert_eq!(ids, ["e1", "e3"]);
        let [aside] = &page.unreadable[..] else { panic!("{page:?}") };
        assert_eq!(aside.sequence, 2);
        assert!(!aside.problem.contains("张三"), "{}", aside.problem);
        assert_eq!((page.last, page.more), (3, true));
    }

    #[rstest]
    #[case("<eventId>e2</eventId>")]
    #[case("<sequence>two</sequence>")]
    #[case("<sequence>2</sequence><sequence>2</sequence>")]
    #[case("<sequence>1</sequence>")] // unreadable, and out of order
    #[case("<sequence>3</sequence>")]
    fn a_change_without_its_place_spoils_the_page(#[case] middle: &str) {
        assert!(matches!(with_a_middle(middle), Err(DecodeError::Malformed(_))));
    }

    #[rstest]
    #[case(0, &[], 0, false)]
    #[case(7, &[], 7, false)]
    #[case(7, &[], 9, false)] // only holes were spent
    #[case(0, &[1, 2, 3], 3, true)]
    #[case(3, &[5, 9], 9, false)]
    #[case(3, &[5, 9], 12, false)]
    fn pages_that_hold(#[case] after: i64, #[case] changes: &[i64], #[case] last: i64, #[case] more: bool) {
        assert_eq!(read(after, changes, last, more), Some((changes.len(), last, more)));
    }

    #[rstest]
    #[case(3, &[], 2, false)] // the cursor would go back
    #[case(3, &[3], 3, false)] // seen before
    #[case(3, &[2, 4], 4, false)]
    #[case(0, &[2, 2], 2, false)]
    #[case(0, &[3, 2], 3, false)]
    #[case(0, &[1, 5], 4, false)] // the last change would come again
    #[case(0, &[1, 5], 6, true)] // what lies between would be lost
    #[case(3, &[], 3, true)] // no end to it
    #[case(3, &[], 9, true)]
    fn pages_that_do_not(#[case] after: i64, #[case] changes: &[i64], #[case] last: i64, #[case] more: bool) {
        assert_eq!(read(after, changes, last, more), None);
    }
}
