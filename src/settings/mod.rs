//! Configuration: the built-in defaults, then files, then the environment; all problems reported at once.
//!
//! `app` and `cli` read it; lower floors get small structs of their own.

mod http;
mod reader;
mod telemetry;
mod webhooks;

pub use crate::clock::duration;
pub use http::HttpSettings;
pub use telemetry::CollectorSettings;

use crate::gate::Limits;
use crate::partner::{Policy, Watch};
use crate::retry::Schedule;
use crate::transfer::Following;
use crate::transport::Endpoint;
use crate::webhook::Target;
use jiff::SignedDuration;
use league_contract::{AdapterConfig, Completion, Registration, Secret};
use reader::Reader;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Every key with its default and a comment.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
/// Environment variables begin with this.
pub const ENVIRONMENT_PREFIX: &str = "LEAGUE_GATEWAY";

/// Environment variables by name.
pub type Variables = HashMap<String, String>;

/// The whole configuration, checked. Shows no key.
pub struct Settings {
    /// Where to listen, and what callers may take.
    pub http: HttpSettings,
    /// How others reach us, without a closing slash.
    pub public_url: String,
    /// `sqlite://FILE` or `postgres://…`.
    pub database_url: String,
    /// A routes file instead of the built-in one.
    pub routes_file: Option<PathBuf>,
    /// The enabled systems, by name.
    pub systems: BTreeMap<&'static str, SystemSettings>,
    /// How long a claim lasts.
    pub lease: SignedDuration,
    /// The longest between two looks at the outbox.
    pub poll_interval: SignedDuration,
    /// How long exchanges may take to finish after a stop.
    pub shutdown_grace: Duration,
    /// This daemon's name.
    pub worker_id: String,
    /// Keys that seal; the first one seals.
    pub privacy_keys: Vec<Zeroizing<String>>,
    /// The key of the blind index.
    pub index_key: Zeroizing<String>,
    /// The files that secrets and keys were read from.
    pub secret_files: Vec<PathBuf>,
    /// How long personal data is kept after a transfer's end.
    pub retention: SignedDuration,
    /// Where the local directory of organizations is, or will be.
    pub directory: PathBuf,
    /// Upstream's addresses that are told of events.
    pub webhooks: Vec<Target>,
    /// Who is sent traces.
    pub collector: Option<CollectorSettings>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("http", &self.http)
            .field("worker_id", &self.worker_id)
            .field("systems", &self.systems)
            .finish_non_exhaustive()
    }
}

/// One enabled system.
#[derive(Debug)]
pub struct SystemSettings {
    /// How it enters the program.
    pub registration: Registration,
    /// Scheme, host, path prefix.
    pub base_url: String,
    /// Who we are there.
    pub identity: String,
    /// The first signs, all verify.
    pub secrets: Vec<Secret>,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// How it is treated; what completes a transfer is the profile's and filled in later.
    pub policy: Policy,
    /// When it may be spoken to, and how much.
    pub limits: Limits,
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where the value stands: a file, `environment`, or nothing for one that is missing.
    pub origin: Option<String>,
    /// The key: `systems.fujian.base_url`.
    pub key: String,
    /// What is wrong and what to write instead.
    pub problem: String,
}

impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Some(origin) => write!(f, "{origin}: {}: {}", self.key, self.problem),
            None => write!(f, "{}: {}", self.key, self.problem),
        }
    }
}

/// Reads the configuration: the built-in defaults, files, the process's environment.
///
/// # Errors
/// Every problem, each with its file and key.
pub fn load(files: &[PathBuf], registrations: &[Registration]) -> Result<Settings, Vec<ConfigProblem>> {
    load_from(files, process_environment()?, registrations)
}

/// Reads the configuration with another environment than the process's.
///
/// # Errors
/// Every problem, each with its file and key.
pub fn load_from(
    files: &[PathBuf],
    environment: Variables,
    registrations: &[Registration],
) -> Result<Settings, Vec<ConfigProblem>> {
    let credentials = environment.get(reader::CREDENTIALS).map(PathBuf::from);
    let (tree, unreadable) = reader::merge(files, environment);
    let read = read(&mut Reader::new(tree, credentials), registrations);
    if unreadable.is_empty() {
        return read;
    }
    // What seems to be missing may stand in the file that can't be read.
    let rest = read.err().into_iter().flatten().filter(|problem| problem.origin.is_some());
    Err(unreadable.into_iter().chain(rest).collect())
}

/// The merged configuration as TOML text, secrets starred out.
///
/// # Errors
/// Files that can't be read.
pub fn show(files: &[PathBuf]) -> Result<String, Vec<ConfigProblem>> {
    show_from(files, process_environment()?)
}

/// [`show`] with another environment than the process's.
///
/// # Errors
/// Files that can't be read.
pub fn show_from(files: &[PathBuf], environment: Variables) -> Result<String, Vec<ConfigProblem>> {
    let (tree, unreadable) = reader::merge(files, environment);
    if unreadable.is_empty() { Ok(reader::render(&tree)) } else { Err(unreadable) }
}

/// Our variables, and where systemd has put credentials.
fn is_read(name: &str) -> bool {
    name.starts_with(ENVIRONMENT_PREFIX) || name == reader::CREDENTIALS
}

/// Our variables of the process's environment.
fn process_environment() -> Result<Variables, Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let mut variables = Variables::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| is_read(name)) else { continue };
        match value.into_string() {
            Ok(value) => drop(variables.insert(name.to_owned(), value)),
            Err(_) => problems.push(ConfigProblem {
                origin: Some(reader::ENVIRONMENT.to_owned()),
                key: name.to_owned(),
                problem: "must be UTF-8".to_owned(),
            }),
        }
    }
    if problems.is_empty() { Ok(variables) } else { Err(problems) }
}

fn read(reader: &mut Reader, registrations: &[Registration]) -> Result<Settings, Vec<ConfigProblem>> {
    let http = http::read(reader);
    let public_url = reader.parsed("http.public_url", "an http or https URL", |text| {
        (text.starts_with("http://") || text.starts_with("https://"))
            .then(|| text.trim_end_matches('/').to_owned())
    });
    let database_url =
        reader.parsed("database.url", "sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE", |text| {
            ["sqlite:", "postgres://", "postgresql://"]
                .iter()
                .any(|scheme| text.starts_with(scheme))
                .then(|| text.to_owned())
        });
    let routes_file = reader.optional("routing.file").map(PathBuf::from);
    let mut systems = BTreeMap::new();
    for registration in registrations {
        if let Some(system) = system(reader, *registration) {
            systems.insert(registration.system, system);
        }
    }
    let lease = reader.duration("delivery.lease");
    let poll_interval = reader.duration("delivery.poll_interval");
    let shutdown_grace = reader.duration("delivery.shutdown_grace");
    let worker_id = reader.optional("delivery.worker_id").unwrap_or_else(default_worker);
    let (privacy_keys, index_key) = privacy(reader);
    let retention = reader.duration("privacy.retention");
    let directory = reader.parsed("organizations.directory", "the path of a file", file);
    let slowest = systems.values().map(|system| system.endpoint.timeout).max().unwrap_or_default();
    if lease.is_some_and(|lease| lease < slowest.saturating_mul(6)) {
        reader.report(
            "delivery.lease",
            "must be at least six times the longest timeout: a check, a submit and a search for suggestions fit into it",
        );
    }
    let webhooks = webhooks::read(reader);
    let collector = telemetry::read(reader);
    reader.unknown_keys();
    let problems = reader.take_problems();
    let secret_files = reader.take_secret_files();
    let settings = (|| {
        Some(Settings {
            http: http?,
            public_url: public_url?,
            database_url: database_url?,
            routes_file,
            systems,
            lease: SignedDuration::try_from(lease?).ok()?,
            poll_interval: SignedDuration::try_from(poll_interval?).ok()?,
            shutdown_grace: shutdown_grace?,
            worker_id,
            privacy_keys: privacy_keys?,
            index_key: index_key?,
            secret_files,
            retention: SignedDuration::try_from(retention?).ok()?,
            directory: directory?,
            webhooks,
            collector,
        })
    })();
    match settings {
        Some(settings) if problems.is_empty() => Ok(settings),
        _ => Err(problems),
    }
}

/// The keys that seal, and the key of the blind index.
fn privacy(reader: &mut Reader) -> (Option<Vec<Zeroizing<String>>>, Option<Zeroizing<String>>) {
    let privacy_keys = reader.secrets("privacy", "keys", "key_files");
    let index_key = reader.secret("privacy", "index_key", "index_key_file");
    for (at, key) in privacy_keys.iter().flatten().enumerate() {
        if let Some(problem) = crate::seal::key_problem(key) {
            reader.report("privacy.keys", &format!("key {}: {problem}", at + 1));
        }
    }
    if let Some(problem) = index_key.as_ref().and_then(|key| crate::seal::index_key_problem(key)) {
        reader.report("privacy.index_key", problem);
    }
    (privacy_keys, index_key)
}

fn system(reader: &mut Reader, registration: Registration) -> Option<SystemSettings> {
    let section = format!("systems.{}", registration.system);
    let key = |name: &str| format!("{section}.{name}");
    let enabled = reader.parsed(&key("enabled"), "true or false", |text| text.parse::<bool>().ok());
    if enabled == Some(false) {
        reader.skip(&section);
        return None;
    }
    let url = "an http or https URL without query, like https://host/prefix";
    let base_url = reader.parsed(&key("base_url"), url, |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let plain = !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '@', ' ']);
        plain.then(|| text.trim_end_matches('/').to_owned())
    });
    let identity =
        reader.parsed(&key(registration.identity_key), "the id that the partner gave us", |text| {
            (!text.trim().is_empty()).then(|| text.to_owned())
        });
    let secrets = reader.secrets(&section, registration.secrets_key, registration.secret_files_key);
    let secrets: Option<Vec<Secret>> =
        secrets.map(|secrets| secrets.iter().map(|secret| Secret::new(secret.to_string())).collect());
    if let Some(base_url) = &base_url {
        // The profile's own rules are asked for even where something else is missing.
        let given = AdapterConfig {
            base_url: base_url.clone(),
            identity: identity.clone().unwrap_or_default(),
            secrets: secrets.clone().unwrap_or_default(),
        };
        let missing = |name: &str| {
            (name == registration.identity_key && identity.is_none())
                || (name == registration.secrets_key && secrets.is_none())
        };
        if let Err(error) = (registration.build)(given)
            && !missing(error.key)
        {
            reader.report(&key(error.key), &error.problem);
        }
    }
    let timeout = reader.duration(&key("timeout"));
    let endpoint = endpoint(reader, &key, base_url.as_deref(), timeout);
    let policy = policy(reader, &key);
    let limits = limits(reader, &key);
    Some(SystemSettings {
        registration,
        base_url: base_url?,
        identity: identity?,
        secrets: secrets?,
        endpoint: endpoint?,
        policy: policy?,
        limits: limits?,
    })
}

/// How the host of a URL is reached.
fn endpoint(
    reader: &mut Reader,
    key: &impl Fn(&str) -> String,
    url: Option<&str>,
    timeout: Option<Duration>,
) -> Option<Endpoint> {
    let [ca_file, certificate, private_key] =
        ["ca_file", "client_cert", "client_key"].map(|name| reader.existing_file(&key(name)));
    if certificate.is_some() != private_key.is_some() {
        let written = if certificate.is_some() { "client_cert" } else { "client_key" };
        reader.report(&key(written), "client_cert and client_key go together");
    }
    let (scheme, rest) = url?.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    Some(Endpoint {
        origin: format!("{scheme}://{authority}"),
        timeout: timeout?,
        ca_file,
        client_identity: certificate.zip(private_key),
        carrier: None,
    })
}

/// How a system is treated. What completes a transfer is the profile's, and filled in with the adapter.
fn policy(reader: &mut Reader, key: &impl Fn(&str) -> String) -> Option<Policy> {
    let concurrency = reader.count(&key("concurrency"), 1..=10_000);
    let max_attempts = reader.count(&key("max_attempts"), 1..=1000);
    let initial = reader.duration(&key("backoff_initial"));
    let max = reader.duration(&key("backoff_max"));
    if initial.zip(max).is_some_and(|(initial, max)| initial > max) {
        reader.report(&key("backoff_max"), "must not be shorter than backoff_initial");
    }
    let reconcile_after = reader.duration(&key("reconcile_after"));
    let lapse_after = reader.duration(&key("lapse_after"));
    let backlog_limit = reader.duration(&key("backlog_limit"));
    let lapse_warning = reader.duration(&key("lapse_warning"));
    let feed_interval =
        reader.optional(&key("feed_interval")).is_some().then(|| reader.duration(&key("feed_interval")));
    let span = |duration: Duration| SignedDuration::try_from(duration).ok();
    let following = Following {
        completion: Completion::Approval,
        reconcile_after: span(reconcile_after?)?,
        lapse_after: span(lapse_after?)?,
    };
    Some(Policy {
        following,
        schedule: Schedule { initial: initial?, max: max? },
        max_attempts: max_attempts?,
        concurrency: concurrency?,
        feed_interval: span(feed_interval.flatten().unwrap_or(Duration::from_secs(30)))?,
        watch: Watch { backlog_limit: span(backlog_limit?)?, lapse_warning: span(lapse_warning?)? },
    })
}

/// When a system may be spoken to, and how much.
fn limits(reader: &mut Reader, key: &impl Fn(&str) -> String) -> Option<Limits> {
    let rate_per_second = reader.count(&key("rate_per_second"), 1..=100_000);
    let breaker_failures = reader.count(&key("breaker_failures"), 1..=1000);
    let calendar = reader.calendar(&key("maintenance"));
    Some(Limits {
        rate_per_second: rate_per_second?,
        breaker_failures: breaker_failures?,
        calendar: calendar?,
    })
}

impl SystemSettings {
    /// The same system with the secrets and certificates that another reading of the configuration names.
    #[must_use]
    pub fn with_secrets_of(&self, other: &Self) -> Self {
        let Endpoint { ca_file, client_identity, .. } = other.endpoint.clone();
        Self {
            registration: self.registration,
            base_url: self.base_url.clone(),
            identity: self.identity.clone(),
            secrets: other.secrets.clone(),
            endpoint: Endpoint { ca_file, client_identity, ..self.endpoint.clone() },
            policy: self.policy,
            limits: self.limits.clone(),
        }
    }

    /// Makes the adapter.
    ///
    /// # Errors
    /// The key that the profile does not accept.
    pub fn adapter(
        &self,
    ) -> Result<std::sync::Arc<dyn league_contract::Adapter>, league_contract::ConfigError> {
        (self.registration.build)(AdapterConfig {
            base_url: self.base_url.clone(),
            identity: self.identity.clone(),
            secrets: self.secrets.clone(),
        })
    }
}

/// A path that says something.
fn file(text: &str) -> Option<PathBuf> {
    (!text.trim().is_empty()).then(|| PathBuf::from(text))
}

fn default_worker() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}-{}", if host.is_empty() { "gateway" } else { host }, std::process::id())
}

/// Reads a file that holds one secret; a closing line end is not part of it.
fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        Err(format!("{} is empty", path.display()))
    } else {
        Ok(Zeroizing::new(secret.to_owned()))
    }
}
