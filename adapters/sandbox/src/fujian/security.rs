//! WS-Security 1.0: UsernameToken with PasswordDigest, and a Timestamp (profile, "Security header").

use super::schema::SOAP;
use crate::Partner;
use crate::partner::Refusal;
use crate::rules::{children, leaf};
use crate::shared::{Shared, WINDOW_SECONDS};
use crate::time::read_instant;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use roxmltree::Node;
use sha1::{Digest, Sha1};

const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST_TYPE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";
const NONCE_TYPE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";

fn password_digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(nonce);
    hash.update(created);
    hash.update(password);
    BASE64.encode(hash.finalize())
}

/// Verifies the header: form and password first, then the window, then the nonce.
pub(super) fn verify(shared: &Shared, header: Option<Node>) -> Result<(), Refusal> {
    let refuse = |what: &str| Refusal::Unauthenticated(what.to_owned());
    let security = header
        .and_then(|header| header.children().find(|node| node.has_tag_name((WSSE, "Security"))))
        .ok_or_else(|| refuse("Security"))?;
    if security.attribute((SOAP, "mustUnderstand")) != Some("1") {
        return Err(refuse("mustUnderstand"));
    }
    let child = |parent: Node, namespace: &str, name: &str| -> Result<String, Refusal> {
        leaf(find(parent, namespace, name)?).map_err(Refusal::Unauthenticated)
    };
    let timestamp = find(security, WSU, "Timestamp")?;
    let token = find(security, WSSE, "UsernameToken")?;
    let created = child(timestamp, WSU, "Created")?;
    let identity = shared.identity(Partner::Fujian);
    if child(token, WSSE, "Username")? != identity.id {
        return Err(refuse("Username"));
    }
    if child(token, WSU, "Created")? != created {
        return Err(refuse("两处 Created 不一致"));
    }
    let password = find(token, WSSE, "Password")?;
    let nonce = find(token, WSSE, "Nonce")?;
    if password.attribute("Type") != Some(DIGEST_TYPE) {
        return Err(refuse("Password Type"));
    }
    if nonce.attribute("EncodingType").is_some_and(|kind| kind != NONCE_TYPE) {
        return Err(refuse("Nonce EncodingType"));
    }
    let nonce = leaf(nonce).map_err(Refusal::Unauthenticated)?;
    let bytes =
        BASE64.decode(&nonce).ok().filter(|bytes| bytes.len() == 16).ok_or_else(|| refuse("Nonce"))?;
    let given = leaf(password).map_err(Refusal::Unauthenticated)?;
    if !identity.secrets.iter().any(|secret| password_digest(&bytes, &created, secret) == given) {
        return Err(refuse("PasswordDigest"));
    }
    within(shared, &created, &child(timestamp, WSU, "Expires")?)?;
    if shared.accept_nonce(Partner::Fujian, &nonce) { Ok(()) } else { Err(Refusal::Replayed) }
}

/// Exactly one child of that name.
fn find<'a, 'i>(parent: Node<'a, 'i>, namespace: &str, name: &str) -> Result<Node<'a, 'i>, Refusal> {
    let named = children(parent).map_err(Refusal::Unauthenticated)?;
    let mut named = named.into_iter().filter(|node| node.has_tag_name((namespace, name)));
    match (named.next(), named.next()) {
        (Some(node), None) => Ok(node),
        _ => Err(Refusal::Unauthenticated(name.to_owned())),
    }
}

fn within(shared: &Shared, created: &str, expires: &str) -> Result<(), Refusal> {
    let (Some(from), Some(to)) = (read_instant(created), read_instant(expires)) else {
        return Err(Refusal::Unauthenticated("Created 或 Expires".into()));
    };
    if to.duration_since(from).as_secs() != WINDOW_SECONDS {
        return Err(Refusal::Unauthenticated("Expires 须为 Created 之后 300 秒".into()));
    }
    shared.skew(from).map_or(Ok(()), |skew| Err(Refusal::Stale(skew)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_vectors_hold() {
        let text = include_str!("../../../../docs/profiles/vectors/signatures.json");
        let vectors: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let list = vectors["fujian"].as_array().expect("a list");
        assert!(!list.is_empty());
        for vector in list {
            let field = |name: &str| vector[name].as_str().expect("a text");
            let nonce = BASE64.decode(field("nonce_base64")).expect("Base64");
            assert_eq!(password_digest(&nonce, field("created"), field("password")), field("digest"));
        }
    }
}
