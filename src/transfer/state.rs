//! The states of a transfer.

use std::fmt;

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $zh:literal;)*) => {
        /// Where a transfer stands.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum State { $($(#[$doc])* $name),* }

        impl State {
            /// Every state, in the order of a transfer's life.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the store and in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $word),* } }

            /// The name for people who read Chinese.
            #[must_use]
            pub const fn zh(self) -> &'static str { match self { $(Self::$name => $zh),* } }
        }
    };
}

states! {
    /// Due at `next_attempt_at`.
    Queued = "queued", "待发送";
    /// Leased by one daemon.
    Sending = "sending", "发送中";
    /// Sent, but the outcome is unknown: a query decides.
    Unconfirmed = "unconfirmed", "待核实";
    /// The system has it and will review it.
    Submitted = "submitted", "待审核";
    /// The member must now check in locally.
    AwaitingCheckIn = "awaiting_check_in", "待报到";
    /// Final.
    Completed = "completed", "已完成";
    /// Final: the receiving organization refused.
    Rejected = "rejected", "已拒绝";
    /// The data is at fault: upstream amends it or gives up.
    Returned = "returned", "已退回";
    /// Final: nobody reviewed it, or nobody checked in, in time.
    Overdue = "overdue", "已逾期";
    /// Final.
    Withdrawn = "withdrawn", "已撤回";
    /// An operator decides.
    Failed = "failed", "待处理";
}

impl State {
    /// Reads a name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str() == word)
    }

    /// Nothing leaves a final state.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Rejected | Self::Overdue | Self::Withdrawn => true,
            Self::Queued
            | Self::Sending
            | Self::Unconfirmed
            | Self::Submitted
            | Self::AwaitingCheckIn
            | Self::Returned
            | Self::Failed => false,
        }
    }

    /// The gateway will do something about it by itself.
    #[must_use]
    pub const fn is_active(self) -> bool {
        !self.is_final() && !matches!(self, Self::Returned | Self::Failed)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
