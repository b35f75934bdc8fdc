//! Sealing of personal data at rest, and the keyed digests by which it is found again.

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use league_contract::{RequestId, Transfer, document};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Seals and opens, with any of the configured keys. Shows nothing of them.
///
/// A sealed value is `length of the key id (1 byte) ‖ key id ‖ nonce (12) ‖ ciphertext and tag`, AES-256-GCM with the
/// context as associated data: a value that is moved to another row or column does not open.
pub struct Sealer {
    keys: Vec<(String, Aes256Gcm)>,
    index_key: Zeroizing<[u8; 32]>,
}

/// Why a value can't be sealed or opened. Names keys and contexts, never content.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A key in the configuration is not `id:base64 of 32 bytes`.
    #[error("privacy key {position}: {problem}")]
    BadKey {
        /// From 1.
        position: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// The key of the blind index is not base64 of 32 bytes.
    #[error("the key of the blind index: {0}")]
    BadIndexKey(&'static str),
    /// The value was sealed with a key that is not configured.
    #[error("sealed with the key `{0}`, which is not among privacy.keys: put it back behind the first")]
    UnknownKey(String),
    /// Damaged, moved to another place, or not sealed at all.
    #[error("the sealed value of {0} is damaged")]
    Damaged(&'static str),
    /// The system gave no randomness.
    #[error("the operating system gave no randomness")]
    NoRandomness,
}

/// A key as configuration writes it: `id:base64 of 32 bytes`.
fn parse_key(text: &str) -> Result<(String, Zeroizing<[u8; 32]>), &'static str> {
    let (id, encoded) = text.trim().split_once(':').ok_or("write it as id:base64 of 32 bytes")?;
    if id.is_empty()
        || id.len() > 32
        || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    {
        return Err("the id has 1 to 32 letters, digits, - or _");
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded.trim()).map_err(|_| "the key is not base64")?);
    let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| "the key has not 32 bytes")?;
    Ok((id.to_owned(), Zeroizing::new(key)))
}

/// The key of the blind index: base64 of 32 bytes.
fn parse_index_key(text: &str) -> Result<Zeroizing<[u8; 32]>, &'static str> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| "it is not base64")?);
    let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| "it has not 32 bytes")?;
    Ok(Zeroizing::new(key))
}

/// What is wrong with a key that seals, if anything.
#[must_use]
pub fn key_problem(text: &str) -> Option<&'static str> {
    parse_key(text).err()
}

/// What is wrong with a key of the blind index, if anything.
#[must_use]
pub fn index_key_problem(text: &str) -> Option<&'static str> {
    parse_index_key(text).err()
}

impl Sealer {
    /// Takes the keys, the first of which seals, and the key of the blind index (base64 of 32 bytes).
    ///
    /// # Errors
    /// [`SealError::BadKey`] with the position of the key.
    pub fn new(keys: &[Zeroizing<String>], index_key: &str) -> Result<Self, SealError> {
        let mut parsed = Vec::new();
        for (at, text) in keys.iter().enumerate() {
            let bad = |problem| SealError::BadKey { position: at + 1, problem };
            let (id, key) = parse_key(text).map_err(bad)?;
            let cipher =
                Aes256Gcm::new_from_slice(key.as_slice()).map_err(|_| bad("the key has not 32 bytes"))?;
            parsed.push((id, cipher));
        }
        if parsed.is_empty() {
            return Err(SealError::BadKey { position: 1, problem: "there is no key" });
        }
        let index_key = parse_index_key(index_key).map_err(SealError::BadIndexKey)?;
        Ok(Self { keys: parsed, index_key })
    }

    /// Seals bytes with the first key; `context` says what they are and where they belong.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`] alone, in practice.
    pub fn seal(&self, context: &'static str, owner: &str, clear: &[u8]) -> Result<Vec<u8>, SealError> {
        let (id, cipher) = self.keys.first().ok_or(SealError::Damaged(context))?;
        let mut nonce = [0u8; 12];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let aad = format!("{context}\n{owner}");
        let sealed = cipher
            .encrypt(&Nonce::from(nonce), Payload { msg: clear, aad: aad.as_bytes() })
            .map_err(|_| SealError::Damaged(context))?;
        let mut out = Vec::with_capacity(1 + id.len() + 12 + sealed.len());
        out.push(u8::try_from(id.len()).map_err(|_| SealError::Damaged(context))?);
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Sealer::seal`] made in the same context for the same owner.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] or [`SealError::Damaged`].
    pub fn open(
        &self,
        context: &'static str,
        owner: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let damaged = || SealError::Damaged(context);
        let (length, rest) = sealed.split_first().ok_or_else(damaged)?;
        let (id, rest) = rest.split_at_checked(usize::from(*length)).ok_or_else(damaged)?;
        let (nonce, body) = rest.split_at_checked(12).ok_or_else(damaged)?;
        let nonce: [u8; 12] = nonce.try_into().map_err(|_| damaged())?;
        let id = std::str::from_utf8(id).map_err(|_| damaged())?;
        let (_, cipher) = self
            .keys
            .iter()
            .find(|(known, _)| known == id)
            .ok_or_else(|| SealError::UnknownKey(id.to_owned()))?;
        let aad = format!("{context}\n{owner}");
        cipher
            .decrypt(&Nonce::from(nonce), Payload { msg: body, aad: aad.as_bytes() })
            .map(Zeroizing::new)
            .map_err(|_| damaged())
    }

    /// The id of the key that sealed a value, from its first bytes.
    #[must_use]
    pub fn key_of(sealed: &[u8]) -> Option<&str> {
        let (length, rest) = sealed.split_first()?;
        std::str::from_utf8(rest.get(..usize::from(*length))?).ok().filter(|id| !id.is_empty())
    }

    /// Whether a key of this id is configured.
    #[must_use]
    pub fn has_key(&self, id: &str) -> bool {
        self.keys.iter().any(|(known, _)| known == id)
    }

    /// Whether the key of this id is the one that seals.
    #[must_use]
    pub fn seals_with(&self, id: &str) -> bool {
        self.keys.first().is_some_and(|(first, _)| first == id)
    }

    /// The ids of the configured keys; the first seals.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// A keyed digest: equal for equal content, and of no use without the key. `purpose` keeps the indexes apart.
    #[must_use]
    pub fn digest(&self, purpose: &'static str, content: &[u8]) -> Vec<u8> {
        // An HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.index_key.as_slice()) else {
            return Vec::new();
        };
        mac.update(purpose.as_bytes());
        mac.update(b"\n");
        mac.update(content);
        mac.finalize().into_bytes().to_vec()
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

/// A transfer's document in the forms that may be stored.
#[derive(Debug, Clone)]
pub struct SealedTransfer {
    /// Blind index of the ID number.
    pub index: Vec<u8>,
    /// Keyed digest of the document: equal for the same content.
    pub digest: Vec<u8>,
    /// The document, sealed.
    pub sealed: Vec<u8>,
}

impl Sealer {
    /// Seals a transfer's document, and makes the digests by which the person and the content are found again.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub fn seal_transfer(&self, transfer: &Transfer) -> Result<SealedTransfer, SealError> {
        let clear = document::write(transfer);
        Ok(SealedTransfer {
            index: self.person(transfer.member.id_number.expose()),
            digest: self.digest("content", clear.as_bytes()),
            sealed: self.seal("document", transfer.request_id.as_str(), clear.as_bytes())?,
        })
    }

    /// Opens a transfer's document.
    ///
    /// # Errors
    /// As [`Sealer::open`]; a document that can't be read counts as damaged.
    pub fn open_transfer(&self, request_id: &RequestId, sealed: &[u8]) -> Result<Transfer, SealError> {
        let clear = self.open("document", request_id.as_str(), sealed)?;
        let value = serde_json::from_slice(&clear).map_err(|_| SealError::Damaged("document"))?;
        document::read_canonical(&value).map_err(|_| SealError::Damaged("document"))
    }

    /// The keyed digest of a transfer's document.
    #[must_use]
    pub fn content(&self, transfer: &Transfer) -> Vec<u8> {
        self.digest("content", document::write(transfer).as_bytes())
    }

    /// The blind index of an ID number.
    #[must_use]
    pub fn person(&self, id_number: &str) -> Vec<u8> {
        self.digest("person", id_number.as_bytes())
    }
}

/// Thirty-two fresh random bytes in base64, for a new key.
///
/// # Errors
/// [`SealError::NoRandomness`].
pub fn generate_key() -> Result<Zeroizing<String>, SealError> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|_| SealError::NoRandomness)?;
    Ok(Zeroizing::new(STANDARD.encode(bytes.as_slice())))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn sealer(ids: &[&str]) -> Sealer {
        let keys: Vec<Zeroizing<String>> = ids
            .iter()
            .map(|id| Zeroizing::new(format!("{id}:{}", STANDARD.encode([id.as_bytes()[0]; 32]))))
            .collect();
        Sealer::new(&keys, &STANDARD.encode([9u8; 32])).expect("keys")
    }

    #[test]
    fn a_sealed_value_opens_in_its_place_alone() {
        let sealer = sealer(&["a"]);
        let sealed = sealer.seal("document", "BJ-1", "张三".as_bytes()).expect("sealed");
        assert!(!sealed.windows(6).any(|window| window == "张三".as_bytes()));
        assert_eq!(sealer.open("document", "BJ-1", &sealed).expect("opens").as_slice(), "张三".as_bytes());
        assert!(matches!(sealer.open("document", "BJ-2", &sealed), Err(SealError::Damaged("document"))));
        assert!(matches!(sealer.open("request", "BJ-1", &sealed), Err(SealError::Damaged("request"))));
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(sealer.open("document", "BJ-1", &bad).is_err(), "byte {at}");
            assert!(sealer.open("document", "BJ-1", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn old_keys_open_and_the_first_seals() {
        let old = sealer(&["a"]).seal("document", "BJ-1", b"x").expect("sealed");
        assert_eq!(sealer(&["b", "a"]).open("document", "BJ-1", &old).expect("opens").as_slice(), b"x");
        let error = sealer(&["b"]).open("document", "BJ-1", &old).expect_err("key gone");
        assert!(error.to_string().contains("`a`"), "{error}");
    }

    #[test]
    fn digests_are_equal_for_equal_content_and_purpose() {
        let sealer = sealer(&["a"]);
        assert_eq!(sealer.digest("person", b"1"), sealer.digest("person", b"1"));
        assert_ne!(sealer.digest("person", b"1"), sealer.digest("content", b"1"));
    }

    #[test]
    fn bad_keys_are_named_and_not_shown() {
        for bad in ["nokey", "a:%%%", "a:AAAA", ":AAAA"] {
            let error = Sealer::new(&[Zeroizing::new(bad.to_owned())], &STANDARD.encode([9u8; 32]))
                .expect_err("refused")
                .to_string();
            assert!(error.starts_with("privacy key 1: "), "{error}");
            assert!(!error.contains("AAAA"), "{error}");
        }
    }
}
