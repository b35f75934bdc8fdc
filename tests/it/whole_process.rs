//! The program as its users run it: real processes, real signals, exit codes.

use crate::support::{Database, address, document, program, signal};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().expect("not killed by a signal")
}

/// A configuration against systems that are not there, on a free port.
pub(crate) fn configured(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("gateway.toml");
    let sandbox = std::fs::read_to_string(repository().join("config/sandbox.toml")).expect("sample");
    let database = folder.path().join("gateway.db");
    let extra = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = \"sqlite://{}\"\n[delivery]\nshutdown_grace = \"5s\"\n",
        database.display()
    );
    std::fs::write(&path, format!("{sandbox}\n{extra}")).expect("written");
    path
}

pub(crate) fn run(config: &Path, arguments: &[&str]) -> Output {
    program().arg("--config").arg(config).args(arguments).output().expect("runs")
}

/// A daemon that says where it listens.
struct Daemon {
    child: Child,
    url: String,
}

impl Daemon {
    fn start(config: &Path) -> Self {
        let mut child = program()
            .arg("--config")
            .arg(config)
            .arg("run")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let url = address(child.stdout.take().expect("piped")).expect("an address");
        Self { child, url }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Every sample reaches its end, and no partner sees a transfer twice in effect.
#[test]
fn the_demo_ends_as_expected() {
    let output = program().args(["demo", "--once", "--json"]).output().expect("runs");
    assert_eq!(code(&output), 0, "{}\n{}", text(&output.stdout), text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert!(report["total"].as_u64().is_some_and(|total| total >= 30), "{report}");
    assert_eq!(report["passed"], report["total"]);
    assert_eq!((&report["violations"], &report["blind_submits"]), (&0.into(), &0.into()));
}

/// The same with the daemon killed by SIGKILL in the middle and started again.
#[test]
fn the_demo_survives_kill_nine() {
    let output = program().args(["demo", "--once", "--kill", "--json"]).output().expect("runs");
    assert_eq!(code(&output), 0, "{}\n{}", text(&output.stdout), text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(report["passed"], report["total"]);
    assert_eq!((&report["violations"], &report["blind_submits"]), (&0.into(), &0.into()));
}

#[test]
fn sigterm_stops_the_daemon_cleanly_and_frees_the_database() {
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    let mut daemon = Daemon::start(&config);
    let second = run(&config, &["run"]);
    assert_eq!(code(&second), 4, "{}", text(&second.stderr));
    assert!(text(&second.stderr).contains("another daemon runs on"), "{}", text(&second.stderr));
    signal(&daemon.child, "-TERM");
    assert!(daemon.child.wait().expect("ends").success());
    let again = Daemon::start(&config);
    assert!(again.url.starts_with("http://127.0.0.1:"), "{}", again.url);
}

/// A link makes no second file of it.
#[test]
fn a_second_daemon_by_another_name_is_refused() {
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    let _daemon = Daemon::start(&config);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(folder.path().join("gateway.db"), &link).expect("linked");
    let mut second = program();
    second.arg("--config").arg(&config).arg("run");
    second.env("LEAGUE_GATEWAY__DATABASE__URL", format!("sqlite://{}", link.display()));
    let second = second.output().expect("runs");
    assert_eq!(code(&second), 4, "{}", text(&second.stderr));
}

#[test]
fn a_killed_daemon_starts_again_at_once() {
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    let mut daemon = Daemon::start(&config);
    signal(&daemon.child, "-KILL");
    assert!(!daemon.child.wait().expect("ends").success());
    Daemon::start(&config);
}

#[test]
fn enqueue_takes_what_is_valid_and_reports_the_rest_by_line() {
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    assert_eq!(code(&run(&config, &["outbox", "list"])), 2, "an empty database is named with its command");
    assert_eq!(code(&run(&config, &["db", "migrate"])), 0);
    let good = r#"{"request_id":"BJ-1","initiator":"member","member":{"name":"张三","id_number":"11010519491231002X","phone":"13800138000","joined_on":"2012-05"},"source":{"organization_id":"1","full_name":"来源团支部"},"destination":{"province_code":"江苏","full_name":"共青团南京大学委员会"},"reason":"other","details":{"text":"因家庭原因迁往外地居住生活"},"applied_at":"2024-07-01T09:30:00+08:00"}"#;
    let bad = good.replace("BJ-1", "BJ-2").replace("002X", "0021");
    let long = format!("{{\"request_id\": \"{}\"}}", "x".repeat(600_000));
    let nameless = bad.replace("BJ-2", "张三13800138000");
    let file = folder.path().join("rows.jsonl");
    std::fs::write(&file, format!("{good}\n\n{bad}\nnot json\n{good}\n{long}\n{nameless}\n{good}\n"))
        .expect("written");
    let output = run(&config, &["--json", "enqueue", &file.display().to_string()]);
    assert_eq!(code(&output), 4, "{}", text(&output.stderr));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lines[0]["request_id"], "BJ-2");
    assert_eq!(
        (&lines[0]["line"], &lines[0]["problems"][0]["code"]),
        (&3.into(), &"id_number_invalid".into())
    );
    assert_eq!((&lines[1]["line"], &lines[1]["problems"][0]["code"]), (&4.into(), &"malformed".into()));
    assert_eq!(
        (&lines[2]["line"], &lines[2]["problems"][0]["code"]),
        (&6.into(), &"payload_too_large".into()),
        "and what comes after it is read"
    );
    assert_eq!((&lines[3]["line"], &lines[3]["request_id"]), (&7.into(), &serde_json::Value::Null));
    assert_eq!(lines[4]["summary"], serde_json::json!({"created": 1, "same": 2, "refused": 4}));
    let listed = run(&config, &["--json", "outbox", "list"]);
    let row: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("one row");
    assert_eq!((&row["request_id"], &row["member"]["name"]), (&"BJ-1".into(), &"张*".into()));
    assert_eq!(code(&run(&config, &["outbox", "show", "BJ-1"])), 0);
    assert_eq!(code(&run(&config, &["outbox", "show", "BJ-9"])), 3);
    let events = text(&run(&config, &["--json", "events", "tail"]).stdout);
    assert_eq!(events.lines().count(), 2, "received, queued: {events}");
    newest_events_come_without_a_cursor(&config, &folder, good);
    for shown in [&output, &listed] {
        let all = text(&shown.stdout) + &text(&shown.stderr);
        assert!(!all.contains("张三") && !all.contains("19491231") && !all.contains("13800138000"), "{all}");
    }
}

/// `good` is here already; with ten others there are more events than are shown.
fn newest_events_come_without_a_cursor(config: &Path, folder: &TempDir, good: &str) {
    let rows: Vec<String> = (10..20)
        .map(|n| {
            let id_number = crate::support::person(n).id_number;
            good.replace("BJ-1", &format!("BJ-{n}")).replace("11010519491231002X", &id_number)
        })
        .collect();
    let file = folder.path().join("more.jsonl");
    std::fs::write(&file, rows.join("\n")).expect("written");
    let taken = run(config, &["enqueue", &file.display().to_string()]);
    assert_eq!(code(&taken), 0, "{}", text(&taken.stdout));
    let tail = |more: &[&str]| {
        let output = run(config, &[["--json", "events", "tail"].as_slice(), more].concat());
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
        let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
        text(&output.stdout).lines().map(event).collect::<Vec<_>>()
    };
    let all = tail(&["--after", "0"]);
    assert_eq!(all.len(), 22);
    assert_eq!(tail(&[]), all[2..]);
}

/// Nobody is asked: what a profile can't carry is wrong use, not a system in trouble.
#[test]
fn words_that_a_profile_has_no_room_for_are_wrong_use() {
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    for province in ["44", "35"] {
        let output = run(&config, &["orgs", "search", "--province", province, "中山\u{202E}大学"]);
        assert_eq!(code(&output), 2, "{}", text(&output.stderr));
    }
}

/// Up to PostgreSQL and back to a file, under the eyes of the same commands.
#[tokio::test]
async fn an_outbox_moves_to_postgres_and_back() {
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    let server = Database::postgres().await.url;
    let old = format!("sqlite://{}", folder.path().join("gateway.db").display());
    let file = folder.path().join("back.db");
    let back = format!("sqlite://{}", file.display());
    let on = |url: &str, arguments: &[&str]| {
        let mut command = program();
        command.env("LEAGUE_GATEWAY__DATABASE__URL", url).arg("--config").arg(&config).args(arguments);
        command.output().expect("runs")
    };
    let copy =
        |from: &str, to: &str| on("", &["--json", "db", "copy", "--from", from, "--to", to, "--verify"]);
    assert_eq!(code(&on(&old, &["db", "migrate"])), 0);
    assert_eq!(code(&on(&old, &["tokens", "create", "--name", "upstream", "--role", "view"])), 0);

    let output = copy(&old, &server);
    assert_eq!(code(&output), 2, "no table is there: {}", text(&output.stderr));
    assert!(text(&output.stderr).contains("db migrate"), "{}", text(&output.stderr));
    for _ in 0..2 {
        let output = on(&server, &["db", "migrate"]);
        assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    }
    let output = copy(&old, &server);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON line");
    assert_eq!(report["verified"], true);
    let tables = report["tables"].as_array().expect("tables");
    assert!(tables.contains(&serde_json::json!({"table": "tokens", "rows": 1})), "{report}");
    assert!(text(&on(&server, &["tokens", "list"]).stdout).contains("upstream"));
    assert_eq!(code(&copy(&old, &server)), 4, "it is not empty any more");

    assert_eq!(code(&copy(&server, &back)), 2, "a name mistyped makes no file");
    assert!(!file.exists());
    assert_eq!(code(&on(&back, &["db", "migrate"])), 0);
    let output = copy(&server, &back);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert!(text(&on(&back, &["tokens", "list"]).stdout).contains("upstream"));

    let secret = copy("postgres://league:SECRET@127.0.0.1/league", &back);
    assert_eq!(code(&secret), 2);
    assert!(!text(&secret.stderr).contains("SECRET"), "{}", text(&secret.stderr));
    let daemon = Daemon::start(&config);
    let output = copy(&old, &back);
    assert_eq!(code(&output), 4, "{}", text(&output.stderr));
    drop(daemon);
}

#[test]
fn enqueue_reads_csv_by_its_dotted_header() {
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    assert_eq!(code(&run(&config, &["db", "migrate"])), 0);
    let file = folder.path().join("rows.csv");
    let header = "request_id,initiator,member.name,member.id_number,member.phone,member.joined_on,source.organization_id,source.full_name,destination.province_code,destination.full_name,reason,details.employer_name,details.employer_address,details.employer_has_organization,applied_at";
    let row = "BJ-1,branch,张三,11010519491231002X,13800138000,2012-05,1,来源团支部,44,共青团中山大学委员会,employment,某公司,\"创新路 1 号, 甲座\",true,2024-07-01T09:30:00+08:00";
    std::fs::write(
        &file,
        format!(
            "\u{feff}{header}\n{row}\n{row},too many\n{}\n",
            row.replace("某公司", &"某".repeat(100_000))
        ),
    )
    .expect("written");
    let output = run(&config, &["--json", "enqueue", &file.display().to_string()]);
    assert_eq!(code(&output), 4, "{}", text(&output.stderr));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0]["line"], 3, "{lines:?}");
    assert_eq!(
        (&lines[1]["line"], &lines[1]["problems"][0]["code"]),
        (&4.into(), &"payload_too_large".into())
    );
    assert_eq!(lines[2]["summary"], serde_json::json!({"created": 1, "same": 0, "refused": 2}));
    let shown: serde_json::Value =
        serde_json::from_slice(&run(&config, &["--json", "outbox", "show", "BJ-1"]).stdout).expect("JSON");
    assert_eq!(shown["transfer"]["system"], "guangdong");
}

#[test]
fn routes_are_explained_without_any_configuration() {
    let output = program().args(["routes", "explain", "全国铁道团委", "--json"]).output().expect("runs");
    assert_eq!(code(&output), 0);
    let route: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&route["code"], &route["system"]), (&"990001".into(), &"smart_league".into()));
    assert_eq!(code(&program().args(["routes", "explain", "火星"]).output().expect("runs")), 3);
    let beijing = program().args(["routes", "explain", "11"]).output().expect("runs");
    assert!(text(&beijing.stdout).contains("internal"), "{}", text(&beijing.stdout));
}

#[test]
fn fixtures_replay_and_a_changed_byte_is_shown_by_field() {
    let replayed = program().current_dir(repository()).args(["fixtures", "replay"]).output().expect("runs");
    assert_eq!(code(&replayed), 0, "{}", text(&replayed.stdout));
    let folder = TempDir::new().expect("folder");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(repository().join("fixtures"))
        .arg(folder.path())
        .status()
        .expect("cp");
    assert!(copied.success());
    let root = folder.path().join("fixtures");
    let case = std::fs::read_dir(root.join("smart-league"))
        .expect("cases")
        .map(|entry| entry.expect("entry").path())
        .find(|path| path.file_name().is_some_and(|name| name == "submit-ok" || name == "submit-education"))
        .or_else(|| {
            std::fs::read_dir(root.join("smart-league"))
                .ok()?
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .find(|path| path.display().to_string().contains("submit"))
        })
        .expect("a submit");
    let request = case.join("request.http");
    let mut bytes = std::fs::read(&request).expect("request");
    let at = bytes.windows(9).position(|window| window == b"requestId").expect("a field") + 12;
    bytes[at] = b'~';
    std::fs::write(&request, bytes).expect("written");
    let output =
        program().args(["fixtures", "replay", "--dir", &root.display().to_string()]).output().expect("runs");
    assert_eq!(code(&output), 4);
    assert!(text(&output.stdout).contains("request.body.requestId"), "{}", text(&output.stdout));
}

#[test]
fn wrong_use_and_wrong_configuration_exit_with_two() {
    assert_eq!(code(&program().arg("nonsense").output().expect("runs")), 2);
    let missing =
        program().args(["--config", "/nonexistent.toml", "config", "check"]).output().expect("runs");
    assert_eq!(code(&missing), 2);
    assert!(text(&missing.stderr).contains("/nonexistent.toml"), "{}", text(&missing.stderr));
    let folder = TempDir::new().expect("folder");
    let config = configured(&folder);
    assert_eq!(code(&run(&config, &["config", "check"])), 0);
    std::fs::write(&config, "[http]\nlistn = \"127.0.0.1:1\"\n").expect("written");
    let unknown = run(&config, &["config", "check"]);
    assert_eq!(code(&unknown), 2);
    let problems = text(&unknown.stderr);
    assert!(problems.contains("http.listn") && problems.contains("did you mean http.listen"), "{problems}");
    assert!(problems.contains("systems.fujian.passwords"), "all problems at once: {problems}");
}

#[test]
fn the_sandbox_says_where_it_listens_and_ends_with_its_report() {
    let mut child = program()
        .args([
            "sandbox",
            "--smart-league",
            "127.0.0.1:0",
            "--guangdong",
            "127.0.0.1:0",
            "--fujian",
            "127.0.0.1:0",
            "--json",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    let urls: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert!(urls["fujian"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")), "{urls}");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    let mut rest = String::new();
    reader.read_to_string(&mut rest).expect("the report");
    assert!(rest.contains("violations"), "{rest}");
    assert!(child.wait().expect("ends").success());
}

#[test]
fn alarms_are_listed_and_cleared_by_a_person() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configured(&folder);
    assert_eq!(code(&run(&config, &["db", "migrate"])), 0);
    let clear = ["alarms", "clear", "--system", "fujian", "--kind", "conflicts", "--reason", "asked them"];
    assert_eq!(code(&run(&config, &clear)), 3, "none is open");
    assert_eq!(code(&run(&config, &["alarms", "clear", "--kind", "noise", "--reason", "x"])), 2);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let url = format!("sqlite://{}", folder.path().join("gateway.db").display());
        let store = league_gateway::store::Store::connect(&url).await.expect("it opens");
        let mut tx = store.write("test").await.expect("it begins");
        let system = league_contract::System::named("fujian");
        let detail = ["矛盾".to_owned(), "a contradiction".to_owned()];
        let kind = league_gateway::alarm::AlarmKind::Conflicts;
        let at = jiff::Timestamp::UNIX_EPOCH;
        assert!(tx.raise_alarm(Some(&system), kind, detail, at).await.expect("it is raised"));
        tx.commit().await.expect("it commits");
        store.close().await;
    });
    let listed = run(&config, &["alarms", "list"]);
    assert!(text(&listed.stdout).contains("a contradiction"), "{}", text(&listed.stdout));
    let told = text(&run(&config, &["events", "tail"]).stdout);
    assert!(told.contains("conflicts fujian: a contradiction"), "{told}");
    assert_eq!(code(&run(&config, &clear)), 0);
    assert_eq!(text(&run(&config, &["alarms", "list", "--json"]).stdout), "");
    let all: serde_json::Value =
        serde_json::from_slice(&run(&config, &["alarms", "list", "--all", "--json"]).stdout).expect("JSON");
    assert_eq!(
        (&all["kind"], &all["cleared_by"]),
        (&"conflicts".into(), &"operator: asked them".into()),
        "{all}"
    );
}

/// An operator's day on the command line: every act says what it did, and stands in a log that shows when it was touched.
#[tokio::test]
async fn acts_say_what_they_did_and_stand_in_the_audit_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configured(&folder);
    let people = folder.path().join("people.jsonl");
    std::fs::write(&people, document("DESK-1", 1, "440000", "共青团中山大学委员会").to_string())
        .expect("written");
    assert_eq!(code(&run(&config, &["db", "migrate"])), 0);
    assert_eq!(code(&run(&config, &["enqueue", &people.display().to_string()])), 0);
    let act = |act: &str, ids: &[&str]| {
        let output =
            run(&config, &[&["outbox", act], ids, &["--reason", "等接收方确认", "--by", "王芳"]].concat());
        (code(&output), text(&output.stdout))
    };
    let (ended, told) = act("hold", &["DESK-1", "DESK-2"]);
    assert_eq!(ended, 3, "{told}");
    assert!(told.contains("DESK-1: held") && told.contains("DESK-2: there is no transfer"), "{told}");
    let (ended, told) = act("hold", &["DESK-1"]);
    assert_eq!((ended, told.contains("is held by user:王芳 already: 等接收方确认")), (4, true), "{told}");
    let shown = text(&run(&config, &["outbox", "show", "DESK-1"]).stdout);
    assert!(shown.contains("held by user:王芳 since"), "{shown}");
    assert!(text(&run(&config, &["outbox", "list"]).stdout).contains("queued (held)"));
    assert_eq!(act("release", &["DESK-1"]).0, 0);
    assert_eq!(act("retry", &["DESK-1"]).0, 4, "it is due already");
    assert_eq!(act("withdraw", &["DESK-1"]).0, 0);
    let shown = text(&run(&config, &["outbox", "show", "DESK-1"]).stdout);
    assert!(shown.contains("operator_hold: user:王芳: 等接收方确认"), "{shown}");
    assert_eq!(code(&run(&config, &["outbox", "hold", "DESK-1"])), 2, "there is no act without a reason");
    // Other acts stand there, too.
    assert_eq!(code(&run(&config, &["systems", "pause", "fujian", "--reason", "检修"])), 0);
    assert_eq!(code(&run(&config, &["tokens", "create", "--name", "t", "--role", "view"])), 0);
    let rows = text(&run(&config, &["--json", "audit", "list"]).stdout);
    let acts: Vec<String> = rows
        .lines()
        .map(|row| {
            serde_json::from_str::<serde_json::Value>(row).expect("JSON")["act"]
                .as_str()
                .expect("a word")
                .to_owned()
        })
        .collect();
    assert_eq!(acts, ["create_token", "pause", "withdraw", "release", "hold"]);
    let verified = run(&config, &["audit", "verify"]);
    assert_eq!((code(&verified), text(&verified.stdout).contains("sound rows: 5")), (0, true));
    let database = Database::sqlite(&folder.path().join("gateway.db"));
    for sql in ["DROP TRIGGER audit_is_not_changed", "UPDATE audit SET reason = '没有原因' WHERE id = 2"]
    {
        database.execute(sql).await;
    }
    let broken = run(&config, &["audit", "verify"]);
    assert_eq!(
        (code(&broken), text(&broken.stderr).contains("row 2 was changed")),
        (4, true),
        "{}",
        text(&broken.stderr)
    );
}

/// A service manager hears when the daemon is ready, that it lives, and that it stops.
#[test]
fn the_service_manager_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = configured(&folder);
    let socket = folder.path().join("notify.sock");
    let manager = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    manager.set_read_timeout(Some(crate::support::NET)).expect("a limit");
    let hear = || {
        let mut message = [0; 512];
        let length = manager.recv(&mut message).expect("the daemon says something");
        text(&message[..length])
    };
    let mut daemon = program()
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "20000")
        .args(["--config".as_ref(), config.as_os_str(), "run".as_ref()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let ready = hear();
    assert!(ready.contains("READY=1") && ready.contains("STATUS=listening on http://127.0.0.1:"), "{ready}");
    for _ in 0..3 {
        assert_eq!(hear().trim(), "WATCHDOG=1");
    }
    signal(&daemon, "-TERM");
    let mut last = hear();
    while last.trim() == "WATCHDOG=1" {
        last = hear();
    }
    assert!(last.contains("STOPPING=1"), "{last}");
    assert!(daemon.wait().expect("it ends").success());
}

/// The unit's program, folders and credentials are those that the sample configuration speaks of.
#[test]
fn the_unit_fits_the_sample_configuration() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).expect(path);
    let (unit, sample) = (read("packaging/league-gateway.service"), read("config/production.example.toml"));
    let values = |key: &str| -> Vec<String> {
        unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned).collect()
    };
    assert_eq!(values("Type"), ["notify"]);
    let start = values("ExecStart");
    assert!(start[0].starts_with("/usr/bin/league-gateway --config /etc/league-gateway/config.toml "));
    assert!(start[0].contains(" run "), "{start:?}");
    assert_eq!(values("StateDirectory"), ["league-gateway"]);
    assert!(sample.contains("sqlite:///var/lib/league-gateway/"));
    let credentials: Vec<String> =
        values("LoadCredential").iter().filter_map(|one| Some(one.split_once(':')?.0.to_owned())).collect();
    let prefix = "credential:";
    let used: Vec<&str> = sample
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(prefix).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(!used.is_empty());
    for name in used {
        assert!(credentials.iter().any(|one| one == name), "{name} is not loaded: {credentials:?}");
    }
    for hardening in
        ["NoNewPrivileges", "ProtectSystem", "PrivateTmp", "RestrictAddressFamilies", "SystemCallFilter"]
    {
        assert!(!values(hardening).is_empty(), "{hardening}");
    }
}
