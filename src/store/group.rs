//! Group commit: work that waits at the same time shares one transaction and one commit.
//!
//! A commit costs the same whether it makes one row durable or a hundred. Nobody waits for a group to fill: what comes
//! while one group is being committed makes up the next.

use super::races::Races;
use super::{Store, StoreError, Tx};
use std::future::Future;
use std::pin::Pin;
use tokio::sync::{mpsc, oneshot};

/// The most pieces of work in one transaction: one that fails makes all of them run again alone.
const MOST: usize = 64;

/// A piece of work that may share its transaction with others. It may run more than once: when another one of its group
/// fails, nothing of the group is kept, and each runs again in a transaction of its own.
pub trait Work: Send + Sync + 'static {
    /// What a transaction of its own is called in metrics.
    const NAME: &'static str;

    /// What comes of it.
    type Done: Send + 'static;

    /// With whom it may share.
    fn sharing(&self) -> Sharing;

    /// Does it. An error undoes it; a refusal that leaves the transaction as it was is a value.
    fn run(&self, tx: &mut Tx) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;
}

/// With whom a piece of work may share its transaction, so that no two transactions wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// It locks many rows: where there are many writers, it has a transaction of its own.
    Alone,
    /// It locks the row of this key; work of a group is done in the order of keys.
    Key(String),
}

/// The door to the one task that commits groups.
#[derive(Clone, Debug)]
pub(super) struct Groups(mpsc::UnboundedSender<Box<dyn Job>>);

impl Groups {
    pub(super) const fn new(jobs: mpsc::UnboundedSender<Box<dyn Job>>) -> Self {
        Self(jobs)
    }
}

/// A piece of work that waits, and whoever waits for it.
pub(super) trait Job: Send + std::fmt::Debug {
    fn name(&self) -> &'static str;
    fn sharing(&self) -> Sharing;
    /// Runs the work and keeps what came of it.
    fn run<'a>(
        &'a mut self,
        tx: &'a mut Tx,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;
    /// Tells whoever waits.
    fn end(self: Box<Self>, ended: Result<(), StoreError>);
}

struct Waiting<W: Work> {
    work: W,
    done: Option<W::Done>,
    reply: oneshot::Sender<Result<W::Done, StoreError>>,
}

impl<W: Work> std::fmt::Debug for Waiting<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<W>())
    }
}

impl<W: Work> Job for Waiting<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn sharing(&self) -> Sharing {
        self.work.sharing()
    }

    fn run<'a>(
        &'a mut self,
        tx: &'a mut Tx,
    ) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>> {
        Box::pin(async move {
            self.done = Some(self.work.run(tx).await?);
            Ok(())
        })
    }

    fn end(self: Box<Self>, ended: Result<(), StoreError>) {
        let Self { done, reply, .. } = *self;
        // Nobody may be waiting any more: the work is done all the same.
        drop(reply.send(ended.and_then(|()| done.ok_or(StoreError::Closed))));
    }
}

impl Store {
    /// Runs a piece of work in a transaction that it may share with others that wait now; returns after the commit.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of it was kept.
    pub async fn grouped<W: Work>(&self, work: W) -> Result<W::Done, StoreError> {
        let alone = work.sharing() == Sharing::Alone && !self.is_one_daemons();
        let (reply, done) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Waiting { work, done: None, reply });
        if alone {
            let (databases, name) = (self.inner.clone(), job.name());
            end_apart(async move { end_group(&databases, name, vec![job]).await }).await;
        } else {
            self.groups.0.send(job).map_err(|_| StoreError::Closed)?;
        }
        done.await.map_err(|_| StoreError::Closed)?
    }
}

/// Commits groups until nobody can send work any more.
pub(super) async fn commit_groups(
    databases: super::tx::Inner,
    mut jobs: mpsc::UnboundedReceiver<Box<dyn Job>>,
) {
    while let Some(first) = jobs.recv().await {
        let mut group = vec![first];
        while group.len() < MOST
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        group.sort_by_cached_key(|job| job.sharing());
        let databases = databases.clone();
        end_apart(async move { end_group(&databases, "group", group).await }).await;
    }
}

/// In a task of its own: a panic in one piece of work ends its group, and neither the daemon's only way to commit nor whoever waits.
async fn end_apart(group: impl Future<Output = ()> + Send + 'static) {
    if let Err(error) = tokio::spawn(group).await {
        tracing::error!(%error, "a group of work ended early: whoever waits for it is told, nothing of it was kept");
    }
}

async fn end_group(databases: &super::tx::Inner, name: &'static str, mut group: Vec<Box<dyn Job>>) {
    let Err(error) = together(databases, name, &mut group).await else {
        group.into_iter().for_each(|job| job.end(Ok(())));
        return;
    };
    if group.len() == 1 {
        group.into_iter().zip([error]).for_each(|(job, error)| job.end(Err(error)));
        return;
    }
    tracing::warn!(%error, works = group.len(), "a group of work failed: each is tried alone");
    for mut job in group {
        let ended = together(databases, "group", std::slice::from_mut(&mut job)).await;
        job.end(ended);
    }
}

async fn together(
    databases: &super::tx::Inner,
    name: &'static str,
    group: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    let mut races = Races::default();
    loop {
        match once(databases, name, group).await {
            Err(error) if races.again(&error) => {}
            ended => return ended,
        }
    }
}

async fn once(
    databases: &super::tx::Inner,
    name: &'static str,
    group: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    let mut tx = databases.write(name).await?;
    for job in &mut *group {
        job.run(&mut tx).await?;
    }
    tx.commit().await
}
