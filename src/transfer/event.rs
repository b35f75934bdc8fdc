//! What can happen to a transfer.

use league_contract::PartnerStatus;

/// What can happen to a transfer: the input of [`super::transition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A daemon took it to send it.
    Claimed,
    /// Nothing was sent, or the partner said that nothing was done.
    Released,
    /// It may have been sent; the outcome is unknown.
    Lost,
    /// A query says: the partner has no such request.
    NotReceived,
    /// The partner says where the transfer stands: an answer, a callback, a change of its feed.
    Reported(PartnerStatus),
    /// The partner or the organization check refused the data.
    DataRefused,
    /// Attempts used up, a conflict, a rule broken: an operator decides.
    GivenUp,
    /// Upstream mended the data.
    Amended,
    /// An operator says: again.
    Retried,
    /// Upstream takes it back, and no partner has it.
    WithdrawnHere,
    /// An operator ends it.
    Closed,
    /// The partner still has it open, and its deadline has passed.
    Lapsed,
}

impl Event {
    /// Every event, for tables and tests.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let own = [
            Self::Claimed,
            Self::Released,
            Self::Lost,
            Self::NotReceived,
            Self::DataRefused,
            Self::GivenUp,
            Self::Amended,
            Self::Retried,
            Self::WithdrawnHere,
            Self::Closed,
            Self::Lapsed,
        ];
        own.into_iter().chain(PartnerStatus::ALL.map(Self::Reported)).collect()
    }
}

/// Who or what brought an event about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Our sending.
    Delivery,
    /// A pushed message.
    Callback,
    /// A change feed.
    Feed,
    /// A query.
    Query,
    /// An operator.
    Operator,
    /// Upstream.
    Upstream,
    /// The clock: an expired lease, a lapse.
    Clock,
}

impl Cause {
    /// The name in the store and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Callback => "callback",
            Self::Feed => "feed",
            Self::Query => "query",
            Self::Operator => "operator",
            Self::Upstream => "upstream",
            Self::Clock => "clock",
        }
    }
}
