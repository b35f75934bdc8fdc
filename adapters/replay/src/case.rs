//! One case, read.

use jiff::Timestamp;
use jiff::civil::Date;
use league_contract::{
    Call, CallContext, CallbackError, CallbackVerdict, DecodeError, EncodeError, Nonce, Reply, StatusEvent,
    System, WireRequest, WireResponse,
};
use std::fmt;
use std::path::PathBuf;

/// One exchange or callback, with what the adapter must make of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Where it stands below the root: `smart-league/submit-accepted`, `callbacks/guangdong/checked-in`.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Whose profile it shows.
    pub system: System,
    /// What it shows.
    pub title: String,
    /// The same in Chinese.
    pub title_zh: String,
    /// The codes of the profile's table that it shows.
    pub codes: Vec<String>,
    /// Words to filter by.
    pub tags: Vec<String>,
    /// The clock when the request is made; of a callback, when it arrives.
    pub now: Timestamp,
    /// The clock when the answer is read; of a callback, when it is given.
    pub answered_at: Timestamp,
    /// The nonce of our own message.
    pub nonce: Nonce,
    /// The version of the profile that it was recorded with, where it says so.
    pub profile: Option<String>,
    /// The last day on which it is to be believed, where it has one.
    pub expires: Option<Date>,
    /// The messages.
    pub kind: Kind,
}

/// Who speaks first.
#[derive(Debug, Clone)]
pub enum Kind {
    /// We call.
    Exchange(Box<Exchange>),
    /// The partner pushes.
    Callback(Box<Push>),
}

/// We call.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What we ask.
    pub call: Call,
    /// What `encode` must produce. Absent before the case was blessed, and where the call can't be encoded.
    pub request: Option<WireRequest>,
    /// What the partner answers. Absent where the call can't be encoded.
    pub response: Option<WireResponse>,
    /// What comes of it.
    pub expected: Expected,
}

/// What comes of a call.
#[derive(Debug, Clone)]
pub enum Expected {
    /// `decode` gives this.
    Reply(Reply),
    /// `decode` refuses the answer.
    DecodeError(DecodeFault),
    /// `encode` refuses the call.
    EncodeError(EncodeFault),
}

/// The partner pushes.
#[derive(Debug, Clone)]
pub struct Push {
    /// What the partner sent.
    pub request: WireRequest,
    /// What `open_callback` makes of it.
    pub opened: Opened,
    /// What the gateway makes of it: decides the answer.
    pub verdict: CallbackVerdict,
    /// What `answer_callback` must produce. Absent before the case was blessed.
    pub response: Option<WireResponse>,
}

/// What `open_callback` makes of a message.
#[derive(Debug, Clone)]
pub enum Opened {
    /// An event.
    Event {
        /// What it says.
        event: StatusEvent,
        /// The message's nonce or serial number.
        replay_key: String,
    },
    /// A refusal.
    Refused(OpenFault),
}

/// A closed list of words that stand for the kinds of something.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$line:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$line])* $variant,)* }

        impl $name {
            /// Reads the word of `case.toml`; the error lists the words that it knows.
            pub(crate) fn parse(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("`{word}` is none of {}", [$($word),*].join(", "))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),* })
            }
        }
    };
}

words! {
    /// The kinds of [`DecodeError`].
    DecodeFault {
        /// [`DecodeError::NotGenuine`]
        NotGenuine = "not_genuine",
        /// [`DecodeError::Malformed`]
        Malformed = "malformed",
        /// [`DecodeError::UnknownCode`]
        UnknownCode = "unknown_code",
    }
}

words! {
    /// The kinds of [`EncodeError`].
    EncodeFault {
        /// [`EncodeError::Unsupported`]
        Unsupported = "unsupported",
        /// [`EncodeError::Inexpressible`]
        Inexpressible = "inexpressible",
    }
}

words! {
    /// The kinds of [`CallbackError`].
    OpenFault {
        /// [`CallbackError::Unauthenticated`]
        Unauthenticated = "unauthenticated",
        /// [`CallbackError::Stale`]
        Stale = "stale",
        /// [`CallbackError::Malformed`]
        Malformed = "malformed",
    }
}

impl From<&DecodeError> for DecodeFault {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::NotGenuine(_) => Self::NotGenuine,
            DecodeError::Malformed(_) => Self::Malformed,
            DecodeError::UnknownCode(_) => Self::UnknownCode,
        }
    }
}

impl From<&EncodeError> for EncodeFault {
    fn from(error: &EncodeError) -> Self {
        match error {
            EncodeError::Unsupported { .. } => Self::Unsupported,
            EncodeError::Inexpressible { .. } => Self::Inexpressible,
        }
    }
}

impl From<&CallbackError> for OpenFault {
    fn from(error: &CallbackError) -> Self {
        match error {
            CallbackError::Unauthenticated(_) => Self::Unauthenticated,
            CallbackError::Stale(_) => Self::Stale,
            CallbackError::Malformed(_) => Self::Malformed,
        }
    }
}

impl Case {
    /// What the adapter is given when the request is made.
    #[must_use]
    pub fn context(&self) -> CallContext {
        CallContext { now: self.now, nonce: self.nonce }
    }

    /// What the adapter is given when the answer is read or made.
    #[must_use]
    pub fn answer_context(&self) -> CallContext {
        CallContext { now: self.answered_at, nonce: self.nonce }
    }
}
