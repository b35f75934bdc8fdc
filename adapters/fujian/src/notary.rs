//! Recordings, verified. Answers bear no signature, so there is nothing to sign anew.

use crate::Fujian;
use crate::encode::{SECURITY, UTILITY};
use crate::schema::{self, SOAP};
use crate::sign::password_digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
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
        let away = now.duration_since(token.created_at()?).as_secs().abs();
        if away > CLOCK_WINDOW_SECONDS {
            Err("UsernameToken/Created is outside the window".into())
        } else {
            Ok(())
        }
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

/// The token of a message, as it stands there.
struct Written {
    username: String,
    password: String,
    nonce: Vec<u8>,
    created: String,
}

impl Written {
    fn read(request: &WireRequest) -> Result<Self, NotaryError> {
        let envelope = league_xml::parse(&request.body, &[Encoding::Utf8])
            .map_err(|error| NotaryError(error.to_string()))?;
        let token = envelope
            .child(SOAP, "Header")
            .and_then(|header| header.child(SECURITY, "Security"))
            .and_then(|security| security.child(SECURITY, "UsernameToken"))
            .ok_or("there is no wsse:UsernameToken")?;
        let text = |namespace, name: &str| {
            let text = token.text_of(namespace, name).map(str::to_owned);
            text.ok_or_else(|| NotaryError(format!("UsernameToken/{name} is missing")))
        };
        let nonce = BASE64_STANDARD.decode(text(SECURITY, "Nonce")?);
        Ok(Self {
            username: text(SECURITY, "Username")?,
            password: text(SECURITY, "Password")?,
            nonce: nonce.map_err(|_| "UsernameToken/Nonce is not Base64")?,
            created: text(UTILITY, "Created")?,
        })
    }

    fn created_at(&self) -> Result<Timestamp, NotaryError> {
        schema::parse_date_time(&self.created).ok_or_else(|| "UsernameToken/Created is no time".into())
    }
}
