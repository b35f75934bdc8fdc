//! The external systems, by name.

use std::borrow::Cow;
use std::fmt;

/// The name of an external system, as it stands in configuration, routes, the store and the API: `smart_league`.
///
/// A name and not an enum: a new province is a new adapter crate and a line of registration, and no other code
/// learns of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct System(Cow<'static, str>);

impl System {
    /// The name of an adapter of this program. Lower-case words joined by `_`.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Reads a name: 2 to 32 lower-case letters, digits or `_`, the first a letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let shape = (2..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        shape.then(|| Self(Cow::Owned(text.to_owned())))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it stands in a path: `smart-league`.
    #[must_use]
    pub fn as_path(&self) -> String {
        self.0.replace('_', "-")
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for System {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a system's name")))
    }
}
