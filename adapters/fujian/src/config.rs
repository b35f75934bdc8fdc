//! What the configuration must hold before anything is sent.

use league_contract::{AdapterConfig, ConfigError, Secret};
use std::net::IpAddr;

/// The checked configuration.
pub(crate) struct Config {
    /// The one endpoint's path: the base URL's prefix and `/services/TransferService`.
    pub(crate) target: String,
    /// Who we are there.
    pub(crate) username: String,
    /// The password that signs. Answers carry no signature, so the others have nothing to verify.
    pub(crate) password: Secret,
}

impl TryFrom<AdapterConfig> for Config {
    type Error = ConfigError;

    fn try_from(given: AdapterConfig) -> Result<Self, ConfigError> {
        trustworthy(&given.base_url)?;
        let target = format!("{}/services/TransferService", given.base_path());
        if given.identity.is_empty() || given.identity.chars().any(char::is_control) {
            return Err(wrong(
                "username",
                "must be the name that Fujian gave us, without control characters",
            ));
        }
        let password = given.secrets.into_iter().next();
        let password = password.ok_or_else(|| wrong("passwords", "at least one is needed"))?;
        Ok(Self { target, username: given.identity, password })
    }
}

/// Answers are not signed, so whoever can change them on the way could invent check-ins: TLS, or this machine alone.
fn trustworthy(base_url: &str) -> Result<(), ConfigError> {
    let (scheme, rest) = base_url
        .split_once("://")
        .ok_or_else(|| wrong("base_url", "must begin with https://, or with http:// for this machine"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | '?' | '#' | '\\');
    if authority.is_empty() || !rest.chars().all(plain) {
        return Err(wrong("base_url", "must be scheme, host, optional port and optional path, nothing else"));
    }
    if scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && loopback(authority)) {
        Ok(())
    } else {
        Err(wrong(
            "base_url",
            "must begin with https://: Fujian's answers are not signed, so plain http is for loopback alone \
             (127.0.0.0/8, ::1, localhost)",
        ))
    }
}

fn loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn wrong(key: &'static str, problem: &str) -> ConfigError {
    ConfigError { key, problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(base_url: &str) -> Result<Config, ConfigError> {
        let secrets = ["one", "two"].map(|secret| Secret::new(secret.to_owned())).to_vec();
        Config::try_from(AdapterConfig { base_url: base_url.into(), identity: "BJGQT".into(), secrets })
    }

    #[rstest]
    #[case("https://fujian.example", "/services/TransferService")]
    #[case("HTTPS://fujian.example:8443/league/", "/league/services/TransferService")]
    #[case("http://127.0.0.1:9103", "/services/TransferService")]
    #[case("http://127.8.9.10/x", "/x/services/TransferService")]
    #[case("http://[::1]:9103", "/services/TransferService")]
    #[case("http://LocalHost:9103", "/services/TransferService")]
    fn tls_or_loopback_is_taken(#[case] base_url: &str, #[case] target: &str) {
        assert_eq!(read(base_url).expect("taken").target, target);
    }

    #[rstest]
    #[case("http://fujian.example")]
    #[case("http://10.0.0.1:9103")]
    #[case("http://0.0.0.0:9103")]
    #[case("http://127.0.0.1.fujian.example")]
    #[case("http://localhost.fujian.example")]
    #[case("http://127.0.0.1@fujian.example/")]
    #[case("http://127.0.0.1\\@fujian.example/")]
    #[case("http://[::2]:9103")]
    #[case("http://")]
    #[case("http:///services")]
    #[case("https://fujian.example/?x=1")]
    #[case("https://fujian.example/#x")]
    #[case("https://user:word@fujian.example/")]
    #[case("ftp://127.0.0.1")]
    #[case("127.0.0.1:9103")]
    #[case("")]
    fn all_else_is_refused_by_its_key(#[case] base_url: &str) {
        assert_eq!(read(base_url).err().map(|error| error.key), Some("base_url"));
    }

    #[test]
    fn the_first_password_signs_and_none_is_an_error() {
        assert_eq!(read("https://fujian.example").expect("taken").password.expose(), b"one");
        let config = |identity: &str, secrets| AdapterConfig {
            base_url: "https://fujian.example".into(),
            identity: identity.into(),
            secrets,
        };
        let key = |config: AdapterConfig| Config::try_from(config).err().map(|error| error.key);
        assert_eq!(key(config("BJGQT", vec![])), Some("passwords"));
        assert_eq!(key(config("", vec![Secret::new("one".into())])), Some("username"));
        assert_eq!(key(config("BJ\nGQT", vec![Secret::new("one".into())])), Some("username"));
    }
}
