//! Exchanges with systems.

use super::backend::Bench;
use super::samples::{FOLLOWING, answered, at, open_attempt, reported, sample, submit};
use league_contract::{Operation, PartnerStatus};
use league_gateway::store::{Attempt, AttemptResult, NewAttempt};
use league_gateway::transfer::{Cause, Facts, Line, advance};

async fn attempts(bench: &Bench, id: i64) -> Vec<Attempt> {
    bench.read(async |tx| tx.attempts(id).await).await
}

pub(super) async fn an_exchange_is_kept_from_begin_to_end(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let attempt = bench.write(async |tx| open_attempt(tx, &submit(id, 1)).await).await;
    let open = attempts(&bench, id).await.remove(0);
    assert_eq!((open.id, open.operation.as_str(), open.worker.as_str()), (attempt, "submit", "gateway-1"));
    assert_eq!((open.started_at, open.finished_at, open.outcome), (at(1), None, None));
    assert_eq!(open.request_sealed.as_deref(), Some(b"request".as_slice()));
    assert_eq!((open.code, open.http_status, open.error, open.response_sealed), (None, None, None, None));

    let result = AttemptResult { error: Some("拒绝".into()), ..answered(4) };
    bench.write(async |tx| tx.close_attempts(&[(attempt, &result)]).await).await;
    let closed = attempts(&bench, id).await.remove(0);
    assert_eq!((closed.finished_at, closed.outcome.as_deref()), (Some(at(4)), Some("answered")));
    assert_eq!((closed.code.as_deref(), closed.http_status), (Some("0000"), Some(200)));
    assert_eq!(closed.error.as_deref(), Some("拒绝"));
    assert_eq!(closed.response_sealed.as_deref(), Some(b"response".as_slice()));
    assert_eq!(closed.request_sealed.as_deref(), Some(b"request".as_slice()));
}

/// A holder that was given up for lost and ends after all does not rewrite what is on record.
pub(super) async fn an_end_is_written_once(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let attempt = bench.write(async |tx| open_attempt(tx, &submit(id, 1)).await).await;
    let lost = AttemptResult { outcome: "lost", code: None, http_status: None, ..answered(2) };
    bench.write(async |tx| tx.close_attempts(&[(attempt, &lost)]).await).await;
    bench.write(async |tx| tx.close_attempts(&[(attempt, &answered(3))]).await).await;
    let kept = attempts(&bench, id).await.remove(0);
    assert_eq!((kept.outcome.as_deref(), kept.finished_at, kept.code), (Some("lost"), Some(at(2)), None));
}

/// More than one statement holds, and after some that are over.
pub(super) async fn many_exchanges_have_keys_of_their_own(bench: Bench) {
    let mut ids = Vec::new();
    for number in 1..=130 {
        ids.push(bench.put(&sample(number)).await);
    }
    let over = submit(ids[0], 1);
    bench.write(async |tx| tx.record_attempts(&[(over, &answered(2))]).await).await;
    let requests: Vec<String> = ids.iter().map(|id| format!("request of {id}")).collect();
    let new: Vec<_> = ids
        .iter()
        .zip(&requests)
        .map(|(id, request)| NewAttempt { request_sealed: request.as_bytes(), ..submit(*id, 3) })
        .collect();
    let keys = bench
        .write(async |tx| {
            assert!(tx.open_attempts(&[]).await?.is_empty());
            tx.open_attempts(&new).await
        })
        .await;
    let ends: Vec<_> = keys.iter().map(|key| (*key, answered(4))).collect();
    let ends: Vec<_> = ends.iter().map(|(key, result)| (*key, result)).collect();
    bench.write(async |tx| tx.close_attempts(&ends).await).await;
    for ((id, request), key) in ids.iter().zip(&requests).zip(&keys) {
        let kept = attempts(&bench, *id).await.pop().expect("it is there");
        assert_eq!((kept.id, kept.request_sealed.as_deref()), (*key, Some(request.as_bytes())));
        assert_eq!(kept.finished_at, Some(at(4)));
    }
    assert_eq!(attempts(&bench, ids[0]).await.len(), 2);
}

/// Keys are SQLite's own counter's and the rows': a hand may have left either behind.
pub(super) async fn an_exchanges_key_is_above_every_other(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let open = async || bench.write(async |tx| open_attempt(tx, &submit(id, 1)).await).await;
    let first = open().await;
    for damage in [
        "UPDATE sqlite_sequence SET seq = 0 WHERE name = 'attempts'",
        "DELETE FROM sqlite_sequence WHERE name = 'attempts'",
        // What is gone gave its key away all the same.
        "DELETE FROM attempts WHERE id = (SELECT MAX(id) FROM attempts)",
    ] {
        let last = open().await;
        bench.execute(damage).await;
        assert_eq!(open().await, last + 1, "{damage}");
    }
    assert_eq!(open().await, first + 7);
}

pub(super) async fn exchanges_stay_in_order_and_apart(bench: Bench) {
    let (one, two) = (bench.put(&sample(1)).await, bench.put(&sample(2)).await);
    bench
        .write(async |tx| {
            for (id, operation) in [
                (one, Operation::CheckOrganization),
                (two, Operation::Submit),
                (one, Operation::Submit),
                (one, Operation::Query),
                (one, Operation::Withdraw),
            ] {
                open_attempt(tx, &NewAttempt { operation, ..submit(id, 1) }).await?;
            }
            Ok(())
        })
        .await;
    let words = async |id| {
        attempts(&bench, id).await.into_iter().map(|attempt| attempt.operation).collect::<Vec<_>>()
    };
    assert_eq!(words(one).await, ["check_organization", "submit", "query", "withdraw"]);
    assert_eq!(words(two).await, ["submit"]);
    for id in [one, two] {
        for attempt in attempts(&bench, id).await {
            assert_eq!(bench.read(async |tx| tx.transfer_of_attempt(attempt.id).await).await, Some(id));
        }
    }
    assert_eq!(bench.read(async |tx| tx.transfer_of_attempt(i64::MAX).await).await, None);
}

/// PostgreSQL's texts have no character 0; a partner's may.
pub(super) async fn an_answer_with_a_zero_in_it_is_kept(bench: Bench) {
    let id = bench.put(&sample(1)).await;
    let attempt = bench.write(async |tx| open_attempt(tx, &submit(id, 1)).await).await;
    let zero = || Some("a\0b".to_owned());
    let result = AttemptResult { code: zero(), error: zero(), ..answered(4) };
    bench
        .write(async |tx| {
            tx.close_attempts(&[(attempt, &result)]).await?;
            let stored = tx.transfer_by_id(id).await?.expect("it is there");
            let facts = Facts { receipt_no: zero(), organization_id: zero(), ..Facts::default() };
            let mut step =
                advance(FOLLOWING, &stored.entry, Some(reported(PartnerStatus::Pending)), facts, at(4));
            step.entry.sent_name = zero();
            step.lines.push(Line::Note { code: "note", text: "a\0b".into() });
            tx.save(&step, false, Cause::Delivery, at(4)).await
        })
        .await;
    let kept = Some("a\u{FFFD}b");
    let closed = attempts(&bench, id).await.remove(0);
    assert_eq!((closed.code.as_deref(), closed.error.as_deref()), (kept, kept));
    let entry = bench.stored(id).await.entry;
    assert_eq!((entry.receipt_no.as_deref(), entry.organization_id.as_deref()), (kept, kept));
    assert_eq!(entry.sent_name.as_deref(), kept);
}
