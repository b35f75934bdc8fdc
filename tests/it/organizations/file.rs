//! The directory's file: imported, exchanged while it serves, damaged.

use super::LISTS;
use crate::support::{Setup, TestApp, import, in_time, program};
use league_gateway::organization::directory::Look;
use serde_json::{Value, json};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::TempDir;

const HEADER: &str = "province_code,org_id,full_name,kind\n";

async fn total(test: &TestApp, province: &str, words: &str) -> (Value, Value) {
    let url = format!("/v1/organizations?province_code={province}&q={words}");
    let page = test.client.get(&url).await.json();
    (page["total"].clone(), page["source"].clone())
}

#[tokio::test]
async fn a_question_is_answered_from_one_file_while_others_take_its_place() {
    let test = Setup::by_hand().start().await;
    // Every file holds one edition, as many rows as its number.
    let edition = |number: usize| {
        (0..number)
            .map(|row| format!("440000,{row},共青团edition{number}第{row}委员会,local-committee\n"))
            .collect::<String>()
    };
    test.import(&edition(1));
    let url = "/v1/organizations?province_code=440000&q=edition&limit=100";
    let asking = {
        let client = test.client.clone();
        async move {
            let mut last = 0;
            while last < 20 {
                let page = client.get(url).await.json();
                let items = page["items"].as_array().expect("items");
                let number = items.len();
                assert!(number >= last, "an older file came back: {page}");
                assert_eq!(page["total"], number, "{page}");
                let of_it = format!("edition{number}第");
                assert!(
                    items
                        .iter()
                        .all(|item| item["full_name"].as_str().is_some_and(|name| name.contains(&of_it))),
                    "{page}"
                );
                last = number;
            }
        }
    };
    let (path, directory, at) =
        (test.directory(), test.app.organizations.directory.clone(), test.app.clock.now());
    let putting = tokio::task::spawn_blocking(move || {
        for number in 2..=20 {
            import(&path, &edition(number), at);
            assert_eq!(directory.refresh().expect("it is right"), Look::New);
        }
    });
    in_time("the last edition", asking).await;
    putting.await.expect("all were put in place");
    test.finish().await;
}

#[tokio::test]
async fn a_daemon_takes_up_a_new_file_by_itself_and_lets_go_of_one_that_is_gone() {
    let test = Setup::daemon().start().await;
    assert_eq!(total(&test, "440000", "zsdx").await.1, "system");
    import(&test.directory(), LISTS, test.app.clock.now());
    in_time("the file to be served", async {
        while total(&test, "440000", "zsdx").await != (json!(3), json!("directory")) {}
    })
    .await;
    std::fs::remove_file(test.directory()).expect("removed");
    in_time("the system to be asked", async { while total(&test, "440000", "zsdx").await.1 != "system" {} })
        .await;
    test.finish().await;
}

#[tokio::test]
async fn a_damaged_file_does_not_take_the_place_of_a_good_one() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    let good = std::fs::read(test.directory()).expect("the file");
    let directory = &test.app.organizations.directory;
    for damaged in [&good[..good.len() - 1], b"", b"SQLite format 3\0 and more"] {
        let other = test.directory().with_extension("new");
        std::fs::write(&other, damaged).expect("written");
        std::fs::rename(&other, test.directory()).expect("in place");
        let error = directory.refresh().expect_err("it can't be used");
        assert!(!error.to_string().is_empty());
        assert_eq!(directory.refresh().expect("it is said once"), Look::Same);
        assert_eq!(total(&test, "440000", "zsdx").await, (json!(3), json!("directory")));
    }
    // Nor does one that grows in its place.
    for damaged in [&good[..good.len() / 2], &good[..good.len() - 1]] {
        std::fs::write(test.directory(), damaged).expect("written");
        directory.refresh().expect_err("it can't be used");
        assert_eq!(total(&test, "440000", "zsdx").await, (json!(3), json!("directory")));
    }
    std::fs::write(test.directory(), &good).expect("written");
    assert_eq!(directory.refresh().expect("it is whole"), Look::New);
    test.finish().await;
}

#[tokio::test]
async fn a_file_that_is_written_over_in_its_place_is_not_served_on() {
    let test = Setup::by_hand().start().await;
    test.import(LISTS);
    // Imports leave it read-only, so that this is no slip.
    let mode = std::fs::metadata(test.directory()).expect("the file").permissions();
    assert!(mode.readonly());
    std::fs::set_permissions(test.directory(), std::fs::Permissions::from_mode(0o644))
        .expect("made writable");
    let length = std::fs::metadata(test.directory()).expect("the file").len();
    std::fs::write(test.directory(), vec![b'x'; usize::try_from(length).expect("small")])
        .expect("written over");
    test.app.organizations.directory.refresh().expect_err("it is no directory any more");
    assert_eq!(total(&test, "440000", "%E4%B8%AD%E5%B1%B1").await, (json!(2), json!("system")));
    // The next import puts it right.
    std::fs::remove_file(test.directory()).expect("moved away");
    test.import(LISTS);
    assert_eq!(total(&test, "440000", "zsdx").await, (json!(3), json!("directory")));
    test.finish().await;
}

#[tokio::test]
async fn a_daemon_starts_without_a_file_that_it_cant_use() {
    let test = Setup::daemon().start().await;
    std::fs::write(test.directory(), "not a directory").expect("written");
    let test = test.restart("").await;
    // Transfers matter more.
    assert_eq!(total(&test, "440000", "%E4%B8%AD%E5%B1%B1").await, (json!(2), json!("system")));
    test.finish().await;
}

/// A folder with a configuration that needs no partner to answer.
fn configured() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let sandbox = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.toml");
    let sandbox = std::fs::read_to_string(sandbox).expect("the sample");
    let place = |name: &str| folder.path().join(name).display().to_string();
    let more = format!(
        "[database]\nurl = \"sqlite://{}\"\n[organizations]\ndirectory = \"{}\"\n",
        place("gateway.db"),
        place("organizations.idx")
    );
    std::fs::write(folder.path().join("gateway.toml"), sandbox + "\n" + &more).expect("written");
    folder
}

/// Runs the program in that folder, with something to read.
fn run(folder: &TempDir, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut command = program();
    command.current_dir(folder).args(["--config", "gateway.toml"]).args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    // A program that refuses its arguments reads nothing.
    child.stdin.take().expect("piped").write_all(input).ok();
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

#[test]
fn lists_come_in_by_file_and_by_pipe_and_are_added_to() {
    let folder = configured();
    assert_eq!(run(&folder, &["orgs", "stats"], b"").0, 3, "there is none yet");
    std::fs::write(folder.path().join("all.csv"), format!("{HEADER}{LISTS}")).expect("written");
    let (code, out, err) = run(&folder, &["--json", "orgs", "import", "all.csv"], b"");
    assert_eq!((code, json_of(&out)["new"].clone()), (0, json!(10)), "{err}");
    // A list of one province leaves the others as they are.
    let fujian = format!(
        "{HEADER}350000,3501001,共青团厦门大学委员会,university-committee\n350000,3501002,共青团福州大学委员会,university-committee\n"
    );
    let (code, out, _) = run(&folder, &["--json", "orgs", "import", "-"], fujian.as_bytes());
    let told = json_of(&out);
    assert_eq!(
        (code, &told["new"], &told["unchanged"], &told["gone"]),
        (0, &json!(1), &json!(1), &json!(0)),
        "{told}"
    );
    let delta = "province_code,org_id,full_name,kind,gone\n350000,3501002,,,1\n350000,3501001,共青团厦门大学马来西亚分校委员会,university-committee,\n";
    let (code, out, err) = run(&folder, &["--json", "orgs", "import", "--delta", "-"], delta.as_bytes());
    let told = json_of(&out);
    assert_eq!((code, &told["changed"], &told["gone"]), (0, &json!(1), &json!(1)), "{told} {err}");
    let (code, out, _) = run(&folder, &["--json", "orgs", "stats"], b"");
    let stats = json_of(&out);
    assert_eq!((code, &stats["organizations"]), (0, &json!(10)), "{stats}");
    let fujian =
        stats["provinces"].as_array().expect("provinces").iter().find(|one| one["province_code"] == "350000");
    assert_eq!(fujian.expect("Fujian")["organizations"], 1, "{stats}");
}

#[test]
fn refused_rows_are_told_by_line_and_the_rest_is_in() {
    let folder = configured();
    let list = format!(
        "{HEADER}350000,1,共青团厦门大学委员会,university-committee\n359999,2,共青团某某委员会,university-committee\n350000,3,,university-committee\n"
    );
    let (code, out, err) = run(&folder, &["orgs", "import", "-"], list.as_bytes());
    assert_eq!(code, 4, "{out} {err}");
    for line in ["line 3", "line 4"] {
        assert!(out.contains(line) || err.contains(line), "{line}: {out} {err}");
    }
    let (code, out, _) = run(&folder, &["--json", "orgs", "search", "--province", "福建", "厦大"], b"");
    assert_eq!(
        (code, json_of(&out)["items"][0]["full_name"].clone()),
        (0, json!("共青团厦门大学委员会")),
        "{out}"
    );
    // What is no list at all changes nothing.
    for nonsense in ["", "id,name\n1,x\n", "province_code,org_id,full_name,kind\nx,y,z,w\n"] {
        let (code, _, err) = run(&folder, &["orgs", "import", "-"], nonsense.as_bytes());
        assert_ne!(code, 0, "{nonsense}");
        assert!(!err.is_empty());
    }
    assert_eq!(json_of(&run(&folder, &["--json", "orgs", "stats"], b"").1)["organizations"], 1);
    assert_eq!(run(&folder, &["orgs", "import", "missing.csv"], b"").0, 2);
}

#[test]
fn what_would_lose_organizations_by_mistake_is_refused() {
    let folder = configured();
    let row = |n: usize| format!("350000,{n},共青团第{n}大学委员会,university-committee\n");
    let list = |count: usize| (0..count).map(row).collect::<String>();
    let import = |more: &[&str], text: &str| {
        run(&folder, &[&["--json", "orgs", "import", "-"], more].concat(), text.as_bytes())
    };
    let held = || json_of(&run(&folder, &["--json", "orgs", "stats"], b"").1)["organizations"].clone();
    let changes = |word: &str| format!("province_code,org_id,full_name,kind,gone\n350000,1,,,{word}\n");
    // Changes to a list that is not there.
    assert_eq!(import(&["--delta"], &changes("1")).0, 2);
    assert_eq!(import(&[], &format!("{HEADER}{}", list(100))).0, 0);
    // Changes taken for the whole list.
    let (code, _, err) = import(&[], &changes("1"));
    assert_eq!((code, held()), (2, json!(100)), "{err}");
    // A list that was cut off.
    let (code, _, err) = import(&[], &format!("{HEADER}{}", list(60)));
    assert_eq!((code, held(), err.contains("40 of 100")), (2, json!(100), true), "{err}");
    // A word that says neither yes nor no.
    let (code, out, _) = import(
        &["--delta"],
        &(changes("2024-07-01") + "350000,2,共青团第2大学委员会,university-committee,0\n"),
    );
    assert_eq!((code, json_of(&out)["refused"].clone(), held()), (4, json!(1), json!(100)), "{out}");
    // What was there stays where its row can't be used.
    let broken = list(100).replace("共青团第7大学委员会", "");
    let (code, out, _) = import(&[], &format!("{HEADER}{broken}"));
    let told = json_of(&out);
    assert_eq!(
        (code, &told["refused"], &told["gone"], held()),
        (4, &json!(1), &json!(0), json!(100)),
        "{told}"
    );
    assert_eq!((import(&["--delta"], &changes("是")).0, held()), (0, json!(99)));
    assert_eq!((import(&["--allow-removal"], &format!("{HEADER}{}", list(60))).0, held()), (0, json!(60)));
}

#[test]
fn each_list_has_its_own_age() {
    let folder = configured();
    run(&folder, &["orgs", "import", "-"], format!("{HEADER}{LISTS}").as_bytes());
    let ages = || {
        let stats = json_of(&run(&folder, &["--json", "orgs", "stats"], b"").1);
        let lists = stats["provinces"].as_array().expect("lists").clone();
        let of = |code: &str| {
            lists.iter().find(|one| one["province_code"] == code).expect("a list")["imported_at"].clone()
        };
        (of("320000"), of("350000"))
    };
    let (jiangsu, fujian) = ages();
    assert_eq!(jiangsu, fujian);
    let again = format!("{HEADER}350000,3501001,共青团厦门大学委员会,university-committee\n");
    assert_eq!(run(&folder, &["orgs", "import", "-"], again.as_bytes()).0, 0);
    let (after, fujian_after) = ages();
    assert_eq!(after, jiangsu, "nobody has imported it");
    assert_ne!(fujian_after, fujian);
}

#[test]
fn a_check_on_the_command_line_marks_what_differs() {
    let folder = configured();
    run(&folder, &["orgs", "import", "-"], format!("{HEADER}{LISTS}").as_bytes());
    let check = |more: &[&str], name: &str| {
        let arguments = [&["orgs", "check", "--local", "--province", "广东"][..], more, &[name]].concat();
        run(&folder, &arguments, b"")
    };
    assert_eq!(check(&[], "中国共产主义青年团中山大学委员会").0, 0);
    let (code, out, err) = check(&[], "共青团中山大学付属第一医院委员会");
    assert_eq!(code, 3, "{err}");
    assert!(out.contains("共青团中山大学[-付-]{+附+}属第一医院委员会"), "{out}");
    let (code, out, err) = check(&["--lang", "zh"], "共青团中山大学付属第一医院委员会");
    assert_eq!((code, err.contains("未查询到该组织")), (3, true), "{out} {err}");
    let (_, out, _) = check(&["--json"], "共青团中山大学付属第一医院委员会");
    let answer = json_of(&out);
    assert_eq!(
        (&answer["result"], &answer["source"]),
        (&json!("not_found"), &json!("directory")),
        "{answer}"
    );
    // A province without a list, and no directory at all.
    assert_eq!(
        run(&folder, &["orgs", "check", "--local", "--province", "湖北", "共青团武汉大学委员会"], b"").0,
        2
    );
    std::fs::write(folder.path().join("organizations.idx"), "not a directory").expect("written");
    let (code, _, err) = check(&[], "共青团中山大学委员会");
    assert_eq!((code, err.contains("organizations.idx")), (1, true), "{err}");
}
