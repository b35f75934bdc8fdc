//! Certificates: those that we show, as a server and to partners.

use super::report::{Report, Section};
use crate::clock::Clock;
use crate::listener::Certificates;
use crate::reach::{self, Validity};
use crate::settings::Settings;
use crate::transport::Transport;
use jiff::{SignedDuration, Timestamp};
use std::path::Path;

/// A certificate should be renewed before it has so little left.
const SOON: SignedDuration = SignedDuration::from_hours(24 * 14);

/// Those of our addresses, and those that partners ask for: they can be used, and hold.
pub(super) fn ours(report: &mut Report, settings: &Settings) {
    for files in settings.http.addresses().filter_map(|address| address.tls.as_ref()) {
        match Certificates::check(files) {
            Ok(()) => one(report, &files.certificate),
            Err(error) => unusable(report, &files.certificate, &error.to_string()),
        }
    }
    let systems = settings.systems.values().map(|system| &system.endpoint);
    for endpoint in systems.chain(settings.webhooks.iter().map(|target| &target.endpoint)) {
        let Some((certificate, _)) = &endpoint.client_identity else { continue };
        match Transport::new(endpoint) {
            Ok(_) => one(report, certificate),
            Err(error) => unusable(report, certificate, &error.to_string()),
        }
    }
}

fn unusable(report: &mut Report, path: &Path, error: &str) {
    let mend = [
        "证书与私钥是否配对、是否为 PEM？".into(),
        "do certificate and key belong together, are both PEM?".into(),
    ];
    report.bad(Section::Files, path.display().to_string(), [error.to_owned(), error.to_owned()], mend);
}

fn one(report: &mut Report, path: &Path) {
    match reach::certificate_in(path) {
        Ok(validity) => {
            let renew = ["更换证书，然后 reload（SIGHUP）".into(), "renew it, then reload (SIGHUP)".into()];
            judge(report, Section::Files, path.display().to_string(), validity, renew, Clock::Wall.now());
        }
        Err(error) => unusable(report, path, &error),
    }
}

/// How long a certificate holds.
pub(super) fn judge(
    report: &mut Report,
    section: Section,
    subject: String,
    validity: Validity,
    renew: [String; 2],
    now: Timestamp,
) {
    let Validity { from, until } = validity;
    if !validity.holds(now) {
        let found = [
            format!("证书不在有效期内：{from} 至 {until}"),
            format!("the certificate holds from {from} until {until}"),
        ];
        report.bad(section, subject, found, renew);
        return;
    }
    let left = until.duration_since(now);
    let days = left.as_hours() / 24;
    let found = [format!("证书还有 {days} 天"), format!("the certificate holds for {days} more days")];
    if left < SOON {
        report.warn(section, subject, found, renew);
    } else {
        report.good(section, subject, found);
    }
}
