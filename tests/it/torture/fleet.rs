//! The daemons of a world: processes that are killed, and started again.

use crate::support::Dice;
use crate::support::{NET, address, signal};
use league_sandbox::Sandbox;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

/// Some daemons on one database.
pub(super) struct Fleet {
    /// What starts the nth daemon.
    command: Box<dyn Fn(usize) -> Command + Send + Sync>,
    folder: PathBuf,
    sandbox: Arc<Sandbox>,
    slots: Mutex<Vec<Slot>>,
}

#[derive(Default)]
struct Slot {
    child: Option<Child>,
    /// Known once it listens.
    url: Option<String>,
    /// Counts the starts: a reader of an earlier run's output has nothing to say.
    run: u64,
}

impl Fleet {
    pub(super) fn new(
        daemons: usize,
        folder: PathBuf,
        sandbox: Arc<Sandbox>,
        command: impl Fn(usize) -> Command + Send + Sync + 'static,
    ) -> Arc<Self> {
        let slots = Mutex::new((0..daemons).map(|_| Slot::default()).collect());
        Arc::new(Self { command: Box::new(command), folder, sandbox, slots })
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().expect("no panic under it")
    }

    fn log(&self, at: usize) -> PathBuf {
        self.folder.join(format!("daemon-{at}.log"))
    }

    /// Starts a daemon, and does not wait for it. From when it listens on, partners push to it.
    pub(super) fn start(self: &Arc<Self>, at: usize) {
        let log = File::options().create(true).append(true).open(self.log(at)).expect("a log");
        let mut command = (self.command)(at);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("starts");
        let stdout = child.stdout.take().expect("piped");
        let mut slots = self.slots();
        let slot = &mut slots[at];
        slot.run += 1;
        (slot.child, slot.url) = (Some(child), None);
        let (run, fleet) = (slot.run, self.clone());
        std::thread::spawn(move || {
            if let Some(url) = address(stdout) {
                fleet.listens(at, run, url);
            }
        });
    }

    fn listens(&self, at: usize, run: u64, url: String) {
        let mut slots = self.slots();
        if slots[at].run == run && slots[at].child.is_some() {
            self.sandbox.set_gateway(&url);
            slots[at].url = Some(url);
        }
    }

    pub(super) fn start_all(self: &Arc<Self>) {
        (0..self.count()).for_each(|at| self.start(at));
    }

    /// SIGKILL, and the end of the process. Says what is wrong if it had ended by itself.
    pub(super) fn kill(&self, at: usize) -> Option<String> {
        let mut slots = self.slots();
        slots[at].url = None;
        let mut child = slots[at].child.take()?;
        let fell = child.try_wait().expect("asked").map(|status| self.fell(at, &status.to_string()));
        child.kill().expect("killed");
        child.wait().expect("reaped");
        // The others can be reached all the same.
        if let Some(url) = slots.iter().find_map(|slot| slot.url.as_ref()) {
            self.sandbox.set_gateway(url);
        }
        fell
    }

    fn fell(&self, at: usize, status: &str) -> String {
        let log = std::fs::read_to_string(self.log(at)).unwrap_or_default();
        let end: Vec<&str> = log.lines().rev().take(5).collect();
        let end: Vec<&str> = end.into_iter().rev().collect();
        format!("daemon {at} ended by itself ({status}): {}", end.join(" | "))
    }

    /// SIGTERM to all. Says what is wrong with how they ended.
    pub(super) async fn stop_all(self: &Arc<Self>) -> Vec<String> {
        let fleet = self.clone();
        let stopping = tokio::task::spawn_blocking(move || {
            let mut slots = fleet.slots();
            slots.iter().filter_map(|slot| slot.child.as_ref()).for_each(|child| signal(child, "-TERM"));
            let mut wrong = Vec::new();
            for (at, slot) in slots.iter_mut().enumerate() {
                slot.url = None;
                let Some(mut child) = slot.child.take() else { continue };
                match ended(&mut child) {
                    Some(status) if status.success() => {}
                    Some(status) => wrong.push(fleet.fell(at, &status.to_string())),
                    None => {
                        child.kill().expect("killed");
                        child.wait().expect("reaped");
                        wrong.push(fleet.fell(at, "SIGTERM did not end it"));
                    }
                }
            }
            wrong
        });
        stopping.await.expect("no panic")
    }

    /// Daemons that ended although nobody told them to.
    pub(super) fn fallen(&self) -> Vec<String> {
        let mut slots = self.slots();
        let mut wrong = Vec::new();
        for (at, slot) in slots.iter_mut().enumerate() {
            if let Some(status) = slot.child.as_mut().and_then(|child| child.try_wait().expect("asked")) {
                wrong.push(self.fell(at, &status.to_string()));
            }
        }
        wrong
    }

    pub(super) fn all_listen(&self) -> bool {
        self.slots().iter().all(|slot| slot.url.is_some())
    }

    pub(super) fn count(&self) -> usize {
        self.slots().len()
    }

    /// The process of a daemon.
    pub(super) fn pid(&self, at: usize) -> Option<u32> {
        self.slots()[at].child.as_ref().map(Child::id)
    }

    /// One that listens.
    pub(super) fn url(&self, dice: &mut Dice) -> Option<String> {
        let slots = self.slots();
        let urls: Vec<&String> = slots.iter().filter_map(|slot| slot.url.as_ref()).collect();
        (!urls.is_empty()).then(|| (*dice.pick(&urls)).clone())
    }
}

/// Waits for the end of a process, within the net.
fn ended(child: &mut Child) -> Option<ExitStatus> {
    for _ in 0..NET.as_millis() / 5 {
        if let Some(status) = child.try_wait().expect("asked") {
            return Some(status);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    None
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let Ok(slots) = self.slots.get_mut() else { return };
        for child in slots.iter_mut().filter_map(|slot| slot.child.as_mut()) {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
