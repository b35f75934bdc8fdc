//! Secrets and certificates are taken over by a daemon that runs.

use crate::support::{SIDES, Setup, TestApp, address, program, signal, until};
use league_gateway::app::{REGISTRATIONS, Reloaded};
use league_gateway::settings;
use league_sandbox::{Fault, FaultKind};
use std::path::PathBuf;
use std::process::Stdio;

/// A gateway that reads the national system's secret from a file.
async fn with_secret(secret: &str, setup: Setup) -> (TestApp, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let file = folder.join("secret");
    std::fs::write(&file, secret).expect("it is written");
    let config = format!("[systems.smart_league]\nsecrets = []\nsecret_files = [\"{}\"]\n", file.display());
    (setup.config(&config).start().await, file)
}

async fn reload(test: &TestApp) -> Vec<Reloaded> {
    let new = settings::load(&test.config_files(), &REGISTRATIONS).expect("the configuration is right");
    test.app.reload(&new).await.expect("it is taken over")
}

#[tokio::test]
async fn a_mended_secret_is_taken_over_and_lifts_the_suspension() {
    let (test, file) = with_secret("a-wrong-secret-of-some-length", Setup::by_hand()).await;
    test.submit(&SIDES[0].document("BJ-1", 1)).await;
    test.run_until_idle().await;
    assert_eq!(test.get("BJ-1").await["state"], "queued");
    let system = test.partner("smart_league").system.clone();
    let suspended = async || {
        let mut look = test.app.store.read("test").await.expect("the store answers");
        look.system(&system).await.expect("its row").suspended.is_some()
    };
    assert!(suspended().await, "it refused our credentials");
    assert_eq!(reload(&test).await, [], "nothing has changed");
    assert!(suspended().await);
    std::fs::write(&file, "sandbox-smart-league-secret\n").expect("it is written");
    assert_eq!(reload(&test).await, [Reloaded::Secrets(system.clone())]);
    assert!(!suspended().await);
    test.later(60).await;
    assert_eq!(test.get("BJ-1").await["state"], "completed");
    std::fs::remove_dir_all(file.parent().expect("a folder")).expect("it is removed");
    test.finish_with_breaches().await;
}

/// What was sent with the old secret is read with it, and a refusal of it says nothing of the new one.
#[tokio::test]
async fn an_exchange_under_way_ends_with_the_old_secret() {
    let slow = Fault { delay_ms: 300, times: Some(1), kind: None, ..SIDES[0].fault(FaultKind::Hang, 1) };
    let setup = Setup::by_hand().faults(vec![slow]);
    let (test, file) = with_secret("sandbox-smart-league-secret", setup).await;
    test.submit(&SIDES[0].document("BJ-1", 1)).await;
    let driver = test.app.driver(test.partner("smart_league"));
    let change = async {
        until("the submit to arrive", || test.at_partner("BJ-1").is_some()).await;
        std::fs::write(&file, "another-secret-of-some-length").expect("it is written");
        assert_eq!(reload(&test).await.len(), 1);
    };
    let (worked, ()) = tokio::join!(driver.run_once(), change);
    assert!(worked.expect("the claim works") > 0);
    assert_eq!(test.get("BJ-1").await["state"], "submitted", "its answer was read");
    std::fs::remove_dir_all(file.parent().expect("a folder")).expect("it is removed");
    test.finish_with_breaches().await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_leaves_the_old_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    let test = Setup::by_hand().start().await;
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n")
        .expect("written");
    let more = format!("[systems.guangdong]\nca_file = \"{}\"\n", ca.display());
    std::fs::write(&test.config_files()[1], more).expect("it is written");
    let done = reload(&test).await;
    assert!(
        matches!(&done[..], [Reloaded::Refused(system, _)] if system.as_str() == "guangdong"),
        "{done:?}"
    );
    test.submit(&SIDES[1].document("BJ-1", 1)).await;
    test.run_until_idle().await;
    assert_eq!(test.get("BJ-1").await["state"], "completed", "it goes on as before");
    test.finish().await;
}

/// The whole process: what it says about a configuration that was changed, and one that is wrong.
#[tokio::test]
async fn a_hangup_reads_the_configuration_anew() {
    let test = Setup::by_hand().start().await;
    let [base, more] = test.config_files();
    let url = format!("sqlite://{}", test.file().with_file_name("other.db").display());
    let log = test.file().with_extension("log");
    let mut command = program();
    command.arg("--config").arg(&base).arg("--config").arg(&more).arg("run");
    command.env("LEAGUE_GATEWAY__DATABASE__URL", url).stdout(Stdio::piped());
    command.stderr(std::fs::File::create(&log).expect("a log"));
    let mut daemon = command.spawn().expect("it starts");
    address(daemon.stdout.take().expect("piped")).expect("it listens");
    let said = |word: &str| std::fs::read_to_string(&log).expect("a log").contains(word);
    std::fs::write(
        &more,
        "[delivery]\nlease = \"90s\"\n[systems.fujian]\npasswords = [\"another-password\"]\n",
    )
    .expect("it is written");
    signal(&daemon, "-HUP");
    until("it to be read", || said("the configuration was read anew")).await;
    assert!(said("its secrets were changed: used from now on") && said("delivery.lease"));
    assert!(!said("another-password"));
    // Told until it is taken over: what runs is what was read at the start.
    let told = || std::fs::read_to_string(&log).expect("a log").matches("key=\"delivery.lease\"").count();
    let before = told();
    signal(&daemon, "-HUP");
    until("it to be told again", || told() > before).await;
    std::fs::write(&more, "[delivery]\nlease = \"soon\"\n").expect("it is written");
    signal(&daemon, "-HUP");
    until("it to be refused", || said("its old values and secrets stay")).await;
    signal(&daemon, "-TERM");
    assert!(daemon.wait().expect("it ends").success());
    // It read Fujian's feed with that password.
    test.finish_with_breaches().await;
}
