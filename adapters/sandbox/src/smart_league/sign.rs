//! The signature of the national profile: HMAC-SM3 in lower-case hex.

use hmac::{Hmac, KeyInit, Mac};
use sm3::{Digest, Sm3};

/// What is signed. `first` and `second` are method and path-and-query, or `RESPONSE` and the HTTP status.
fn canonical(first: &str, second: &str, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    [first, second, timestamp, nonce, &hex::encode(Sm3::digest(body))].join("\n")
}

/// One message's headers, by which it is signed and verified.
pub(crate) struct Seal<'a> {
    pub(crate) first: &'a str,
    pub(crate) second: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) nonce: &'a str,
}

impl Seal<'_> {
    fn mac(&self, secret: &str, body: &[u8]) -> Option<Hmac<Sm3>> {
        let mut mac = Hmac::<Sm3>::new_from_slice(secret.as_bytes()).ok()?;
        mac.update(canonical(self.first, self.second, self.timestamp, self.nonce, body).as_bytes());
        Some(mac)
    }

    /// The signature.
    pub(crate) fn sign(&self, secret: &str, body: &[u8]) -> String {
        self.mac(secret, body).map_or_else(String::new, |mac| hex::encode(mac.finalize().into_bytes()))
    }

    /// Whether a signature, in lower case as the profile says, is that of one of the secrets.
    pub(crate) fn verify(&self, secrets: &[String], body: &[u8], signature: &str) -> bool {
        secrets.iter().any(|secret| self.sign(secret, body) == signature && !signature.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_vectors_hold() {
        let text = include_str!("../../../../docs/profiles/vectors/signatures.json");
        let vectors: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let list = vectors["smart_league"].as_array().expect("a list");
        assert!(!list.is_empty());
        for vector in list {
            let field = |name: &str| vector[name].as_str().expect("a text");
            let seal = Seal {
                first: field("first"),
                second: field("second"),
                timestamp: field("timestamp"),
                nonce: field("nonce"),
            };
            let body = field("body").as_bytes();
            assert_eq!(seal.sign(field("secret"), body), field("signature"));
            assert!(seal.verify(&["old".into(), field("secret").into()], body, field("signature")));
            assert!(!seal.verify(&["other".into()], body, field("signature")));
        }
    }
}
