//! Status events and nonces.

use super::backend::Bench;
use super::samples::{GUANGDONG, NATIONAL, at, remember};
use league_contract::{NONCE_MEMORY_SECONDS, System};
use league_gateway::store::{CallbackFilter, CallbackRow, CallbackVerdict, NewCallback};

fn event<'a>(system: &'a System, event_id: &'a str, verdict: CallbackVerdict) -> NewCallback<'a> {
    NewCallback {
        system,
        event_id,
        request_id: "BJ-1",
        event: "approved",
        verdict,
        received_at: at(3),
        event_sealed: b"event",
        raw_sealed: b"raw",
    }
}

async fn keep(bench: &Bench, new: NewCallback<'_>) {
    bench.write(async |tx| tx.insert_callbacks(&[new]).await).await;
}

async fn kept(bench: &Bench, system: &System) -> Vec<CallbackRow> {
    bench.read(async |tx| tx.callbacks_of(system, "BJ-1").await).await
}

pub(super) async fn an_event_is_kept_with_its_verdict(bench: Bench) {
    let verdicts = [
        CallbackVerdict::Applied,
        CallbackVerdict::Duplicate,
        CallbackVerdict::Unmatched,
        CallbackVerdict::Conflict,
        CallbackVerdict::Refused,
    ];
    for (number, verdict) in verdicts.into_iter().enumerate() {
        keep(&bench, event(&NATIONAL, &format!("E-{number}"), verdict)).await;
    }
    keep(&bench, event(&GUANGDONG, "E-0", CallbackVerdict::Applied)).await;
    keep(&bench, NewCallback { request_id: "BJ-2", ..event(&NATIONAL, "E-9", CallbackVerdict::Applied) })
        .await;

    let rows = kept(&bench, &NATIONAL).await;
    let seen: Vec<_> = rows.iter().map(|row| (row.event_id.as_str(), row.verdict.as_str())).collect();
    let expected = ["applied", "duplicate", "unmatched", "conflict", "refused"];
    assert_eq!(seen, ["E-0", "E-1", "E-2", "E-3", "E-4"].into_iter().zip(expected).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row.event == "approved"
        && row.received_at == at(3)
        && row.repeats == 0
        && row.event_sealed == b"event"));
    assert_eq!(kept(&bench, &GUANGDONG).await.len(), 1);
    let about = bench.read(async |tx| tx.callbacks_about("BJ-1").await).await;
    let systems: Vec<_> = about.iter().map(|row| row.system.as_str()).collect();
    assert_eq!(systems, [&[NATIONAL.as_str(); 5][..], &[GUANGDONG.as_str()]].concat());
    assert_eq!(bench.number("SELECT COUNT(*) FROM callbacks WHERE raw_sealed IS NOT NULL").await, 7);
}

pub(super) async fn a_repeat_is_counted_and_a_second_row_refused(bench: Bench) {
    let repeat = async |system: &System| {
        bench.write(async |tx| Ok(!tx.repeat_callbacks(&[(system, "E-1")]).await?.is_empty())).await
    };
    assert!(!repeat(&NATIONAL).await, "it is new");
    keep(&bench, event(&NATIONAL, "E-1", CallbackVerdict::Applied)).await;
    assert!(!repeat(&GUANGDONG).await, "another system's ids are its own");
    assert!(repeat(&NATIONAL).await && repeat(&NATIONAL).await);
    let mut tx = bench.store.write("law").await.expect("it begins");
    tx.insert_callbacks(&[event(&NATIONAL, "E-1", CallbackVerdict::Applied)]).await.expect_err("it is there");
    drop(tx);
    let rows = kept(&bench, &NATIONAL).await;
    assert_eq!((rows.len(), rows[0].repeats), (1, 2));
}

pub(super) async fn an_unmatched_event_waits_and_is_settled(bench: Bench) {
    keep(&bench, event(&NATIONAL, "E-1", CallbackVerdict::Unmatched)).await;
    keep(&bench, event(&NATIONAL, "E-2", CallbackVerdict::Unmatched)).await;
    let first = kept(&bench, &NATIONAL).await[0].id;
    bench.write(async |tx| tx.settle_callback(first, CallbackVerdict::Applied).await).await;
    let verdicts: Vec<_> = kept(&bench, &NATIONAL).await.into_iter().map(|row| row.verdict).collect();
    assert_eq!(verdicts, ["applied", "unmatched"]);
}

/// All event ids of a list, page by page, and how many pages that took.
async fn listed(bench: &Bench, filter: CallbackFilter) -> (Vec<String>, usize) {
    let (mut seen, mut filter, mut pages) = (Vec::new(), filter, 0);
    loop {
        let page = bench.read(async |tx| tx.callbacks(&filter).await).await;
        assert!(page.rows.len() <= filter.limit as usize);
        seen.extend(page.rows.into_iter().map(|row| row.event_id));
        pages += 1;
        let Some(next) = page.next else { return (seen, pages) };
        assert!(filter.before.is_none_or(|before| next < before), "a list comes to its end");
        filter.before = Some(next);
    }
}

pub(super) async fn events_are_listed_newest_first(bench: Bench) {
    for (n, verdict) in CallbackVerdict::KEPT.into_iter().cycle().take(8).enumerate() {
        let system = if n % 2 == 0 { &NATIONAL } else { &GUANGDONG };
        keep(&bench, event(system, &format!("E-{n}"), verdict)).await;
    }
    let page = CallbackFilter { limit: 3, ..CallbackFilter::default() };
    let all = listed(&bench, page.clone()).await;
    assert_eq!(
        all,
        (["E-7", "E-6", "E-5", "E-4", "E-3", "E-2", "E-1", "E-0"].map(str::to_owned).to_vec(), 3)
    );
    for (n, verdict) in CallbackVerdict::KEPT.into_iter().enumerate() {
        let (seen, _) =
            listed(&bench, CallbackFilter { verdict: Some(verdict), limit: 1, ..page.clone() }).await;
        assert_eq!(seen, [format!("E-{}", n + 4), format!("E-{n}")]);
    }
    let (seen, _) = listed(&bench, CallbackFilter { system: Some(GUANGDONG.clone()), ..page.clone() }).await;
    assert_eq!(seen, ["E-7", "E-5", "E-3", "E-1"]);
    let of_other = CallbackFilter { request_id: Some("BJ-2".to_owned()), ..page.clone() };
    assert_eq!(listed(&bench, of_other.clone()).await.0, [""; 0]);
    keep(&bench, NewCallback { request_id: "BJ-2", ..event(&NATIONAL, "E-9", CallbackVerdict::Conflict) })
        .await;
    assert_eq!(listed(&bench, of_other).await.0, ["E-9"]);
}

pub(super) async fn a_page_of_events_looks_at_so_many_and_no_more(bench: Bench) {
    keep(&bench, event(&GUANGDONG, "FIRST", CallbackVerdict::Unmatched)).await;
    let ids: Vec<String> = (0..40_000).map(|n| format!("E-{n}")).collect();
    for ids in ids.chunks(10_000) {
        let new: Vec<_> = ids.iter().map(|id| event(&NATIONAL, id, CallbackVerdict::Applied)).collect();
        bench.write(async |tx| tx.insert_callbacks(&new).await).await;
    }
    // What is rare is found in the end, with pages that may be empty.
    let of_system =
        CallbackFilter { system: Some(GUANGDONG.clone()), limit: 10, ..CallbackFilter::default() };
    assert_eq!(listed(&bench, of_system.clone()).await, (vec!["FIRST".to_owned()], 3));
    // What somebody must look at is found at once.
    let odd = CallbackFilter { verdict: Some(CallbackVerdict::Unmatched), ..of_system };
    assert_eq!(listed(&bench, odd).await, (vec!["FIRST".to_owned()], 1));
}

pub(super) async fn a_nonce_is_taken_once_within_its_memory(bench: Bench) {
    let fresh = async |second| bench.write(async |tx| remember(tx, &NATIONAL, "n-1", at(second)).await).await;
    assert_eq!(NONCE_MEMORY_SECONDS, 600, "as the profiles say");
    assert!(fresh(0).await);
    assert!(!fresh(0).await);
    assert!(!fresh(1).await);
    assert!(!fresh(600).await, "to the last second");
    assert!(fresh(601).await, "forgotten");
    assert!(!fresh(602).await, "and remembered anew");
}

pub(super) async fn old_nonces_are_forgotten_oldest_first_and_so_many_at_once(bench: Bench) {
    for second in 0..5 {
        let nonce = format!("n-{second}");
        bench.write(async |tx| remember(tx, &NATIONAL, &nonce, at(second)).await).await;
    }
    assert!(!bench.read(async |tx| tx.has_old_nonces(at(0)).await).await);
    assert!(bench.read(async |tx| tx.has_old_nonces(at(4)).await).await);
    assert_eq!(bench.write(async |tx| tx.forget_nonces(at(4), 3).await).await, 3);
    assert_eq!(bench.number("SELECT COUNT(*) FROM nonces").await, 2);
    assert_eq!(bench.number("SELECT COUNT(*) FROM nonces WHERE nonce IN ('n-3', 'n-4')").await, 2);
    assert_eq!(bench.write(async |tx| tx.forget_nonces(at(4), 3).await).await, 1);
    assert_eq!(bench.number("SELECT COUNT(*) FROM nonces").await, 1);
    assert_eq!(bench.number("SELECT COUNT(*) FROM nonces WHERE nonce = 'n-4'").await, 1);
}

pub(super) async fn a_nonce_belongs_to_its_system(bench: Bench) {
    let fresh = async |system: &System, nonce: &str| {
        bench.write(async |tx| remember(tx, system, nonce, at(0)).await).await
    };
    assert!(fresh(&NATIONAL, "n-1").await);
    assert!(fresh(&GUANGDONG, "n-1").await);
    assert!(fresh(&NATIONAL, "N-1").await, "letters count");
    assert!(!fresh(&GUANGDONG, "n-1").await);
}
