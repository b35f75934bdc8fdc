//! Transfers to try the laws on, and the steps that move them.

use super::backend::Bench;
use jiff::{SignedDuration, Timestamp};
use league_contract::{Completion, Operation, PartnerStatus, ProvinceCode, RequestId, System};
use league_gateway::seal::SealedTransfer;
use league_gateway::store::{
    AttemptResult, Claimant, Lease, NewAttempt, NewTransfer, Shown, StoreError, Stored, Tx,
};
use league_gateway::transfer::{Cause, Entry, Event, Facts, Following, Line, Milestone, State, advance};

pub(super) static NATIONAL: System = System::named("smart_league");
pub(super) static GUANGDONG: System = System::named("guangdong");
pub(super) const FOLLOWING: Following = Following {
    completion: Completion::Approval,
    reconcile_after: SignedDuration::from_hours(6),
    lapse_after: SignedDuration::from_hours(240),
};

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_719_799_200 + second).expect("in range")
}

pub(super) fn request_id(number: i64) -> RequestId {
    RequestId::parse(&format!("BJ-{number}")).expect("an id")
}

/// Transfer `number`, of person `number`: queued and due at second 0.
pub(super) fn sample(number: i64) -> NewTransfer {
    let code = ProvinceCode::parse("320000").expect("a code");
    let name = "共青团南京大学委员会".to_owned();
    let entry = Entry::received(request_id(number), NATIONAL.clone(), code, name, at(0));
    let shown = Shown {
        name: "张*".into(),
        id_number: "110***************".into(),
        phone: "138********".into(),
        source_id: "3421569".into(),
        source_name: "共青团北京信息科技大学委员会".into(),
        reason: "education".into(),
    };
    let person = SealedTransfer {
        index: format!("person {number}").into_bytes(),
        digest: format!("digest {number}").into_bytes(),
        sealed: format!("sealed {number}").into_bytes(),
    };
    NewTransfer { entry, shown, initiator: "member", person }
}

/// The first lines of a timeline.
pub(super) fn beginning(state: State) -> [Line; 2] {
    [Line::StateChanged { from: None, to: state }, Line::Milestone(Milestone::Received)]
}

pub(super) async fn insert(tx: &mut Tx, new: &NewTransfer) -> Result<i64, StoreError> {
    let inserted = tx.insert_transfer(new, &beginning(new.entry.state), Cause::Upstream).await?;
    Ok(inserted.id)
}

pub(super) fn claimant(second: i64) -> Claimant<'static> {
    Claimant { worker: "gateway-1", now: at(second), until: at(second + 60) }
}

pub(super) fn submit(transfer_id: i64, second: i64) -> NewAttempt<'static> {
    NewAttempt {
        transfer_id,
        system: &NATIONAL,
        operation: Operation::Submit,
        worker: "gateway-1",
        started_at: at(second),
        request_sealed: b"request",
    }
}

pub(super) fn answered(second: i64) -> AttemptResult {
    AttemptResult {
        finished_at: at(second),
        outcome: "answered",
        code: Some("0000".into()),
        http_status: Some(200),
        error: None,
        response_sealed: Some(b"response".to_vec()),
    }
}

/// Lets something happen to a transfer, as callbacks do: without a lease.
pub(super) async fn happen(tx: &mut Tx, id: i64, event: Event, second: i64) -> Result<(), StoreError> {
    let stored = tx.transfer_by_id(id).await?.expect("it is there");
    let step = advance(FOLLOWING, &stored.entry, Some(event), Facts::default(), at(second));
    tx.save(&step, false, Cause::Callback, at(second)).await
}

/// Claims what is due.
pub(super) async fn claim(
    tx: &mut Tx,
    system: &System,
    limit: u32,
    second: i64,
) -> Result<Vec<Lease>, StoreError> {
    let leases = tx.claim(system, FOLLOWING, limit, claimant(second)).await?;
    let saves: Vec<_> = leases.iter().map(|lease| &lease.save).collect();
    tx.save_all(&saves).await?;
    Ok(leases)
}

/// Whether a nonce is new.
pub(super) async fn remember(
    tx: &mut Tx,
    system: &System,
    nonce: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    Ok(!tx.remember_nonces(&[(system, nonce)], at).await?.is_empty())
}

/// The transfer as it is now, for whoever still has the lease on it.
pub(super) async fn leased(tx: &mut Tx, id: i64, token: i64) -> Result<Entry, StoreError> {
    let stored = tx.transfer_by_id(id).await?.filter(|stored| stored.lease_token == Some(token));
    stored.map(|stored| stored.entry).ok_or(StoreError::LeaseLost(id))
}

/// Opens one attempt; returns its key.
pub(super) async fn open_attempt(tx: &mut Tx, new: &NewAttempt<'_>) -> Result<i64, StoreError> {
    let keys = tx.open_attempts(std::slice::from_ref(new)).await?;
    Ok(keys[0])
}

pub(super) fn reported(status: PartnerStatus) -> Event {
    Event::Reported(status)
}

impl Bench {
    /// Puts a transfer in; returns its key.
    pub(super) async fn put(&self, new: &NewTransfer) -> i64 {
        self.write(async |tx| insert(tx, new).await).await
    }

    /// Puts in transfer `number`, changed by `change`.
    pub(super) async fn put_with(&self, number: i64, change: impl FnOnce(&mut Entry)) -> i64 {
        let mut new = sample(number);
        change(&mut new.entry);
        self.put(&new).await
    }

    /// The transfer as it is stored.
    pub(super) async fn stored(&self, id: i64) -> Stored {
        self.read(async |tx| tx.transfer_by_id(id).await).await.expect("it is there")
    }

    /// Claims what is due of the national system.
    pub(super) async fn claim(&self, limit: u32, second: i64) -> Vec<Lease> {
        self.write(async |tx| claim(tx, &NATIONAL, limit, second).await).await
    }

    /// Claims the only transfer that is due.
    pub(super) async fn claim_one(&self, second: i64) -> Lease {
        let mut leases = self.claim(9, second).await;
        assert_eq!(leases.len(), 1, "one is due");
        leases.remove(0)
    }
}
