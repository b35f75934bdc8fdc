//! Typed reading of a merged configuration tree, noting every key that was asked for: what is left over is unknown.

use super::{ConfigProblem, DEFAULTS, ENVIRONMENT_PREFIX, Variables, read_secret_file};
use crate::clock::duration;
use crate::gate::Calendar;
use config::{Config, Environment, File, FileFormat, Value, ValueKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// The merged values by their dotted keys, each with where it came from.
pub(super) type Tree = BTreeMap<String, (Value, Option<String>)>;

pub(super) struct Reader {
    tree: Tree,
    asked: BTreeSet<String>,
    skipped: Vec<String>,
    problems: Vec<ConfigProblem>,
    secret_files: Vec<PathBuf>,
    /// Where the service manager has put credentials.
    credentials: Option<PathBuf>,
}

/// Before the name of a credential, in place of a path.
const CREDENTIAL: &str = "credential:";
/// The variable by which systemd names the folder of a service's credentials.
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// What stands as the origin of a value from the environment.
pub(super) const ENVIRONMENT: &str = "environment";

/// Optional keys that are no secrets. What stands neither here nor among the defaults is starred out when the
/// configuration is shown: it may be a secret under a misspelt name.
const SHOWN: [&str; 14] = [
    "file",
    "tls_cert",
    "tls_key",
    "client_ca",
    "secret_files",
    "password_files",
    "key_files",
    "index_key_file",
    "ca_file",
    "client_cert",
    "client_key",
    "worker_id",
    "events",
    "timeout",
];

/// Merges defaults, environment and those files that can be read; the others are problems.
pub(super) fn merge(files: &[PathBuf], environment: Variables) -> (Tree, Vec<ConfigProblem>) {
    let mut tree = Tree::new();
    let mut problems = Vec::new();
    let mut add = |origin: Option<&str>, read: Result<Config, (String, String)>| match read {
        Ok(config) => flatten(String::new(), &config.cache, origin, &mut tree),
        Err((key, problem)) => {
            problems.push(ConfigProblem { origin: origin.map(ToOwned::to_owned), key, problem });
        }
    };
    add(None, read_text(DEFAULTS));
    for path in files {
        let text = std::fs::read_to_string(path);
        let read = text.map_err(|error| ("the file".to_owned(), error.to_string()));
        add(Some(&path.display().to_string()), read.and_then(|text| read_text(&text)));
    }
    let environment = Environment::with_prefix(ENVIRONMENT_PREFIX)
        .prefix_separator("__")
        .separator("__")
        .source(Some(environment));
    let read = Config::builder().add_source(environment).build();
    add(Some(ENVIRONMENT), read.map_err(|error| (ENVIRONMENT_PREFIX.to_owned(), error.to_string())));
    (tree, problems)
}

/// Reads TOML; what is wrong with it is told by its line. The parser's own report would quote that line, with the secret
/// that may stand in it.
fn read_text(text: &str) -> Result<Config, (String, String)> {
    toml::from_str::<toml::Table>(text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        (format!("line {}", before.matches('\n').count() + 1), error.message().to_owned())
    })?;
    let config = Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build();
    config.map_err(|_| ("the file".to_owned(), "holds a value of no known kind".to_owned()))
}

fn flatten(path: String, value: &Value, origin: Option<&str>, tree: &mut Tree) {
    // An empty section stays: nobody asks for an unknown one.
    if let ValueKind::Table(table) = &value.kind
        && !table.is_empty()
    {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            flatten(path, value, origin, tree);
        }
    } else if !path.is_empty() {
        tree.insert(path, (value.clone(), origin.map(ToOwned::to_owned)));
    }
}

/// The tree as lines of `key = value`, secrets starred out.
pub(super) fn render(tree: &Tree) -> String {
    let (defaults, _) = merge(&[], Variables::new());
    let mut out = String::new();
    for (key, (value, origin)) in
        tree.iter().filter(|(_, (value, _))| !matches!(value.kind, ValueKind::Table(_)))
    {
        let name = key.rsplit('.').next().unwrap_or(key);
        let text = show(value);
        let open = defaults.contains_key(key) || SHOWN.contains(&name);
        let shown = match without_password(&text) {
            _ if !open => "\"***\"".to_owned(),
            Some(database) => database,
            None if text.contains('@') => "\"***\"".to_owned(),
            None => text,
        };
        let origin = origin.as_deref().map(|origin| format!("  # {origin}")).unwrap_or_default();
        out.push_str(&format!("{key} = {shown}{origin}\n"));
    }
    out
}

/// A PostgreSQL server's URL, with the password starred out and so its parameters, where one may stand too. Nothing
/// where it can't be told which part is which.
fn without_password(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| scheme.starts_with("\"postgres"))?;
    let (place, parameters) = match rest.split_once('?') {
        Some((_, parameters)) if parameters.contains('@') => return None,
        Some((place, _)) => (place, "?***\""),
        None => (rest, ""),
    };
    let place = match place.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:***@{host}"),
            None => place.to_owned(),
        },
        None => place.to_owned(),
    };
    Some(format!("{scheme}://{place}{parameters}"))
}

fn show(value: &Value) -> String {
    match &value.kind {
        ValueKind::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::Table(_) => value.to_string(),
    }
}

impl Reader {
    pub(super) fn new(tree: Tree, credentials: Option<PathBuf>) -> Self {
        Self {
            tree,
            asked: BTreeSet::new(),
            skipped: Vec::new(),
            problems: Vec::new(),
            secret_files: Vec::new(),
            credentials,
        }
    }

    pub(super) fn report(&mut self, key: &str, problem: &str) {
        let origin = self.tree.get(key).and_then(|(_, origin)| origin.clone());
        self.problems.push(ConfigProblem { origin, key: key.to_owned(), problem: problem.to_owned() });
    }

    pub(super) fn take_problems(&mut self) -> Vec<ConfigProblem> {
        std::mem::take(&mut self.problems)
    }

    /// The files that secrets were read from.
    pub(super) fn take_secret_files(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.secret_files)
    }

    /// Leaves a whole section unread, without calling its keys unknown.
    pub(super) fn skip(&mut self, section: &str) {
        self.skipped.push(format!("{section}."));
    }

    /// The names of the sections directly within one.
    pub(super) fn sections(&self, within: &str) -> BTreeSet<String> {
        let prefix = format!("{within}.");
        let names = self.tree.keys().filter_map(|key| key.strip_prefix(&prefix)?.split('.').next());
        names.map(ToOwned::to_owned).collect()
    }

    fn value(&mut self, key: &str) -> Option<Value> {
        self.asked.insert(key.to_owned());
        self.tree.get(key).map(|(value, _)| value.clone())
    }

    /// A text, number or truth value as text; an empty one counts as missing.
    pub(super) fn optional(&mut self, key: &str) -> Option<String> {
        let value = self.value(key)?;
        match value.into_string() {
            Ok(text) => Some(text).filter(|text| !text.is_empty()),
            Err(_) => {
                self.report(key, "must be a text");
                None
            }
        }
    }

    pub(super) fn parsed<T>(
        &mut self,
        key: &str,
        what: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let problems = self.problems.len();
        let Some(text) = self.optional(key) else {
            if self.problems.len() == problems {
                self.report(key, &format!("is missing: write {what}"));
            }
            return None;
        };
        let parsed = parse(&text);
        if parsed.is_none() {
            self.report(key, &format!("must be {what}"));
        }
        parsed
    }

    pub(super) fn duration(&mut self, key: &str) -> Option<Duration> {
        self.parsed(key, "a duration of more than 0, like 500ms, 10s, 5m, 6h, 10d or 2y", duration)
    }

    pub(super) fn count(&mut self, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let what = format!("a number from {} to {}", range.start(), range.end());
        self.parsed(key, &what, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    /// A list of texts; from the environment, separated by commas.
    fn list(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.value(key) else { return Vec::new() };
        if let ValueKind::String(text) = &value.kind {
            return text
                .split(',')
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect();
        }
        let texts = value
            .into_array()
            .map(|items| items.into_iter().map(Value::into_string).collect::<Result<Vec<_>, _>>());
        match texts {
            Ok(Ok(texts)) => texts,
            _ => {
                self.report(key, "must be a list of texts");
                Vec::new()
            }
        }
    }

    /// Whether somebody wrote that key.
    pub(super) fn is_written(&mut self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// A list that may be left out.
    pub(super) fn optional_list(&mut self, key: &str) -> Option<Vec<String>> {
        self.is_written(key).then(|| self.list(key))
    }

    /// Secrets, written here or in files of their own; at least one.
    pub(super) fn secrets(
        &mut self,
        section: &str,
        key: &str,
        files_key: &str,
    ) -> Option<Vec<Zeroizing<String>>> {
        let (key, files_key) = (format!("{section}.{key}"), format!("{section}.{files_key}"));
        let problems = self.problems.len();
        let mut secrets: Vec<Zeroizing<String>> = self.list(&key).into_iter().map(Zeroizing::new).collect();
        for name in self.list(&files_key) {
            let read =
                self.place(&name).and_then(|path| read_secret_file(&path).map(|secret| (path, secret)));
            match read {
                Ok((path, secret)) => {
                    secrets.push(secret);
                    self.secret_files.push(path);
                }
                Err(problem) => self.report(&files_key, &problem),
            }
        }
        if secrets.iter().any(|secret| secret.is_empty()) {
            self.report(&key, "a secret is empty");
        }
        if secrets.is_empty() && self.problems.len() == problems {
            let name = files_key.rsplit('.').next().unwrap_or_default();
            self.report(
                &key,
                &format!("is missing: write at least one, or name files that hold one each under {name}"),
            );
        }
        (!secrets.is_empty() && self.problems.len() == problems).then_some(secrets)
    }

    /// One secret, written here or in a file.
    pub(super) fn secret(&mut self, section: &str, key: &str, file_key: &str) -> Option<Zeroizing<String>> {
        let mut secrets = self.secrets(section, key, file_key)?;
        (!secrets.is_empty()).then(|| secrets.swap_remove(0))
    }

    /// A file that must be there, if it is named.
    pub(super) fn existing_file(&mut self, key: &str) -> Option<PathBuf> {
        let name = self.optional(key)?;
        match self.place(&name) {
            Ok(path) => {
                if !path.is_file() {
                    self.report(key, &format!("{} is not there, or is not a file", path.display()));
                }
                Some(path)
            }
            Err(problem) => {
                self.report(key, &problem);
                None
            }
        }
    }

    /// Where a file is that the configuration names: a path, or `credential:NAME` for one that the service manager hands over.
    fn place(&self, name: &str) -> Result<PathBuf, String> {
        let Some(credential) = name.strip_prefix(CREDENTIAL) else { return Ok(PathBuf::from(name)) };
        match &self.credentials {
            Some(folder) => Ok(folder.join(credential)),
            None => Err(format!(
                "{name}: ${CREDENTIALS} is not set, as it is in a systemd service with LoadCredential={credential}:…; set it to the \
                 folder that has {credential} (CREDENTIALS_DIRECTORY=/etc/league-gateway/secrets), or name the file's path"
            )),
        }
    }

    /// Maintenance windows.
    pub(super) fn calendar(&mut self, key: &str) -> Option<Calendar> {
        match Calendar::parse(&self.list(key)) {
            Ok(calendar) => Some(calendar),
            Err(problem) => {
                self.report(key, &problem);
                None
            }
        }
    }

    /// Whether a key is a known section without a line in it.
    fn is_empty_section(&self, key: &str) -> bool {
        let empty = self.tree.get(key).is_some_and(|(value, _)| matches!(value.kind, ValueKind::Table(_)));
        empty
            && self
                .asked
                .iter()
                .any(|known| known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Reports every key that nobody asked for, with the nearest that somebody did.
    pub(super) fn unknown_keys(&mut self) {
        let unknown: Vec<String> = self
            .tree
            .keys()
            .filter(|key| !self.asked.contains(*key))
            .filter(|key| !self.skipped.iter().any(|section| key.starts_with(section)))
            .filter(|key| !self.is_empty_section(key))
            .cloned()
            .collect();
        for key in unknown {
            let nearest = self
                .asked
                .iter()
                .map(|known| (strsim::osa_distance(known, &key), known))
                .min()
                .filter(|(distance, _)| *distance <= key.len().div_ceil(3));
            let hint = nearest.map(|(_, known)| format!("; did you mean {known}?")).unwrap_or_default();
            self.report(&key, &format!("is not a key of the gateway{hint}"));
        }
    }
}
