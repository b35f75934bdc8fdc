//! WS-Security 1.0: a UsernameToken with `PasswordDigest`, and a Timestamp. Answers carry neither.

use crate::schema;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use league_contract::{CLOCK_WINDOW_SECONDS, CallContext, Secret};
use sha1::{Digest, Sha1};

/// What the security header says of one message.
pub(crate) struct Token {
    /// `wsse:Nonce`, in Base64.
    pub(crate) nonce: String,
    /// `wsu:Created`, of the token and of the timestamp.
    pub(crate) created: String,
    /// `wsu:Expires`.
    pub(crate) expires: String,
    /// `wsse:Password`.
    pub(crate) digest: String,
}

impl Token {
    /// Signs a message.
    pub(crate) fn new(password: &Secret, at: &CallContext) -> Self {
        let window = SignedDuration::from_secs(CLOCK_WINDOW_SECONDS);
        let expires = at.now.checked_add(window).unwrap_or(Timestamp::MAX);
        let created = schema::date_time(at.now);
        Self {
            nonce: BASE64_STANDARD.encode(at.nonce.0),
            digest: password_digest(&at.nonce.0, &created, password),
            created,
            expires: schema::date_time(expires),
        }
    }
}

/// `Base64( SHA-1( nonce bytes + Created + password ) )`; SHA-1 is what the profile fixes.
pub(crate) fn password_digest(nonce: &[u8], created: &str, password: &Secret) -> String {
    let digest = Sha1::new().chain_update(nonce).chain_update(created).chain_update(password.expose());
    BASE64_STANDARD.encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use league_contract::Nonce;

    #[test]
    fn the_profiles_vectors_hold() {
        let text = include_str!("../../../docs/profiles/vectors/signatures.json");
        let vectors: serde_json::Value = serde_json::from_str(text).expect("the vectors are JSON");
        let vectors = vectors["fujian"].as_array().expect("a list of Fujian's");
        assert!(!vectors.is_empty());
        for vector in vectors {
            let field = |name: &str| vector[name].as_str().expect(name);
            let nonce = BASE64_STANDARD.decode(field("nonce_base64")).expect("Base64");
            let at = CallContext {
                now: field("created").parse().expect("a time"),
                nonce: Nonce(nonce.try_into().expect("16 bytes")),
            };
            let token = Token::new(&Secret::new(field("password").into()), &at);
            assert_eq!(token.created, field("created"));
            assert_eq!(token.nonce, field("nonce_base64"));
            assert_eq!(token.digest, field("digest"));
        }
    }

    #[test]
    fn a_message_lives_for_the_window() {
        let now = "2024-07-01T15:58:30.25Z".parse().expect("a time");
        let token = Token::new(&Secret::new("x".into()), &CallContext { now, nonce: Nonce([0; 16]) });
        assert_eq!(token.created, "2024-07-01T23:58:30.250+08:00");
        assert_eq!(token.expires, "2024-07-02T00:03:30.250+08:00");
        let end = CallContext { now: Timestamp::MAX, nonce: Nonce([0; 16]) };
        assert!(Token::new(&Secret::new("x".into()), &end).expires.starts_with("9999-12-31"));
    }
}
