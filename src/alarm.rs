//! What somebody must look at. An alarm is raised once and cleared once per system and kind, however often its cause
//! strikes; the store does both in the transaction of the cause.

use crate::transfer::Cause;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $zh:literal, $en:literal;)*) => {
        /// What is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AlarmKind { $($(#[$doc])* $name),* }

        impl AlarmKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name in the store, in the feed, in metrics and on the command line.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $word),* } }

            /// What is wrong, for people who read Chinese.
            #[must_use]
            pub const fn zh(self) -> &'static str { match self { $(Self::$name => $zh),* } }

            /// What is wrong.
            #[must_use]
            pub const fn en(self) -> &'static str { match self { $(Self::$name => $en),* } }
        }
    };
}

kinds! {
    /// The system refuses our credentials.
    Suspended = "suspended", "系统已停用", "the system is suspended";
    /// The system fails again and again, and is only probed.
    Breaker = "breaker", "系统持续失败，已熔断", "the system fails again and again and is only probed";
    /// More waits than can be sent in time.
    Backlog = "backlog", "积压过多或过久", "too much waits, or for too long";
    /// A partner said two things that exclude each other.
    Conflicts = "conflicts", "对方系统前后矛盾", "a partner contradicts what it said before";
    /// Open transfers come near the day on which they lapse.
    Lapses = "lapses", "有申请即将逾期", "open transfers will lapse soon";
    /// The partner's clock and ours are too far apart.
    ClockSkew = "clock_skew", "双方时钟相差过大", "the partner's clock and ours are too far apart";
    /// A row or a change that can't be read was set aside.
    SetAside = "set_aside", "有无法读取的数据被搁置", "something that can't be read was set aside";
    /// An address of upstream's does not take its events.
    Webhook = "webhook", "事件推送地址持续失败", "an address of upstream's does not take its events";
    /// Something is sealed with a key that is not configured.
    Keys = "keys", "缺少加密密钥，部分申请无法打开", "a key is missing: what it sealed can't be opened";
    /// The audit log does not end where it should.
    Audit = "audit", "审计日志末尾被改动", "the audit log does not end where it should";
}

impl AlarmKind {
    /// Reads a name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }

    /// Whether the gateway itself sees that it is over; else a person looks, and clears it.
    #[must_use]
    pub const fn clears_itself(self) -> bool {
        match self {
            Self::Suspended
            | Self::Breaker
            | Self::Backlog
            | Self::Lapses
            | Self::ClockSkew
            | Self::Webhook
            | Self::Keys => true,
            Self::Conflicts | Self::SetAside | Self::Audit => false,
        }
    }

    /// What brings such an alarm about, as the feed calls it.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::Backlog | Self::Lapses => Cause::Clock,
            Self::Suspended
            | Self::Breaker
            | Self::Conflicts
            | Self::ClockSkew
            | Self::SetAside
            | Self::Webhook
            | Self::Keys
            | Self::Audit => Cause::Delivery,
        }
    }
}

impl std::fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
