//! `[webhooks.NAME]`: upstream's addresses that are told of events.

use super::endpoint;
use super::reader::Reader;
use crate::transport::Endpoint;
use crate::webhook::{KINDS, Secret, Secrets, Target};
use std::time::Duration;

/// The longest that one post takes, where nothing else is written: as the specification recommends.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Every address that is right; the others are problems.
pub(super) fn read(reader: &mut Reader) -> Vec<Target> {
    reader.sections("webhooks").into_iter().filter_map(|name| target(reader, &name)).collect()
}

fn target(reader: &mut Reader, name: &str) -> Option<Target> {
    let section = format!("webhooks.{name}");
    let key = |part: &str| format!("{section}.{part}");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
        reader.skip(&section);
        reader.report(&section, "the name has 1 to 40 small letters, digits, - or _");
        return None;
    }
    let url = reader.parsed(&key("url"), "an http or https URL without user and fragment", |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        let plain = !host.is_empty() && !host.contains('@') && !rest.contains(['#', ' ']) && text.is_ascii();
        plain.then(|| text.to_owned())
    });
    let secrets = reader.secrets(&section, "secrets", "secret_files");
    let secrets: Option<Vec<Secret>> = secrets.map(|texts| {
        let mut read = |text| {
            Secret::parse(text).map_err(|problem| reader.report(&key("secrets"), &problem.to_string()))
        };
        texts.iter().filter_map(|text| read(text).ok()).collect()
    });
    let kinds = match reader.optional_list(&key("events")) {
        Some(kinds) => kinds,
        None => KINDS.map(ToOwned::to_owned).to_vec(),
    };
    if kinds.is_empty() || kinds.iter().any(|kind| !KINDS.contains(&kind.as_str())) {
        reader.report(&key("events"), &format!("must be a list of {}", KINDS.join(", ")));
    }
    let timeout =
        if reader.is_written(&key("timeout")) { reader.duration(&key("timeout")) } else { Some(TIMEOUT) };
    let endpoint: Endpoint = endpoint(reader, &key, url.as_deref(), timeout)?;
    let path = url.and_then(|url| url.strip_prefix(&endpoint.origin).map(absolute))?;
    Some(Target { name: name.to_owned(), endpoint, path, secrets: Secrets::new(secrets?), kinds })
}

/// What comes after the host begins with a slash on the wire.
fn absolute(rest: &str) -> String {
    if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
}
