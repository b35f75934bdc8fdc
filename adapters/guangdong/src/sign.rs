//! The digest, the same in both directions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use league_contract::Secret;
use sha2::{Digest as _, Sha256};

/// The values that the digest covers beside the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) app_key: &'a str,
    pub(crate) service: &'a str,
    pub(crate) serial_no: &'a str,
    pub(crate) timestamp: &'a str,
    /// Of an answer.
    pub(crate) code: Option<&'a str>,
}

impl Signed<'_> {
    /// The digest over these values and the exact bytes of `Body`.
    pub(crate) fn digest(&self, secret: &Secret, body: &[u8]) -> String {
        STANDARD.encode(self.mac(secret, body).finalize().into_bytes())
    }

    /// Whether one of the secrets made this digest. Takes the same time whether or not, and whichever.
    pub(crate) fn verify(&self, secrets: &[Secret], body: &[u8], digest: &str) -> bool {
        // `xs:base64Binary` may be broken over lines.
        let digest: String = digest.split_ascii_whitespace().collect();
        let Ok(digest) = STANDARD.decode(digest) else { return false };
        let holds = |secret| self.mac(secret, body).verify_slice(&digest).is_ok();
        secrets.iter().fold(false, |found, secret| found | holds(secret))
    }

    fn mac(&self, secret: &Secret, body: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("any length is a key");
        mac.update(self.text(body).as_bytes());
        mac
    }

    fn text(&self, body: &[u8]) -> String {
        let body = STANDARD.encode(Sha256::digest(body));
        let lines = [self.app_key, self.service, self.serial_no, self.timestamp];
        let lines: Vec<&str> = lines.into_iter().chain(self.code).chain([body.as_str()]).collect();
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_vectors_hold() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/profiles/vectors/signatures.json");
        let file = std::fs::read_to_string(path).expect("the vectors are there");
        let vectors: serde_json::Value = serde_json::from_str(&file).expect("JSON");
        let vectors = vectors["guangdong"].as_array().expect("a list");
        assert_eq!(vectors.len(), 4);
        for vector in vectors {
            let field = |name: &str| vector[name].as_str().expect("text");
            let signed = Signed {
                app_key: field("app_key"),
                service: field("service"),
                serial_no: field("serial_no"),
                timestamp: field("timestamp"),
                code: vector["code"].as_str(),
            };
            let body = STANDARD.decode(field("body_base64")).expect("base64");
            let secret = Secret::new(field("secret").to_owned());
            assert_eq!(signed.text(&body), field("signed_text"));
            assert_eq!(signed.digest(&secret, &body), field("digest"));
            let other = Secret::new("other".to_owned());
            assert!(signed.verify(&[other.clone(), secret.clone()], &body, field("digest")));
            assert!(!signed.verify(&[other], &body, field("digest")));
            assert!(!signed.verify(std::slice::from_ref(&secret), b"<Body/> ", field("digest")));
            assert!(!signed.verify(&[secret], &body, "no base64"));
        }
    }
}
