//! Upstream's part in the demo: sends the samples, follows the event feed, and holds every end against what was
//! expected.

use super::super::output::Output;
use super::samples::{Sample, Upstream};
use super::stage::{Client, Stage};
use crate::transfer::State;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use league_contract::{Method, WireRequest};
use league_sandbox::Report;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

pub(super) struct Follower {
    out: Output,
    client: Client,
    samples: Vec<Sample>,
    states: BTreeMap<String, State>,
    accounts: Vec<String>,
    cursor: i64,
    acted: Vec<String>,
    screen: MultiProgress,
    bar: ProgressBar,
    systems: Vec<(&'static str, ProgressBar)>,
}

impl Follower {
    pub(super) fn new(out: Output, client: Client, samples: Vec<Sample>) -> Self {
        let screen = MultiProgress::new();
        let line = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        let systems = ["smart_league", "guangdong", "fujian"]
            .map(|system| (system, screen.add(ProgressBar::new(1).with_style(line.clone()))))
            .to_vec();
        let bar = ProgressStyle::with_template("{bar:44.green} {pos}/{len}  {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = screen.add(ProgressBar::new(samples.len() as u64).with_style(bar));
        Self {
            out,
            client,
            samples,
            states: BTreeMap::new(),
            accounts: vec![],
            cursor: 0,
            acted: vec![],
            screen,
            bar,
            systems,
        }
    }

    /// Sends every sample; upstream may repeat itself without harm, and does until it has an answer.
    pub(super) async fn enqueue(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        while !matches!(self.call(Method::Get, "/healthz", None).await, Some((200, _))) {
            stage.revive()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for at in 0..self.samples.len() {
            let document = self.samples[at].document.clone();
            let times = if self.samples[at].upstream == Upstream::Repeats { 2 } else { 1 };
            if self.samples[at].upstream == Upstream::Restored {
                stage.submit_before(&document).await?;
            }
            for _ in 0..times {
                let (status, body) = self.insist(stage, "/v1/transfers", &document).await?;
                anyhow::ensure!(
                    matches!(status, 200 | 201),
                    "{} was refused with {status}: {body}",
                    self.samples[at].request_id
                );
            }
        }
        Ok(())
    }

    /// Follows until half of the samples have reached their end.
    pub(super) async fn until_half(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        while self.ended() * 2 < self.samples.len() {
            self.step(stage).await?;
        }
        Ok(())
    }

    /// Follows until all of them have.
    pub(super) async fn until_all(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        while self.ended() < self.samples.len() {
            self.step(stage).await?;
        }
        Ok(())
    }

    fn ended(&self) -> usize {
        self.samples.iter().filter(|sample| self.has_ended(sample)).count()
    }

    fn has_ended(&self, sample: &Sample) -> bool {
        let state = self.states.get(&sample.request_id);
        let amended = sample.upstream != Upstream::Amends || self.acted.contains(&sample.request_id);
        let reached = state.is_some_and(|state| {
            state.is_final() || (amended && matches!(state, State::Returned | State::Failed))
        });
        reached && (!sample.account || self.accounts.contains(&sample.request_id))
    }

    /// One look at the feed, and what upstream does about it.
    async fn step(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        stage.revive()?;
        let path = format!("/v1/events?after={}&limit=200&wait=1", self.cursor);
        let Some((200, page)) = self.call(Method::Get, &path, None).await else {
            // The daemon is on its way up.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Ok(());
        };
        for event in page["events"].as_array().into_iter().flatten() {
            self.hear(event);
        }
        self.cursor = page["next"].as_i64().unwrap_or(self.cursor);
        for at in 0..self.samples.len() {
            self.act(at, stage).await?;
        }
        self.draw();
        Ok(())
    }

    fn hear(&mut self, event: &Value) {
        let Some(id) = event["request_id"].as_str() else { return };
        if event["milestone"] == "account_created" {
            self.accounts.push(id.to_owned());
        }
        if let Some(state) = event["to"].as_str().and_then(State::parse) {
            self.states.insert(id.to_owned(), state);
            if let Some(sample) = self.samples.iter().find(|sample| sample.request_id == id)
                && (state.is_final() || matches!(state, State::Returned | State::Failed))
            {
                self.say(sample, state);
            }
        }
    }

    fn say(&self, sample: &Sample, state: State) {
        if self.out.json {
            return;
        }
        let lang = self.out.lang;
        let mark = if state == sample.expected { self.out.good("✓") } else { self.out.dim("…") };
        let what = lang.pick(&sample.zh, &sample.en);
        let line = format!(
            "{mark} {:<18} {:<13} {:<18} {what}",
            sample.request_id,
            sample.system,
            lang.pick(state.zh(), state.as_str())
        );
        if std::io::stderr().is_terminal() {
            self.screen.println(line).ok();
        } else {
            self.out.line(line);
        }
    }

    /// What upstream does to a sample, once, when its time has come.
    async fn act(&mut self, at: usize, stage: &mut Stage) -> anyhow::Result<()> {
        let sample = &self.samples[at];
        let id = sample.request_id.clone();
        let state = self.states.get(&id).copied();
        let (path, body) = match (sample.upstream, state) {
            (Upstream::Withdraws, Some(State::Submitted | State::AwaitingCheckIn)) => {
                (format!("/v1/transfers/{id}/withdraw"), json!({"reason": "改变去向"}))
            }
            (Upstream::Amends, Some(State::Returned)) => (
                format!("/v1/transfers/{id}/amend"),
                json!({"destination": {"full_name": "共青团南京大学软件学院委员会"}}),
            ),
            (
                Upstream::Waits
                | Upstream::Repeats
                | Upstream::Withdraws
                | Upstream::Amends
                | Upstream::Restored,
                _,
            ) => {
                return Ok(());
            }
        };
        if self.acted.contains(&id) {
            return Ok(());
        }
        let (status, answer) = self.insist(stage, &path, &body).await?;
        // A repeat of an act that was done before the daemon died is refused by its state, and that is well.
        anyhow::ensure!(matches!(status, 200 | 202 | 409), "{path} was refused with {status}: {answer}");
        self.acted.push(id);
        Ok(())
    }

    fn draw(&self) {
        for (system, line) in &self.systems {
            let mut counts: BTreeMap<State, usize> = BTreeMap::new();
            for sample in self.samples.iter().filter(|sample| sample.system == *system) {
                *counts
                    .entry(self.states.get(&sample.request_id).copied().unwrap_or(State::Queued))
                    .or_default() += 1;
            }
            let cells: Vec<String> = counts
                .iter()
                .map(|(state, count)| format!("{} {count}", self.out.lang.pick(state.zh(), state.as_str())))
                .collect();
            line.set_message(format!("{system:<13} {}", cells.join("  ")));
        }
        self.bar.set_position(self.ended() as u64);
    }

    /// Sends until there is an answer: what was sent twice is one all the same.
    async fn insist(&self, stage: &mut Stage, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
        loop {
            stage.revive()?;
            match self.call(Method::Post, path, Some(body)).await {
                Some((status, answer)) if status < 500 => return Ok((status, answer)),
                Some(_) | None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let headers = vec![
            ("Authorization".to_owned(), format!("Bearer {}", self.client.token.as_str())),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ];
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = WireRequest { method, target: path.to_owned(), headers, body };
        let response = self.client.transport.send(&request).await.ok()?;
        Some((response.status, serde_json::from_slice(&response.body).unwrap_or_default()))
    }

    /// Holds every sample against what was expected of it, prints the table, and returns what was wrong.
    pub(super) async fn judge(&self, report: &Report) -> Vec<String> {
        // Cleared for good: whatever draws later must not bring the lines back.
        self.systems.iter().for_each(|(_, line)| line.finish_and_clear());
        self.bar.finish_and_clear();
        let header = [
            ("申请编号", "request"),
            ("情形", "case"),
            ("系统", "system"),
            ("应为", "expected"),
            ("实为", "is"),
            ("次数", "sent"),
            ("生效", "effective"),
            ("", ""),
        ];
        let mut table = self.out.table(&header);
        let mut failures = Vec::new();
        let mut results = Vec::new();
        for sample in &self.samples {
            let seen = report.transfers.iter().filter(|transfer| transfer.request_id == sample.request_id);
            let (submits, effective) = seen.fold((0, 0), |(submits, effective), transfer| {
                (submits + transfer.submits, effective + transfer.effective)
            });
            let (view, wrong) = self.check(sample, effective).await;
            let state = State::parse(view["state"].as_str().unwrap_or_default());
            let word = |state: State| self.out.lang.pick(state.zh(), state.as_str()).to_owned();
            table.add_row(vec![
                sample.request_id.clone(),
                self.out.lang.pick(&sample.zh, &sample.en).to_owned(),
                view["system"].as_str().unwrap_or_default().to_owned(),
                word(sample.expected),
                state.map(word).unwrap_or_default(),
                submits.to_string(),
                effective.to_string(),
                if wrong.is_empty() { self.out.good("✓") } else { self.out.bad("✗") },
            ]);
            results.push(json!({"request_id": sample.request_id, "system": view["system"], "expected": sample.expected.as_str(),
                "state": view["state"], "submits": submits, "effective": effective, "passed": wrong.is_empty()}));
            failures.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", sample.request_id)));
        }
        failures.extend(report.violations.iter().map(|violation| {
            format!("the profile of {:?} was broken: {}", violation.system, violation.what)
        }));
        let blind: u32 = report.transfers.iter().map(|transfer| transfer.blind_submits).sum();
        if blind > 0 {
            failures.push(format!("{blind} submit(s) were sent again without a query"));
        }
        let passed = results.iter().filter(|result| result["passed"] == true).count();
        if self.out.json {
            self.out.line(json!({"samples": results, "passed": passed, "total": self.samples.len(), "violations": report.violations.len(), "blind_submits": blind}).to_string());
        } else {
            self.out.line(table.to_string());
            let total = self.samples.len();
            let text = if self.out.chinese() {
                format!(
                    "{passed} / {total} 个样例按预期结束；违反对方规范 {} 次；未经查询的重发 {blind} 次",
                    report.violations.len()
                )
            } else {
                format!(
                    "{passed} / {total} samples ended as expected; breaches of a profile: {}; blind resends: {blind}",
                    report.violations.len()
                )
            };
            self.out.line(if failures.is_empty() { self.out.good(&text) } else { self.out.bad(&text) });
        }
        failures
    }

    async fn check(&self, sample: &Sample, effective: u32) -> (Value, Vec<String>) {
        let path = format!("/v1/transfers/{}", sample.request_id);
        let Some((200, view)) = self.call(Method::Get, &path, None).await else {
            return (Value::Null, vec!["the gateway does not show it".into()]);
        };
        let mut wrong = Vec::new();
        if view["state"] != sample.expected.as_str() {
            wrong.push(format!(
                "is {} instead of {} (last error: {})",
                view["state"], sample.expected, view["last_error"]["detail_en"]
            ));
        }
        if view["system"] != sample.system {
            wrong.push(format!("went to {} instead of {}", view["system"], sample.system));
        }
        let due = u32::from(sample.expected != State::Returned);
        if effective != due {
            wrong.push(format!("{effective} transfers in effect instead of {due}"));
        }
        if sample.account && view["milestones"]["account_created_at"].is_null() {
            wrong.push("the account is not on record".into());
        }
        (view, wrong)
    }
}
