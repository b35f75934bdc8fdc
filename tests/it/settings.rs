//! Configuration: what is read, in which order, and what is said when something is wrong.

use league_contract::Secret;
use league_gateway::app::REGISTRATIONS;
use league_gateway::routing::Routes;
use league_gateway::settings::{self, ConfigProblem, Settings, Variables};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const KEY: &str = "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const INDEX_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// What must never be shown.
const CANARY: &str = "canary-in-the-mine";

/// A folder with configuration files, and an environment.
struct Case {
    folder: TempDir,
    files: Vec<PathBuf>,
    environment: Variables,
}

impl Case {
    fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, files: Vec::new(), environment: Variables::new() }
    }

    /// Everything that has no default, then `text`.
    fn sound(text: &str) -> Self {
        Self { files: vec![sample("sandbox.toml")], ..Self::empty() }.file("own.toml", text)
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push(self.put(name, text));
        self
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        path
    }

    fn variable(mut self, key: &str, value: &str) -> Self {
        self.environment.insert(format!("LEAGUE_GATEWAY__{key}"), value.to_owned());
        self
    }

    fn load(&self) -> Result<Settings, Vec<ConfigProblem>> {
        settings::load_from(&self.files, self.environment.clone(), &REGISTRATIONS)
    }

    fn taken(&self) -> Settings {
        self.load().unwrap_or_else(|problems| panic!("{}", lines(&problems).join("\n")))
    }

    /// The problems, with file names without the folder.
    fn refused(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let problems = self.load().map(drop).expect_err("it is refused");
        lines(&problems).into_iter().map(|line| line.replace(&folder, "")).collect()
    }

    fn shown(&self) -> String {
        settings::show_from(&self.files, self.environment.clone()).expect("it is readable")
    }
}

fn lines(problems: &[ConfigProblem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn exposed(secrets: &[Secret]) -> Vec<&str> {
    secrets.iter().map(|secret| std::str::from_utf8(secret.expose()).expect("a text")).collect()
}

const WINDOWS: &str =
    "write 02:00-03:00, Sat,Sun 00:00-06:00 or 2026-10-01 22:00-2026-10-02 06:00 (Asia/Shanghai)";
const DURATION: &str = "must be a duration of more than 0, like 500ms, 10s, 5m, 6h, 10d or 2y";

#[test]
fn every_sample_is_read_by_a_test() {
    let mut names: Vec<_> = std::fs::read_dir(sample(""))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"))
        .collect();
    names.sort();
    assert_eq!(names, ["default.toml", "production.example.toml", "routes.toml", "sandbox.toml"]);
}

#[test]
fn the_defaults_lack_the_secrets_alone() {
    let problems = Case::empty().load().map(drop).expect_err("no secret has a default");
    let missing: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        missing,
        [
            "systems.smart_league.secrets",
            "systems.guangdong.secrets",
            "systems.fujian.passwords",
            "privacy.keys",
            "privacy.index_key"
        ]
    );
    assert!(problems.iter().all(|problem| problem.problem.starts_with("is missing: ")), "{problems:?}");
    assert_eq!(problems[0].origin, None);
}

#[test]
fn the_sandbox_sample_is_sound() {
    let settings = Case { files: vec![sample("sandbox.toml")], ..Case::empty() }.taken();
    assert_eq!(settings.systems.keys().copied().collect::<Vec<_>>(), ["fujian", "guangdong", "smart_league"]);
    assert_eq!(settings.http.upstream.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(exposed(&settings.systems["guangdong"].secrets), ["sandbox-guangdong-secret"]);
    assert_eq!(settings.systems["fujian"].endpoint.origin, "http://127.0.0.1:9103");
    let text = std::fs::read_to_string(sample("routes.toml")).expect("it is there");
    Routes::parse(&text).expect("the routes are sound");
}

#[test]
fn the_production_sample_is_sound_once_its_files_are_there() {
    let text = std::fs::read_to_string(sample("production.example.toml")).expect("it is there");
    for name in ["secrets", "passwords", "keys", "index_key"] {
        assert!(!text.lines().any(|line| line.starts_with(&format!("{name} ="))), "{name} stands in a file");
    }
    let case = Case::empty();
    let text = text.replace("credential:", &format!("{}/", case.folder.path().display()));
    let case = case.file("config.toml", &text);
    let problems = case.refused();
    assert_eq!(problems.len(), 5, "every file is asked for: {problems:?}");
    assert!(problems.iter().all(|problem| problem.contains("No such file")), "{problems:?}");

    for name in ["smart-league", "guangdong", "fujian"] {
        case.put(name, &format!("the secret {name}\n"));
    }
    case.put("privacy-key", &format!("{KEY}\n"));
    case.put("index-key", INDEX_KEY);
    let settings = case.taken();
    assert_eq!(
        exposed(&settings.systems["smart_league"].secrets),
        ["the secret smart-league"],
        "without the line end"
    );
    assert_eq!(exposed(&settings.systems["fujian"].secrets), ["the secret fujian"]);
    assert_eq!((settings.privacy_keys[0].as_str(), settings.index_key.as_str()), (KEY, INDEX_KEY));
    assert_eq!(settings.systems["smart_league"].endpoint.origin, "https://smart-league.example.org");
    assert_eq!(settings.systems["smart_league"].base_url, "https://smart-league.example.org/gateway");
    assert_eq!(settings.worker_id, "gateway-1");
}

#[test]
fn all_problems_are_told_at_once_each_with_file_and_key() {
    let first = "
        [http]
        listen = \"somewhere\"
        public_url = \"ftp://x\"
        tls_cert = \"cert.pem\"
        [database]
        url = \"mysql://x\"
        [systems.smart_league]
        concurrency = 0
        client_cert = \"cert.pem\"
        [systems.guangdong]
        enabled = \"perhaps\"
        secrets = []
    ";
    let second = "
        [systems.fujian]
        base_url = \"http://fujian.example.org\"
        passwords = 5
        timeout = \"10\"
        maintenance = [\"25:00-03:00\"]
        [delivery]
        poll_interval = \"0s\"
        [privacy]
        keys = [\"k1:AAAA\"]
        index_key_file = \"nowhere\"
        [organizations]
        directory = [\"a\"]
    ";
    let case = Case { files: vec![sample("sandbox.toml")], ..Case::empty() }
        .file("first.toml", first)
        .file("second.toml", second)
        .variable("SYSTEMS__GUANGDONG__MAX_ATTEMPTS", "many");
    let expected = [
        "first.toml: http.listen: must be an address and port, like 127.0.0.1:8080",
        "first.toml: http.tls_cert: cert.pem is not there, or is not a file",
        "first.toml: http.tls_cert: tls_cert and tls_key go together",
        "first.toml: http.public_url: must be an http or https URL",
        "first.toml: database.url: must be sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE",
        "first.toml: systems.smart_league.client_cert: cert.pem is not there, or is not a file",
        "first.toml: systems.smart_league.client_cert: client_cert and client_key go together",
        "first.toml: systems.smart_league.concurrency: must be a number from 1 to 10000",
        "first.toml: systems.guangdong.enabled: must be true or false",
        "first.toml: systems.guangdong.secrets: is missing: write at least one, or name files that hold one each under secret_files",
        "environment: systems.guangdong.max_attempts: must be a number from 1 to 1000",
        "second.toml: systems.fujian.passwords: must be a list of texts",
        "second.toml: systems.fujian.base_url: must begin with https://: Fujian's answers are not signed, so plain http is for loopback alone (127.0.0.0/8, ::1, localhost)",
        &format!("second.toml: systems.fujian.timeout: {DURATION}"),
        &format!(
            "second.toml: systems.fujian.maintenance: `25:00-03:00`: `25:00` is not a time of the day like 02:00; {WINDOWS}"
        ),
        &format!("second.toml: delivery.poll_interval: {DURATION}"),
        "second.toml: privacy.index_key_file: nowhere: No such file or directory (os error 2)",
        "second.toml: privacy.keys: key 1: the key has not 32 bytes",
        "second.toml: organizations.directory: must be a text",
    ];
    assert_eq!(case.refused(), expected);
}

#[test]
fn files_that_cannot_be_read_hide_nothing() {
    let case = Case::sound("[http]\nlisten = \"somewhere\"\n")
        .file("broken.toml", "[http]\n\nlisten = \n")
        .file("twice.toml", "[http]\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n");
    let case =
        Case { files: [case.files.clone(), vec![case.folder.path().join("none.toml")]].concat(), ..case };
    let problems = case.refused();
    let begins = [
        "broken.toml: line 3: ",
        "twice.toml: line 3: duplicate key",
        "none.toml: the file: No such file",
        "own.toml: http.listen: must be an address",
    ];
    assert_eq!(problems.len(), begins.len(), "{problems:#?}");
    for (problem, begin) in problems.iter().zip(begins) {
        assert!(problem.starts_with(begin), "{problem}");
    }
    assert!(settings::show_from(&case.files, Variables::new()).is_err());
}

#[test]
fn what_may_stand_in_a_file_that_cannot_be_read_is_not_missing() {
    let case = Case::empty().file("broken.toml", "[privacy\n");
    assert_eq!(case.refused().len(), 1, "{:?}", case.refused());
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_known_one() {
    for (text, problem) in [
        (
            "[delivery]\nleese = \"60s\"",
            "delivery.leese: is not a key of the gateway; did you mean delivery.lease?",
        ),
        (
            "[systems.fujian]\npasword_files = []",
            "systems.fujian.pasword_files: is not a key of the gateway; did you mean systems.fujian.password_files?",
        ),
        (
            "[systems.smart_league]\napp_key = \"x\"",
            "systems.smart_league.app_key: is not a key of the gateway; did you mean systems.smart_league.app_id?",
        ),
        ("[qwertz]\nuiop = 1", "qwertz.uiop: is not a key of the gateway"),
        ("[jiangsu]", "jiangsu: is not a key of the gateway"),
        (
            "[http.listen]\nport = 1",
            "http.listen.port: is not a key of the gateway; did you mean http.listen?",
        ),
    ] {
        let problems = Case::sound(text).refused();
        assert!(problems.contains(&format!("own.toml: {problem}")), "{problem}\n{problems:#?}");
    }
    let variable = Case::sound("").variable("DELIVERY__LEESE", "60s").refused();
    assert_eq!(
        variable,
        ["environment: delivery.leese: is not a key of the gateway; did you mean delivery.lease?"]
    );
    // A section without a line is no key.
    Case::sound("[http]\n[routing]\n[systems.fujian]\n").taken();
}

#[test]
fn later_files_win_and_the_environment_beats_them_all() {
    let case = Case::sound(
        "[delivery]\nlease = \"70s\"\nworker_id = \"own\"\n[systems.fujian]\npasswords = [\"a\", \"b\"]",
    )
    .file("later.toml", "[delivery]\nlease = \"80s\"\n");
    let settings = case.taken();
    assert_eq!(settings.lease.as_secs(), 80);
    assert_eq!(settings.worker_id, "own");
    assert_eq!(settings.poll_interval.as_secs(), 1, "the default");
    assert_eq!(exposed(&settings.systems["fujian"].secrets), ["a", "b"], "a list is replaced, not joined");

    let case = case
        .variable("DELIVERY__LEASE", "90s")
        .variable("SYSTEMS__FUJIAN__PASSWORDS", "c, d")
        .variable("SYSTEMS__SMART_LEAGUE__CONCURRENCY", "3");
    let settings = case.taken();
    assert_eq!(settings.lease.as_secs(), 90);
    assert_eq!(exposed(&settings.systems["fujian"].secrets), ["c", "d"]);
    assert_eq!(settings.systems["smart_league"].policy.concurrency, 3);
    let shown = case.shown();
    assert!(shown.contains("delivery.lease = \"90s\"  # environment\n"), "{shown}");
    assert!(shown.contains("own.toml\n") && shown.contains("delivery.poll_interval = \"1s\"\n"), "{shown}");
}

#[test]
fn the_process_environment_is_read() {
    let show = |name: &str, value: &std::ffi::OsStr| {
        Command::new(env!("CARGO_BIN_EXE_league-gateway"))
            .args(["--config", &sample("sandbox.toml").display().to_string(), "config", "show"])
            .env(name, value)
            .output()
            .expect("it runs")
    };
    let output = show("LEAGUE_GATEWAY__DELIVERY__LEASE", "90s".as_ref());
    let text = String::from_utf8(output.stdout).expect("a text");
    assert!(text.contains("delivery.lease = \"90s\"  # environment"), "{text}");

    use std::os::unix::ffi::OsStrExt as _;
    let canary = [CANARY.as_bytes(), b"\xff"].concat();
    let output = show("LEAGUE_GATEWAY__PRIVACY__INDEX_KEY", std::ffi::OsStr::from_bytes(&canary));
    assert_eq!(output.status.code(), Some(2), "a wrong configuration");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("LEAGUE_GATEWAY__PRIVACY__INDEX_KEY: must be UTF-8"), "{text}");
    assert!(!text.contains(CANARY), "{text}");
}

#[test]
fn durations_have_units_and_a_length() {
    for (text, duration) in [
        ("500ms", Duration::from_millis(500)),
        ("10s", Duration::from_secs(10)),
        ("5m", Duration::from_secs(300)),
        ("6h", Duration::from_secs(21_600)),
        ("1d", Duration::from_secs(86_400)),
        ("2y", Duration::from_secs(730 * 86_400)),
    ] {
        let case = Case::sound(&format!("[delivery]\nshutdown_grace = \"{text}\""));
        assert_eq!(case.taken().shutdown_grace, duration, "{text}");
    }
    for text in [
        "\"\"",
        "\"10\"",
        "10",
        "\"s\"",
        "\"0s\"",
        "\"-1s\"",
        "\"1.5s\"",
        "\"10 s\"",
        "\"10S\"",
        "\"1w\"",
        "\"18446744073709551615y\"",
        "\"99999999999999999999s\"",
        "true",
    ] {
        let problems = Case::sound(&format!("[delivery]\nshutdown_grace = {text}")).refused();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].contains("own.toml: delivery.shutdown_grace: "), "{text}: {problems:?}");
    }
}

#[test]
fn counts_have_a_range() {
    for (key, least, most) in [
        ("concurrency", 1, 10_000),
        ("rate_per_second", 1, 100_000),
        ("breaker_failures", 1, 1000),
        ("max_attempts", 1, 1000),
    ] {
        let given = |value: &str| Case::sound(&format!("[systems.guangdong]\n{key} = {value}"));
        given(&least.to_string()).taken();
        given(&most.to_string()).taken();
        for wrong in ["0", "-1", "1.5", "\"x\"", &(most + 1).to_string()] {
            assert_eq!(
                given(wrong).refused(),
                [format!("own.toml: systems.guangdong.{key}: must be a number from {least} to {most}")],
                "{wrong}"
            );
        }
    }
}

#[test]
fn maintenance_windows_are_read_by_the_calendar() {
    let given = |value: &str| Case::sound(&format!("[systems.guangdong]\nmaintenance = {value}"));
    for sound in
        ["[]", "[\"02:00-03:00\"]", "[\"23:30-00:30\", \"Sat,Sun 12:00-24:00\", \"2026-10-01 22:00-23:00\"]"]
    {
        given(sound).taken();
    }
    let settings = Case::sound("")
        .variable("SYSTEMS__GUANGDONG__MAINTENANCE", "Sat 02:00-03:00, Sun 02:00-03:00")
        .variable("SYSTEMS__GUANGDONG__RATE_PER_SECOND", "7")
        .variable("SYSTEMS__GUANGDONG__BREAKER_FAILURES", "3")
        .taken();
    let limits = &settings.systems["guangdong"].limits;
    assert_eq!((limits.rate_per_second, limits.breaker_failures), (7, 3));
    let saturday = "2026-10-03T02:30:00+08:00".parse().expect("a time");
    assert!(limits.calendar.closed_until(saturday).is_some());
    for wrong in
        ["02:00", "02:00-02:00", "2:00-3:00", "24:00-01:00", "02:60-03:00", "02:00:00-03:00:00", "-", "a-b"]
    {
        let problems = given(&format!("[\"01:00-02:00\", \"{wrong}\"]")).refused();
        assert_eq!(problems.len(), 1, "{wrong}");
        assert!(
            problems[0].starts_with(&format!("own.toml: systems.guangdong.maintenance: `{wrong}`")),
            "{problems:?}"
        );
    }
}

#[test]
fn secrets_come_from_files_too() {
    let case = Case::sound("");
    let (one, two, empty) =
        (case.put("one", "from a file\r\n"), case.put("two", "  kept \n"), case.put("empty", "\n"));
    let given = |paths: &[&Path]| {
        let paths: Vec<_> = paths.iter().map(|path| format!("\"{}\"", path.display())).collect();
        format!("[systems.guangdong]\nsecrets = [\"written\"]\nsecret_files = [{}]\n", paths.join(", "))
    };
    let settings = Case::sound(&given(&[&one, &two])).taken();
    assert_eq!(exposed(&settings.systems["guangdong"].secrets), ["written", "from a file", "  kept "]);
    let problems = Case::sound(&given(&[&empty, &case.folder.path().join("none")])).refused();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].ends_with("empty is empty"), "{problems:?}");
    assert!(problems[1].contains("none: No such file"), "{problems:?}");
    assert_eq!(
        Case::sound("[systems.guangdong]\nsecrets = [\"a\", \"\"]").refused(),
        ["own.toml: systems.guangdong.secrets: a secret is empty"]
    );
}

#[test]
fn secrets_are_never_shown() {
    let sound = format!(
        "[systems.smart_league]\nsecrets = [\"{CANARY}\"]\n[systems.guangdong]\nsecrets = [\"x\", \"{CANARY}\"]\n\
         [systems.fujian]\npasswords = [\"{CANARY}\"]\n"
    );
    let case = Case::sound(&sound);
    let settings = case.taken();
    let shown = format!("{}{settings:?}", case.shown());
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!shown.contains("c2FuZGJveC"), "keys: {shown}");
    assert!(shown.contains("systems.fujian.passwords = \"***\""), "{shown}");
    assert!(shown.contains("systems.fujian.username = \"BJGQT\""), "{shown}");

    for text in [
        "[systems.fujian]\npasswords = \"CANARY\"\nfeed_interval = 5",
        "[systems.fujian]\npasswords = [[\"CANARY\"]]",
        "[systems.fujian]\npasswords = { one = \"CANARY\" }",
        "[systems.fujian]\npasword = \"CANARY\"",
        "[systems.fujian]\nbase_url = \"https://user:CANARY@fujian.example.org\"",
        "[fujian]\npasswords = [\"CANARY\"]",
        "[database]\nurl = \"mysql://user:CANARY@db.example.org/outbox\"",
        "[privacy]\nkeys = [\"CANARY\"]",
        "[privacy]\nkeys = [\"k1:CANARY\"]",
        "[privacy]\nindex_key = \"CANARY\"",
        "[privacy]\nindex_key = [\"CANARY\"]",
        "[systems.fujian]\npasswords = [\"CANARY\"",
        "[systems.fujian]\npasswords = [\"CANARY]",
        "[systems.fujian]\npasswords = CANARY",
        "[systems.fujian]\npasswords = [CANARY]",
        "[systems.fujian]\npasswords = [\"x\"] \"CANARY\"",
        "[systems.fujian]\npasswords = \"\\CANARY\"",
    ] {
        let case = Case::sound(&text.replace("CANARY", CANARY));
        let problems = case.refused();
        assert!(!format!("{problems:?}{:?}", case.load()).contains(CANARY), "{text}\n{problems:?}");
        if let Ok(shown) = settings::show_from(&case.files, Variables::new()) {
            assert!(!shown.contains(CANARY), "{text}\n{shown}");
        }
    }
}

#[test]
fn a_servers_url_is_shown_without_its_password() {
    for (url, shown) in [
        ("postgres://league@127.0.0.1:5433/league", "postgres://league@127.0.0.1:5433/league"),
        ("postgres:///league", "postgres:///league"),
        ("postgres://user:CANARY@db.example.org/outbox", "postgres://user:***@db.example.org/outbox"),
        ("postgresql://user:a:CANARY@/CANARY@db/outbox", "postgresql://user:***@db/outbox"),
        ("postgres://user@db/outbox?password=CANARY&sslmode=require", "postgres://user@db/outbox?***"),
        ("postgres://user:CANARY?CANARY@db/outbox", "***"),
        ("postgres://user:CANARY@db/outbox?options=@&password=CANARY", "***"),
    ] {
        let url = url.replace("CANARY", CANARY);
        let case = Case::sound("").variable("DATABASE__URL", &url);
        assert_eq!(case.taken().database_url, url, "the environment gives it too");
        let line = format!("database.url = \"{shown}\"  # environment");
        assert!(case.shown().lines().any(|shown| shown == line), "{line}\n{}", case.shown());
        assert!(!format!("{}{:?}", case.shown(), case.taken()).contains(CANARY));
    }
}

#[test]
fn a_system_that_is_not_enabled_is_not_asked_for_anything() {
    let off = "[systems.fujian]\nenabled = false\nbase_url = \"http://10.0.0.1\"\npasswords = []\ntimeout = \"x\"\n";
    let settings = Case::sound(off).taken();
    assert_eq!(settings.systems.keys().copied().collect::<Vec<_>>(), ["guangdong", "smart_league"]);
    assert_eq!(Case::sound(&off.replace("false", "true")).refused().len(), 3);
}

#[test]
fn fujian_is_not_trusted_over_plain_http() {
    let given = |url: &str, passwords: &str| {
        Case::sound(&format!("[systems.fujian]\nbase_url = \"{url}\"\npasswords = {passwords}"))
    };
    given("https://fujian.example.org", "[\"x\"]").taken();
    given("http://127.0.0.1:1", "[\"x\"]").taken();
    let problems = given("http://10.0.0.1", "[\"x\"]").refused();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("own.toml: systems.fujian.base_url: must begin with https://"),
        "{problems:?}"
    );
    // Told even where the password is missing.
    assert_eq!(given("http://10.0.0.1", "[]").refused().len(), 2);
    Case::sound("[systems.guangdong]\nbase_url = \"http://10.0.0.1/prefix/\"").taken();
}

#[test]
fn a_lease_outlasts_six_timeouts() {
    let given = |lease: &str| {
        Case::sound(&format!("[delivery]\nlease = \"{lease}\"\n[systems.guangdong]\ntimeout = \"20s\""))
    };
    given("120s").taken();
    let problems = given("119999ms").refused();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("own.toml: delivery.lease: must be at least six times"), "{problems:?}");
}

/// A file that is there.
const THERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");

#[test]
fn one_private_key_belongs_to_one_certificate() {
    for key in ["client_cert", "client_key"] {
        assert_eq!(
            Case::sound(&format!("[systems.guangdong]\n{key} = \"{THERE}\"")).refused(),
            [format!("own.toml: systems.guangdong.{key}: client_cert and client_key go together")]
        );
    }
    let both = Case::sound(&format!(
        "[systems.guangdong]\nclient_cert = \"{THERE}\"\nclient_key = \"{THERE}\"\nca_file = \"{THERE}\""
    ));
    let endpoint = &both.taken().systems["guangdong"].endpoint;
    assert_eq!(endpoint.client_identity, Some((PathBuf::from(THERE), PathBuf::from(THERE))));
    assert_eq!(endpoint.ca_file, Some(PathBuf::from(THERE)));
}
