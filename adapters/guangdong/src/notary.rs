//! Recordings, verified and signed anew. A message keeps its bytes, in its own encoding, but for what stands in the head.

use crate::Guangdong;
use crate::schema::{self, Exchange, Fault};
use crate::sign::Signed;
use jiff::Timestamp;
use league_contract::{CallContext, Nonce, Notary, NotaryError, WireRequest, WireResponse};

impl Notary for Guangdong {
    fn verify(&self, request: &WireRequest, now: Timestamp) -> Result<(), NotaryError> {
        let exchange = Exchange::read(&request.body).map_err(unreadable)?;
        if exchange.app_key != self.config.identity {
            return Err("Head/AppKey is not ours".into());
        }
        if !exchange.is_signed_by(&self.config.secrets) {
            return Err("Head/Digest is not made over these bytes with a secret of ours".into());
        }
        match exchange.skew(&self.stamps, now).map_err(unreadable)? {
            None => Ok(()),
            Some(_) => Err("Head/Timestamp is outside the window".into()),
        }
    }

    fn moment(&self, request: &WireRequest) -> Result<CallContext, NotaryError> {
        let exchange = Exchange::read(&request.body).map_err(unreadable)?;
        let now = exchange.sent_at(&self.stamps).ok_or("Head/Timestamp is not a time")?;
        let digits =
            exchange.serial_no.as_bytes().chunks(2).map(|pair| {
                std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
            });
        let nonce: Option<Vec<u8>> = digits.collect();
        let nonce =
            nonce.and_then(|nonce| nonce.try_into().ok()).ok_or("Head/SerialNo is not 32 hex digits")?;
        Ok(CallContext { now, nonce: Nonce(nonce) })
    }

    fn sign_answer(
        &self,
        request: &WireRequest,
        now: Timestamp,
        mut answer: WireResponse,
    ) -> Result<WireResponse, NotaryError> {
        if Exchange::read(&answer.body).is_err() {
            // Nothing of this profile: it bears no digest.
            return Ok(answer);
        }
        let asked = Exchange::read(&request.body).map_err(unreadable)?;
        answer.body = self.sign(answer.body, &asked.serial_no, now)?;
        Ok(answer)
    }

    fn sign_push(&self, mut message: WireRequest, at: &CallContext) -> Result<WireRequest, NotaryError> {
        message.body = self.sign(message.body, &at.nonce.to_hex(), at.now)?;
        Ok(message)
    }
}

impl Guangdong {
    fn sign(&self, raw: Vec<u8>, serial_no: &str, now: Timestamp) -> Result<Vec<u8>, NotaryError> {
        let timestamp = self.stamps.write(now);
        let mut raw = raw;
        for (name, value) in
            [("AppKey", self.config.identity.as_str()), ("SerialNo", serial_no), ("Timestamp", &timestamp)]
        {
            raw = with_head(raw, name, value)?;
        }
        let exchange = Exchange::read(&raw).map_err(unreadable)?;
        let signed = Signed {
            app_key: &exchange.app_key,
            service: &exchange.service,
            serial_no: &exchange.serial_no,
            timestamp: &timestamp,
            code: exchange.code.as_deref(),
        };
        let digest = signed.digest(&self.config.secrets[0], exchange.body_bytes());
        with_head(raw, "Digest", &digest)
    }
}

/// The message with another text in one element of its head, all other bytes as they are.
fn with_head(raw: Vec<u8>, name: &str, value: &str) -> Result<Vec<u8>, NotaryError> {
    if !value.is_ascii() || value.contains(['<', '&']) {
        return Err(NotaryError(format!("Head/{name} has room for plain ASCII alone")));
    }
    let span = schema::head_span(&raw, name)
        .ok_or_else(|| NotaryError(format!("Head/{name} is missing, or stands empty as <{name}/>")))?;
    let mut out = raw;
    out.splice(span, value.bytes());
    Ok(out)
}

fn unreadable(fault: Fault) -> NotaryError {
    NotaryError(fault.into_text())
}
