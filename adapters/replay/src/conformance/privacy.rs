//! Nothing of a person, and no secret, in any error or `Debug`.

use super::Book;
use super::damage::calm;
use crate::case::{Case, Kind};
use league_contract::reason::DetailKind;
use league_contract::{Call, Transfer};
use std::collections::BTreeSet;

impl Book<'_> {
    pub(super) fn keeps_quiet(&mut self) {
        let clear = self.clear_values();
        let fixtures = self.fixtures;
        for case in &fixtures.cases {
            let Ok(shown) = calm(|| self.everything_shown(case)) else { continue };
            if let Some(value) = clear.iter().find(|value| shown.contains(value.as_str())) {
                self.breach(format!("{}: `{value}` is in an error or Debug text:\n{shown}", case.name));
            }
        }
    }

    /// Names, numbers and phones of all cases, and the secrets that they are signed with.
    fn clear_values(&self) -> BTreeSet<String> {
        let mut values = BTreeSet::new();
        for case in &self.fixtures.cases {
            if let Kind::Exchange(exchange) = &case.kind
                && let Call::Submit(transfer) = &exchange.call
            {
                values.extend(personal(transfer));
            }
        }
        for config in self.fixtures.configs.values() {
            let secrets = config.secrets.iter();
            values.extend(secrets.map(|secret| String::from_utf8_lossy(secret.expose()).into_owned()));
        }
        values.retain(|value| value.chars().count() >= 2);
        values
    }

    /// Every text that a log line could come by when this case is handled, also with its messages damaged.
    fn everything_shown(&self, case: &Case) -> String {
        let mut shown = String::new();
        match &case.kind {
            Kind::Exchange(exchange) => {
                shown += &format!("{:?}\n", exchange.call);
                match self.adapter.encode(&exchange.call, &case.context()) {
                    Ok(request) => shown += &format!("{request:?}\n"),
                    Err(error) => shown += &format!("{error} {error:?}\n"),
                }
                let Some(response) = &exchange.response else { return shown };
                // A signed answer that is cut says nothing: one cut shows it.
                let deepest = if self.profile.signed_answers { 1 } else { 4096 };
                for cut in 0..=response.body.len().min(deepest) {
                    let mut damaged = response.clone();
                    damaged.body.truncate(response.body.len() - cut);
                    match self.adapter.decode(&exchange.call, &case.answer_context(), &damaged) {
                        Ok(reply) => shown += &format!("{reply:?}\n"),
                        Err(error) => shown += &format!("{error} {error:?}\n"),
                    }
                }
            }
            Kind::Callback(push) => {
                shown += &format!("{:?}\n", push.request);
                match self.adapter.open_callback(&push.request, case.now) {
                    Ok(callback) => shown += &format!("{callback:?}\n"),
                    Err(error) => shown += &format!("{error} {error:?}\n"),
                }
                let answer =
                    self.adapter.answer_callback(&push.request, push.verdict, &case.answer_context());
                shown += &String::from_utf8_lossy(&answer.body);
            }
        }
        shown
    }
}

/// What identifies the persons of a transfer. The last eight of the ID number are a password.
fn personal(transfer: &Transfer) -> Vec<String> {
    let member = &transfer.member;
    let id_number = member.id_number.expose();
    let mut values = vec![
        member.name.expose().to_owned(),
        id_number.to_owned(),
        id_number[id_number.len() - 8..].to_owned(),
        member.phone.expose().to_owned(),
    ];
    let persons = transfer
        .reason
        .rule()
        .details
        .iter()
        .filter(|detail| matches!(detail.kind, DetailKind::Name | DetailKind::Phone));
    values.extend(persons.filter_map(|detail| transfer.details.get(detail.key).cloned()));
    values
}
