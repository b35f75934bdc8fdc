//! Recordings, verified. Answers bear no signature, so there is nothing to sign anew.

use crate::Fujian;
use crate::encode::{SECURITY, UTILITY};
use crate::schema::{self, SOAP};
use crate::sign::password_digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use league_contract::{
    CLOCK_WINDOW_SECONDS, CallContext, Nonce, Notary, NotaryError, WireRequest, WireResponse,
};
use league_xml::Encoding;

impl Notary for Fujian {
    fn verify(&self, request: &WireRequest, now: Timestamp) -> Result<(), NotaryError> {
        let token = Written::read(request)?;
        if token.username != self.config.username {
            return Err("UsernameToken/Username is not ours".into());
        }
        if token.password != password_digest(&token.nonce, &token.created, &self.config.password) {
            return Err("UsernameToken/Password is not made with our password".into());
        }
        // The digest covers the token alone; what the profile says of the Timestamp hangs on it.
        let created = token.created_at()?;
        if instant("Timestamp/Created", &token.valid_from)? != created {
            return Err("Timestamp/Created is not UsernameToken/Created".into());
        }
        let lasts = instant("Timestamp/Expires", &token.valid_until)?.duration_since(created);
        if lasts != SignedDuration::from_secs(CLOCK_WINDOW_SECONDS) {
            return Err("Timestamp/Expires is not 300 s after Timestamp/Created".into());
        }
        if now.duration_since(created).as_secs().abs() > CLOCK_WINDOW_SECONDS {
            return Err("UsernameToken/Created is outside the window".into());
        }
        Ok(())
    }

    fn moment(&self, request: &WireRequest) -> Result<CallContext, NotaryError> {
        let token = Written::read(request)?;
        let now = token.created_at()?;
        let nonce = token.nonce.try_into().map_err(|_| "UsernameToken/Nonce is not 16 bytes")?;
        Ok(CallContext { now, nonce: Nonce(nonce) })
    }

    fn sign_answer(
        &self,
        _: &WireRequest,
        _: Timestamp,
        answer: WireResponse,
    ) -> Result<WireResponse, NotaryError> {
        Ok(answer)
    }

    fn sign_push(&self, _: WireRequest, _: &CallContext) -> Result<WireRequest, NotaryError> {
        Err("this system does not push".into())
    }
}

/// The token and the timestamp of a message, as they stand there.
struct Written {
    username: String,
    password: String,
    nonce: Vec<u8>,
    created: String,
    /// `Timestamp/Created`.
    valid_from: String,
    /// `Timestamp/Expires`.
    valid_until: String,
}

impl Written {
    fn read(request: &WireRequest) -> Result<Self, NotaryError> {
        let envelope = league_xml::parse(&request.body, &[Encoding::Utf8])
            .map_err(|error| NotaryError(error.to_string()))?;
        let security = envelope
            .child(SOAP, "Header")
            .and_then(|header| header.child(SECURITY, "Security"))
            .ok_or("there is no wsse:Security")?;
        let text = |parent: (&str, &str), (namespace, name): (&str, &str)| {
            let element = security.child(parent.0, parent.1);
            let text = element.and_then(|element| element.text_of(namespace, name)).map(str::to_owned);
            text.ok_or_else(|| NotaryError(format!("{}/{name} is missing", parent.1)))
        };
        let (token, timestamp) = ((SECURITY, "UsernameToken"), (UTILITY, "Timestamp"));
        let nonce = BASE64_STANDARD.decode(text(token, (SECURITY, "Nonce"))?);
        Ok(Self {
            username: text(token, (SECURITY, "Username"))?,
            password: text(token, (SECURITY, "Password"))?,
            nonce: nonce.map_err(|_| "UsernameToken/Nonce is not Base64")?,
            created: text(token, (UTILITY, "Created"))?,
            valid_from: text(timestamp, (UTILITY, "Created"))?,
            valid_until: text(timestamp, (UTILITY, "Expires"))?,
        })
    }

    fn created_at(&self) -> Result<Timestamp, NotaryError> {
        instant("UsernameToken/Created", &self.created)
    }
}

fn instant(field: &str, text: &str) -> Result<Timestamp, NotaryError> {
    schema::parse_date_time(text).ok_or_else(|| NotaryError(format!("{field} is no time")))
}
