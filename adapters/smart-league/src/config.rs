//! What the configuration must hold.

use crate::sign::Keys;
use league_contract::{AdapterConfig, ConfigError};

/// The key of our identity in `[systems.smart_league]`.
pub(crate) const IDENTITY_KEY: &str = "app_id";
/// The key of the secrets there.
pub(crate) const SECRETS_KEY: &str = "secrets";

/// The configuration, checked.
pub(crate) struct Settings {
    /// The path prefix of every target; the signature covers it.
    pub(crate) base_path: String,
    /// Signs and verifies.
    pub(crate) keys: Keys,
}

impl Settings {
    pub(crate) fn read(config: &AdapterConfig) -> Result<Self, ConfigError> {
        let fault = |key, problem: &str| ConfigError { key, problem: problem.to_owned() };
        let host = ["http://", "https://"].iter().find_map(|scheme| config.base_url.strip_prefix(scheme));
        let plain = config.base_url.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
        if !plain || host.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(fault("base_url", "must be http:// or https://, a host, and perhaps a path"));
        }
        // It stands in a header, as it is.
        let app_id = &config.identity;
        if app_id.is_empty() || app_id.len() > 64 || !app_id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault(
                IDENTITY_KEY,
                "must be the application id: 1 to 64 ASCII characters, no space",
            ));
        }
        if config.secrets.iter().any(|secret| secret.expose().trim_ascii().is_empty()) {
            return Err(fault(SECRETS_KEY, "must not hold an empty secret"));
        }
        let keys = Keys::new(app_id, &config.secrets);
        let keys = keys.ok_or_else(|| fault(SECRETS_KEY, "must hold at least one secret"))?;
        Ok(Self { base_path: config.base_path().to_owned(), keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use league_contract::Secret;

    fn key_at_fault(base_url: &str, identity: &str, secrets: &[&str]) -> Option<&'static str> {
        let secrets = secrets.iter().map(|text| Secret::new((*text).to_owned())).collect();
        let config = AdapterConfig { base_url: base_url.into(), identity: identity.into(), secrets };
        Settings::read(&config).err().map(|error| error.key)
    }

    #[test]
    fn every_key_is_checked() {
        assert_eq!(key_at_fault("https://h/prefix", "BJGQT", &["s"]), None);
        for url in
            ["", "h", "ftp://h", "http://", "http:///path", "http://h?q=1", "http://h/#f", "http://a b"]
        {
            assert_eq!(key_at_fault(url, "BJGQT", &["s"]), Some("base_url"), "{url}");
        }
        for identity in ["", "A B", "北京", "A\r\nX-Other: 1"] {
            assert_eq!(key_at_fault("http://h", identity, &["s"]), Some("app_id"), "{identity}");
        }
        assert_eq!(key_at_fault("http://h", "BJGQT", &[]), Some("secrets"));
        assert_eq!(key_at_fault("http://h", "BJGQT", &["s", " "]), Some("secrets"));
    }
}
