//! What the section `[systems.guangdong]` must hold.

use league_contract::{AdapterConfig, ConfigError, text};

/// The longest `AppKey`; the profile sets none, a header field of this length is a mistake.
const IDENTITY_LIMIT: usize = 64;

pub(crate) fn check(config: &AdapterConfig) -> Result<(), ConfigError> {
    let fault = |key, problem: &str| Err(ConfigError { key, problem: problem.to_owned() });
    if !["http://", "https://"].iter().any(|scheme| config.base_url.starts_with(scheme)) {
        return fault("base_url", "must begin with https:// (or http:// for a simulated system)");
    }
    if text::clean(&config.identity, 1, IDENTITY_LIMIT).as_ref() != Ok(&config.identity) {
        return fault("app_key", "must be 1 to 64 printable characters without surrounding space");
    }
    if config.secrets.is_empty() || config.secrets.iter().any(|secret| secret.expose().is_empty()) {
        return fault("secrets", "must hold at least one secret, and none that is empty");
    }
    Ok(())
}
