//! What goes wrong, on purpose.

use crate::partner::Call;
use crate::script::{Rule, Script, matches};
use crate::{Operation, Partner};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;

/// Faults in order; of those that match a call, the first that strikes decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Where the dice of `probability` begin; the same seed and the same calls give the same faults.
    pub seed: u64,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// One fault. A condition that is left out always holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only at this partner.
    #[serde(default)]
    pub system: Option<Partner>,
    /// Only for this operation.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// Only for this `request_id`; one that ends in `*` matches every id that begins so.
    #[serde(default)]
    pub request_id: Option<String>,
    /// How often it strikes; always, where left out.
    #[serde(default)]
    pub times: Option<u32>,
    /// How likely it strikes, 0 to 1; 1 where left out.
    #[serde(default)]
    pub probability: Option<f64>,
    /// A delay before all else, in milliseconds. Alone it is a fault too: a slow answer.
    #[serde(default)]
    pub delay_ms: u64,
    /// What goes wrong.
    #[serde(default)]
    pub kind: Option<FaultKind>,
    /// Whether the call takes effect all the same; of the kinds that leave this open, see [`FaultKind`].
    #[serde(default)]
    pub effect: Option<bool>,
    /// `Retry-After`, `Until` or `retryAfterSeconds` of `maintenance` and `too_many`, in seconds; 1 where left out.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// The national system's `Retry-After` of `maintenance` as an HTTP date instead of seconds.
    #[serde(default)]
    pub http_date: bool,
}

/// What goes wrong. `effect` changes the last five; their default stands in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The connection is cut before any effect.
    DropBefore,
    /// The call takes effect, then the connection is cut without an answer.
    DropAfter,
    /// 503 with 50301, 9001, `MAINTENANCE`.
    Maintenance,
    /// 429 with 42901, 4001, `BUSY`.
    TooMany,
    /// 400 with 40001, 2002, `INVALID_DATA`: what only the partner's own books can know, such as a name that is not
    /// the ID number's.
    DataRefused,
    /// 401 with 40101, 3001, `AUTHENTICATION_FAILED`.
    Authentication,
    /// `CURSOR_EXPIRED`, unless `after` is 0, which is always valid. Fujian's feed alone.
    CursorExpired,
    /// HTTP 500 with a proxy's page (no effect).
    #[serde(rename = "status_500")]
    Status500,
    /// 500 with 50000, 5000, `INTERNAL` (no effect).
    Internal,
    /// HTTP 200 with a proxy's page (effect).
    Garbage,
    /// A right answer under a wrong signature; Fujian signs nothing and answers right (effect).
    WrongSignature,
    /// No answer, until the gateway gives up (effect).
    Hang,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::DropBefore,
        Self::DropAfter,
        Self::Maintenance,
        Self::TooMany,
        Self::DataRefused,
        Self::Authentication,
        Self::CursorExpired,
        Self::Status500,
        Self::Internal,
        Self::Garbage,
        Self::WrongSignature,
        Self::Hang,
    ];

    /// Whether the gateway can't know what became of its call.
    pub(crate) const fn leaves_doubt(self, partner: Partner) -> bool {
        match self {
            // Fujian signs no answer: what it says under this fault is right and can be read.
            Self::WrongSignature => !matches!(partner, Partner::Fujian),
            Self::DropBefore
            | Self::DropAfter
            | Self::Status500
            | Self::Internal
            | Self::Garbage
            | Self::Hang => true,
            Self::Maintenance
            | Self::TooMany
            | Self::DataRefused
            | Self::Authentication
            | Self::CursorExpired => false,
        }
    }
}

impl Fault {
    /// Any call of any partner goes wrong this way; narrow it by its fields.
    #[must_use]
    pub const fn of(kind: FaultKind) -> Self {
        Self {
            system: None,
            operation: None,
            request_id: None,
            times: None,
            probability: None,
            delay_ms: 0,
            kind: Some(kind),
            effect: None,
            retry_after: None,
            http_date: false,
        }
    }

    /// Whether the call takes effect under it.
    pub(crate) fn has_effect(&self) -> bool {
        match self.kind {
            None | Some(FaultKind::DropAfter) => true,
            Some(FaultKind::Garbage | FaultKind::WrongSignature | FaultKind::Hang) => {
                self.effect.unwrap_or(true)
            }
            Some(FaultKind::Status500 | FaultKind::Internal) => self.effect.unwrap_or(false),
            Some(
                FaultKind::DropBefore
                | FaultKind::Maintenance
                | FaultKind::TooMany
                | FaultKind::DataRefused
                | FaultKind::Authentication
                | FaultKind::CursorExpired,
            ) => false,
        }
    }

    fn matches(&self, partner: Partner, call: &Call) -> bool {
        let request_id = call.request_id();
        // The feed's beginning is always valid, and the other two have no cursor.
        let loses_cursor = partner == Partner::Fujian && matches!(call, Call::Changes { after: 1.., .. });
        self.system.is_none_or(|one| one == partner)
            && self.operation.is_none_or(|one| one == call.operation())
            && self
                .request_id
                .as_deref()
                .is_none_or(|pattern| request_id.is_some_and(|id| matches(pattern, id)))
            && (self.kind != Some(FaultKind::CursorExpired) || loses_cursor)
    }
}

impl Faults {
    /// The fault that strikes this call, if any; counts `times` down and rolls the dice.
    pub(crate) fn strike(&mut self, partner: Partner, call: &Call) -> Option<Fault> {
        let seed = &mut self.seed;
        let fault = self.faults.iter_mut().find(|fault| {
            fault.times != Some(0)
                && fault.matches(partner, call)
                && fault.probability.is_none_or(|likely| roll(seed) < likely)
        })?;
        fault.times = fault.times.map(|left| left - 1);
        Some(fault.clone())
    }
}

/// The next number in [0, 1) of the sequence that a seed begins.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
fn roll(seed: &mut u64) -> f64 {
    let digest = Sha256::digest(seed.to_le_bytes());
    *seed = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    (*seed >> 11) as f64 / (1_u64 << 53) as f64
}

/// A script and faults from one TOML file; the crate's documentation has an example.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scenario {
    /// The `[[rule]]` tables.
    pub script: Script,
    /// The `[[fault]]` tables and `seed`.
    pub faults: Faults,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    fault: Vec<Fault>,
}

impl Scenario {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it, with line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: ScenarioFile = toml::from_str(text)?;
        let script = Script { rules: file.rule };
        Ok(Self { script, faults: Faults { seed: file.seed, faults: file.fault } })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, or is not a scenario.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::parse(&std::fs::read_to_string(path)?).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of an enum's values, as its reader lists them.
    fn names<T: serde::de::DeserializeOwned>() -> Vec<String> {
        let error = T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new("?"));
        let Err(error) = error else { return Vec::new() };
        error.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    fn listed<T: serde::Serialize>(all: &[T]) -> Vec<String> {
        let name =
            |one: &T| serde_json::to_value(one).expect("a name").as_str().unwrap_or_default().to_owned();
        all.iter().map(name).collect()
    }

    #[test]
    fn nothing_is_left_out_of_all() {
        assert_eq!(listed(&FaultKind::ALL), names::<FaultKind>());
        assert_eq!(listed(&Operation::ALL), names::<Operation>());
        assert_eq!(listed(&Partner::ALL), names::<Partner>());
    }
}
