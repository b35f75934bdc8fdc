//! Signatures of recordings: verified where they hold, refused where they don't, and made anew so that the adapter
//! believes them.

use super::Book;
use crate::case::{Case, Exchange, Expected, Opened, Push};
use jiff::SignedDuration;
use league_contract::{CallContext, Nonce, WireRequest};

/// Long after everything, in another second and millisecond.
const LATER: SignedDuration = SignedDuration::from_millis(86_400_000 * 40 + 12_345_678);

impl Book<'_> {
    pub(super) fn verifies_requests(&mut self, case: &Case, exchange: &Exchange) {
        let Some(request) = &exchange.request else { return };
        if let Err(problem) = self.notary.verify(request, case.now) {
            return self.breach(format!("{}: the notary does not verify the request: {problem}", case.name));
        }
        let moment = self.notary.moment(request);
        let same = moment.as_ref().is_ok_and(|at| {
            at.nonce == case.nonce && at.now.duration_since(case.now).abs() <= SignedDuration::from_secs(1)
        });
        if !same {
            self.breach(format!("{}: the notary reads another moment out of the request", case.name));
        }
        // A signature need not cover a byte of the body, but where none is looked at, none of all is.
        let changed = |change: &dyn Fn(&mut WireRequest)| {
            let mut changed = request.clone();
            change(&mut changed);
            self.notary.verify(&changed, case.now).is_ok()
        };
        let body = |at: usize| changed(&|request| request.body[at] ^= 1);
        let bytes = (0..request.body.len()).step_by(request.body.len().div_ceil(256).max(1));
        let header = |at: usize| changed(&|request| request.headers[at].1.push('0'));
        if bytes.clone().all(body) && (0..request.headers.len()).all(header) {
            self.breach(format!(
                "{}: the notary verifies a request of which a byte was changed, whichever",
                case.name
            ));
        }
        if self.notary.verify(request, case.now + LATER).is_ok() {
            self.breach(format!("{}: the notary verifies a request 40 days later", case.name));
        }
    }

    /// An answer that is signed for another request, at another time, is the same answer to that one.
    pub(super) fn signs_answers_anew(&mut self, case: &Case, exchange: &Exchange) {
        let (Some(response), Expected::Reply(expected)) = (&exchange.response, &exchange.expected) else {
            return;
        };
        let nonce = Nonce(case.nonce.0.map(|byte| byte.rotate_left(3) ^ 0x5a));
        let Ok(request) = self.adapter.encode(&exchange.call, &CallContext { now: case.now, nonce }) else {
            return;
        };
        let signed = self.notary.sign_answer(&request, case.answered_at, response.clone());
        let at = CallContext { now: case.answered_at, nonce };
        let reply = signed.map_err(|error| error.to_string()).and_then(|signed| {
            self.adapter.decode(&exchange.call, &at, &signed).map_err(|error| error.to_string())
        });
        // What was refused as not signed by them may become theirs by it.
        let unsigned = matches!(expected, league_contract::Reply::Blocked { .. });
        match reply {
            Ok(reply) if reply == *expected || unsigned => {}
            Ok(_) => self.breach(format!("{}: signed anew, the answer is another reply", case.name)),
            Err(problem) => {
                self.breach(format!("{}: signed anew, the answer is refused: {problem}", case.name))
            }
        }
    }

    /// A message that is signed anew long after is genuine then, and says the same.
    pub(super) fn signs_pushes_anew(&mut self, case: &Case, push: &Push) {
        let Opened::Event { event, replay_key } = &push.opened else { return };
        let Ok(now) = case.now.checked_add(LATER) else { return };
        let nonce = Nonce(case.nonce.0.map(|byte| byte.rotate_left(3) ^ 0x5a));
        let signed = self.notary.sign_push(push.request.clone(), &CallContext { now, nonce });
        let opened = signed
            .map_err(|error| error.to_string())
            .and_then(|signed| self.adapter.open_callback(&signed, now).map_err(|error| error.to_string()));
        match opened {
            Ok(opened) if opened.event == *event && opened.replay_key != *replay_key => {}
            Ok(_) => self
                .breach(format!("{}: signed anew, the message is another or bears the old nonce", case.name)),
            Err(problem) => {
                self.breach(format!("{}: signed anew, the message is refused: {problem}", case.name))
            }
        }
    }
}
