//! What happens to a transfer after it was taken in: the script, step by step, and how the gateway hears of it.

use crate::Partner;
use crate::partner::Event;
use crate::push;
use crate::script::{Manner, Step};
use crate::shared::{Shared, pause};
use std::sync::Arc;

struct Life {
    shared: Arc<Shared>,
    partner: Partner,
    request_id: String,
    steps: Vec<Step>,
    manners: Vec<Manner>,
}

/// Begins the life of a new transfer. Returns at once, or after all of it where the script says `before_answer`.
pub(crate) async fn begin(shared: &Arc<Shared>, partner: Partner, request_id: String) {
    let (steps, manners) = {
        let state = shared.state();
        let destination = state.books[partner as usize].destination(&request_id).unwrap_or_default();
        state.script.find(partner, &request_id, destination)
    };
    let busy = shared.busy();
    let life = Life { shared: shared.clone(), partner, request_id, steps, manners };
    if life.has(Manner::BeforeAnswer) {
        life.run().await;
    } else {
        shared.spawn(async move {
            life.run().await;
            drop(busy);
        });
    }
}

impl Life {
    fn has(&self, manner: Manner) -> bool {
        self.manners.contains(&manner)
    }

    async fn run(self) {
        let mut kept = Vec::new();
        let acceptance = self.shared.book(self.partner, |book| book.acceptance(&self.request_id));
        if let Some(event) = acceptance {
            // A push takes its time; a feed has the news at once, before any other.
            if self.partner != Partner::Fujian {
                self.pause_for(self.shared.pace.between).await;
            }
            self.tell(event, &mut kept).await;
        }
        for step in &self.steps {
            self.pause_for(self.shared.pace.review).await;
            let now = self.shared.now();
            let event = self.shared.book(self.partner, |book| book.step(&self.request_id, step, now));
            if let Some(event) = event {
                self.tell(event, &mut kept).await;
            }
        }
        if self.has(Manner::Conflicting) {
            let now = self.shared.now();
            let event = self.shared.book(self.partner, |book| book.contradiction(&self.request_id, now));
            if let Some(event) = event {
                self.tell(event, &mut kept).await;
            }
        }
        for event in kept.into_iter().rev() {
            self.publish(event).await;
        }
    }

    async fn pause_for(&self, time: std::time::Duration) {
        if !self.has(Manner::BeforeAnswer) {
            pause(time).await;
        }
    }

    async fn tell(&self, event: Event, kept: &mut Vec<Event>) {
        if self.has(Manner::Reorder) {
            kept.push(event);
        } else {
            self.publish(event).await;
        }
    }

    async fn publish(&self, event: Event) {
        if self.has(Manner::Late) {
            // Time goes on for the transfer while its news is under way.
            let (shared, partner, twice) = (self.shared.clone(), self.partner, self.has(Manner::Duplicate));
            let busy = shared.busy();
            self.shared.spawn(async move {
                pause(shared.pace.late).await;
                publish(&shared, partner, event, twice).await;
                drop(busy);
            });
        } else if self.has(Manner::Conflicting) && self.partner != Partner::Fujian {
            // What contradicts it comes after it, whoever was away in between.
            push::insist(&self.shared, self.partner, &event).await;
        } else {
            publish(&self.shared, self.partner, event, self.has(Manner::Duplicate)).await;
        }
    }
}

/// Tells the gateway: by the feed, or by a push whose first try is over when this returns.
pub(crate) async fn publish(shared: &Arc<Shared>, partner: Partner, event: Event, twice: bool) {
    for _ in 0..=u8::from(twice) {
        if partner == Partner::Fujian {
            shared.book(partner, |book| book.publish(event.clone()));
        } else {
            push::push(shared, partner, &event).await;
        }
    }
}
