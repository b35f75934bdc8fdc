//! Recordings, verified and signed anew (profile, "Signature").

use crate::SmartLeague;
use crate::sign::{self, Opening, Signed, is_nonce};
use jiff::Timestamp;
use league_contract::{CallContext, Nonce, Notary, NotaryError, WireRequest, WireResponse};

type Headers = Vec<(String, String)>;

impl Notary for SmartLeague {
    fn verify(&self, request: &WireRequest, now: Timestamp) -> Result<(), NotaryError> {
        let opening = Opening(request.method.as_str(), &request.target);
        let header = |name: &'static str| request.header(name);
        let signed = Signed::verify(&self.settings.keys, opening, header, &request.body, now)?;
        signed.stale_by().map_or(Ok(()), |_| Err("X-Timestamp is outside the window".into()))
    }

    fn moment(&self, request: &WireRequest) -> Result<CallContext, NotaryError> {
        let time = request.header("X-Timestamp").and_then(|time| time.parse().ok());
        let now =
            time.and_then(|time| Timestamp::from_millisecond(time).ok()).ok_or("X-Timestamp is no time")?;
        let nonce = request.header("X-Nonce").filter(|nonce| is_nonce(nonce));
        let nonce = nonce.and_then(|nonce| hex::decode(nonce).ok()?.try_into().ok());
        Ok(CallContext { now, nonce: Nonce(nonce.ok_or("X-Nonce is not 32 lower-case hex digits")?) })
    }

    fn sign_answer(
        &self,
        request: &WireRequest,
        now: Timestamp,
        mut answer: WireResponse,
    ) -> Result<WireResponse, NotaryError> {
        if answer.header("X-Signature").is_none() {
            // A proxy's, say.
            return Ok(answer);
        }
        let nonce = request.header("X-Nonce").filter(|nonce| is_nonce(nonce));
        let nonce = nonce.ok_or("the request's X-Nonce is not 32 lower-case hex digits")?;
        let status = answer.status.to_string();
        self.sign(&mut answer.headers, Opening("RESPONSE", &status), now, nonce, &answer.body);
        Ok(answer)
    }

    fn sign_push(&self, mut message: WireRequest, at: &CallContext) -> Result<WireRequest, NotaryError> {
        let opening = Opening(message.method.as_str(), &message.target);
        self.sign(&mut message.headers, opening, at.now, &at.nonce.to_hex(), &message.body);
        Ok(message)
    }
}

impl SmartLeague {
    /// Puts the four headers where they stood, or behind the others.
    fn sign(&self, headers: &mut Headers, opening: Opening<'_>, now: Timestamp, nonce: &str, body: &[u8]) {
        // The nonce that is written is the text; the context's is not looked at.
        let at = CallContext { now, nonce: Nonce([0; 16]) };
        for (name, value) in sign::headers(&self.settings.keys, opening, &at, nonce, body) {
            match headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                Some((_, old)) => *old = value,
                None => headers.push((name, value)),
            }
        }
    }
}
