//! HMAC-SM3 over a message (profile, "Signature"). One scheme for requests, answers and callbacks.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use league_contract::{CLOCK_WINDOW_SECONDS, CallContext, Secret};
use sm3::{Digest, Sm3};

type Key = Hmac<Sm3>;

/// What a message is signed with: our application id, the same in both directions, and the secrets, ready to use.
pub(crate) struct Keys {
    app_id: String,
    first: Key,
    others: Vec<Key>,
}

impl Keys {
    /// `None` where there is no secret.
    pub(crate) fn new(app_id: &str, secrets: &[Secret]) -> Option<Self> {
        // HMAC takes keys of every length.
        let mut keys = secrets.iter().filter_map(|secret| Key::new_from_slice(secret.expose()).ok());
        Some(Self { app_id: app_id.to_owned(), first: keys.next()?, others: keys.collect() })
    }

    fn sign(&self, canonical: &str) -> String {
        hex::encode(self.first.clone().chain_update(canonical).finalize().into_bytes())
    }

    /// Whether any secret made this signature; each comparison takes the same time wherever they differ.
    fn verify(&self, canonical: &str, signature: &[u8]) -> bool {
        let mut keys = std::iter::once(&self.first).chain(&self.others);
        keys.any(|key| key.clone().chain_update(canonical).verify_slice(signature).is_ok())
    }
}

/// The two lines that a message's canonical form begins with: `POST` and the target, or `RESPONSE` and the status.
#[derive(Clone, Copy)]
pub(crate) struct Opening<'a>(pub(crate) &'a str, pub(crate) &'a str);

fn canonical(opening: Opening<'_>, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    let digest = hex::encode(Sm3::digest(body));
    format!("{}\n{}\n{timestamp}\n{nonce}\n{digest}", opening.0, opening.1)
}

/// The four headers of a message that is sent at `at.now`.
pub(crate) fn headers(
    keys: &Keys,
    opening: Opening<'_>,
    at: &CallContext,
    nonce: &str,
    body: &[u8],
) -> [(String, String); 4] {
    let timestamp = at.now.as_millisecond().to_string();
    let signature = keys.sign(&canonical(opening, &timestamp, nonce, body));
    [
        ("X-App-Id".to_owned(), keys.app_id.clone()),
        ("X-Timestamp".to_owned(), timestamp),
        ("X-Nonce".to_owned(), nonce.to_owned()),
        ("X-Signature".to_owned(), signature),
    ]
}

/// A message that somebody signed with one of our secrets.
pub(crate) struct Signed {
    /// Its nonce: 32 lower-case hex digits.
    pub(crate) nonce: String,
    /// How many milliseconds its time is from ours, either way.
    distance: u64,
}

impl Signed {
    /// Verifies identity and signature, but not the time: ask [`Signed::stale_by`].
    ///
    /// # Errors
    /// What does not hold; names of headers, no values.
    pub(crate) fn verify<'a>(
        keys: &Keys,
        opening: Opening<'_>,
        header: impl Fn(&'static str) -> Option<&'a str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        if header("X-App-Id").ok_or("X-App-Id is missing")? != keys.app_id {
            return Err("X-App-Id is not ours");
        }
        let timestamp = header("X-Timestamp").ok_or("X-Timestamp is missing")?;
        let time: i64 = timestamp.parse().map_err(|_| "X-Timestamp is not a number of milliseconds")?;
        let nonce = header("X-Nonce").ok_or("X-Nonce is missing")?;
        if !is_nonce(nonce) {
            return Err("X-Nonce is not 32 lower-case hex digits");
        }
        let signature = header("X-Signature").ok_or("X-Signature is missing")?;
        let signature = hex::decode(signature).map_err(|_| "X-Signature is not hex")?;
        if !keys.verify(&canonical(opening, timestamp, nonce, body), &signature) {
            return Err("X-Signature is not made with a secret of ours");
        }
        Ok(Self { nonce: nonce.to_owned(), distance: now.as_millisecond().abs_diff(time) })
    }

    /// How many seconds the message is from our clock, where that is more than the profile allows.
    pub(crate) fn stale_by(&self) -> Option<i64> {
        let stale = self.distance > CLOCK_WINDOW_SECONDS.unsigned_abs() * 1000;
        stale.then(|| i64::try_from(self.distance / 1000).unwrap_or(i64::MAX))
    }
}

/// Whether a text is 32 lower-case hex digits.
pub(crate) fn is_nonce(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published vectors, computed with another library.
    #[test]
    fn the_vectors_hold() {
        let text = include_str!("../../../docs/profiles/vectors/signatures.json");
        let vectors: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let vectors = vectors["smart_league"].as_array().expect("a list");
        assert!(!vectors.is_empty());
        for vector in vectors {
            let field = |name: &str| vector[name].as_str().expect("a text");
            let body = field("body").as_bytes();
            assert_eq!(hex::encode(Sm3::digest(body)), field("body_sm3"));
            let opening = Opening(field("first"), field("second"));
            let signed = canonical(opening, field("timestamp"), field("nonce"), body);
            assert_eq!(signed, field("canonical"));
            let keys = Keys::new("id", &[Secret::new(field("secret").to_owned())]).expect("one secret");
            assert_eq!(keys.sign(&signed), field("signature"));
        }
    }

    #[test]
    fn the_window_is_300_s_and_no_more() {
        let signed = |distance| Signed { nonce: String::new(), distance }.stale_by();
        assert_eq!(signed(300_000), None);
        assert_eq!(signed(300_001), Some(300));
        assert_eq!(signed(u64::MAX), Some(i64::try_from(u64::MAX / 1000).unwrap_or(i64::MAX)));
    }

    #[test]
    fn the_first_signs_and_all_verify() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let old = Keys::new("id", &[secret("old")]).expect("one");
        let both = Keys::new("id", &[secret("new"), secret("old")]).expect("two");
        let by = |keys: &Keys| hex::decode(keys.sign("text")).expect("hex");
        assert!(both.verify("text", &by(&old)));
        assert!(both.verify("text", &by(&both)));
        assert!(!old.verify("text", &by(&both)));
        assert!(!both.verify("text", &by(&old)[..31]));
        assert!(!both.verify("text", b""));
    }
}
