//! An operator's switch for a system, and a question to see whether it answers.

use super::{Operator, cleaned, optional};
use crate::alarm::AlarmKind;
use crate::gate::{Change, Pause, Sign, Why};
use crate::intake::IntakeError;
use crate::partner::{Exchange, Partner};
use crate::store::{Author, Deed, Tx, despite_races};
use crate::suspension::note_probe;
use crate::view::{ProbeView, standing};
use jiff::Timestamp;
use league_contract::{Problem, ProblemCode, mask};

/// What came of a probe.
pub struct Probed {
    /// For people and programs.
    pub view: ProbeView,
    /// Whether it serves us.
    pub serves: bool,
}

impl Operator {
    /// Sends nothing to a system, until a time or until it is resumed.
    ///
    /// # Errors
    /// [`IntakeError`]: a reason that is missing, an end that lies in the past.
    pub async fn pause(
        &self,
        partner: &Partner,
        reason: &str,
        until: Option<Timestamp>,
        author: &Author,
    ) -> Result<(), IntakeError> {
        let reason = cleaned(reason)?;
        let now = self.intake.clock.now();
        if until.is_some_and(|until| until <= now) {
            return Err(IntakeError::Refused(vec![Problem::at(
                ProblemCode::FieldInvalid,
                "until",
                "结束时间已过",
                "the pause would be over already: until lies in the past",
            )]));
        }
        // Whoever reads `systems list` knows them by their name alone.
        let by = author.name.trim_start_matches("user:").to_owned();
        let pause = Pause { by, reason, at: now, until };
        despite_races(async || {
            let mut tx = self.intake.store.write("pause").await?;
            let mut row = tx.system(&partner.system).await?;
            row.paused = Some(pause.clone());
            tx.save_system(&partner.system, &row).await?;
            let outcome = until.map_or_else(|| "paused".to_owned(), |until| format!("paused until {until}"));
            self.note(&mut tx, partner, ("pause", &pause.reason, &outcome), author, now).await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    /// Lifts what stops a system; says why it was not spoken to, in Chinese and English.
    ///
    /// # Errors
    /// [`IntakeError`]: a reason that is missing.
    pub async fn resume(
        &self,
        partner: &Partner,
        because: &str,
        author: &Author,
    ) -> Result<[String; 2], IntakeError> {
        let because = cleaned(because)?;
        let (why, reason) = despite_races(|| self.lift(partner, &because, author)).await?;
        self.intake.bells.changed();
        let reason = reason.or_else(|| why.map(|why| why.as_str().to_owned()));
        Ok(match (why, reason) {
            (Some(Why::Maintenance), _) => [
                "维护时段由配置决定，到时自行恢复".to_owned(),
                "maintenance is the configuration's, and ends by itself".to_owned(),
            ],
            (_, Some(reason)) => [format!("已恢复（{reason}）"), format!("resumed ({reason})")],
            (_, None) => ["本来就在运行".to_owned(), "was running already".to_owned()],
        })
    }

    async fn lift(
        &self,
        partner: &Partner,
        because: &str,
        author: &Author,
    ) -> Result<(Option<Why>, Option<String>), IntakeError> {
        let now = self.intake.clock.now();
        let mut tx = self.intake.store.write("resume").await?;
        let mut row = tx.system(&partner.system).await?;
        let (why, _) = standing(partner, &row, now);
        let reason = row.suspended.take().or_else(|| row.paused.take().map(|pause| pause.reason));
        row.paused = None;
        row.credentials = None;
        row.health.clear();
        for kind in [AlarmKind::Suspended, AlarmKind::Breaker, AlarmKind::ClockSkew] {
            tx.clear_alarm(Some(&partner.system), kind, Some("operator: systems resume"), now).await?;
        }
        tx.save_system(&partner.system, &row).await?;
        let outcome = format!("was {}", why.map_or("ready", Why::as_str));
        self.note(&mut tx, partner, ("resume", because, &outcome), author, now).await?;
        tx.commit().await?;
        Ok((why, reason))
    }

    /// Asks, whatever keeps the daemon from it: the operator wants to know. What comes of it counts, for the daemon too.
    ///
    /// # Errors
    /// [`IntakeError`]: a probe that is under way already.
    pub async fn probe(
        &self,
        partner: &Partner,
        reason: &str,
        author: &Author,
    ) -> Result<Probed, IntakeError> {
        let reason = optional(reason)?;
        despite_races(|| self.begin_probe(partner)).await?;
        let exchange = partner.probe(&self.intake.clock).await;
        let (suspended, change) =
            despite_races(|| self.end_probe(partner, &exchange, &reason, author)).await?;
        self.intake.bells.changed();
        let serves = exchange.outcome.sign() == Sign::Answered && exchange.outcome.blocked().is_none();
        Ok(Probed { view: probe_view(partner, &exchange, change, suspended), serves })
    }

    async fn begin_probe(&self, partner: &Partner) -> Result<(), IntakeError> {
        let now = self.intake.clock.now();
        let mut tx = self.intake.store.write("probe").await?;
        let mut row = tx.system(&partner.system).await?;
        if row.health.breaker.probe_ends(now).is_some() {
            return Err(IntakeError::Refused(vec![Problem::new(
                ProblemCode::NotAllowedInState,
                format!("{}：正在探测，请稍后再试", partner.system),
                format!("{}: a probe is under way: try again in a moment", partner.system),
            )]));
        }
        row.health.begin_probe(now, partner.probe_until(now), &partner.limits);
        tx.save_system(&partner.system, &row).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn end_probe(
        &self,
        partner: &Partner,
        exchange: &Exchange,
        reason: &str,
        author: &Author,
    ) -> Result<(bool, Option<Change>), IntakeError> {
        let mut tx = self.intake.store.write("probe's end").await?;
        let mut row = tx.system(&partner.system).await?;
        let ended = exchange.finished_at;
        let change = note_probe(&mut tx, partner, &mut row, &exchange.outcome, ended).await?;
        tx.save_system(&partner.system, &row).await?;
        self.note(&mut tx, partner, ("probe", reason, exchange.outcome.word()), author, ended).await?;
        tx.commit().await?;
        Ok((row.suspended.is_some(), change))
    }

    async fn note(
        &self,
        tx: &mut Tx,
        partner: &Partner,
        (act, reason, outcome): (&'static str, &str, &str),
        author: &Author,
        at: Timestamp,
    ) -> Result<(), IntakeError> {
        let subject = format!("system:{}", partner.system);
        tx.audit(&self.intake.sealer, Deed { author, act, subject, reason, outcome, at }).await?;
        Ok(())
    }
}

fn probe_view(partner: &Partner, exchange: &Exchange, change: Option<Change>, suspended: bool) -> ProbeView {
    let (code, error) = exchange.outcome.told();
    let took = exchange.finished_at.duration_since(exchange.started_at).as_millis();
    ProbeView {
        system: partner.system.to_string(),
        operation: exchange.operation.as_str(),
        outcome: exchange.outcome.word(),
        code,
        // Nobody is asked about, but what comes back is a stranger's text.
        error: error.map(|text| mask::digits(&text)),
        milliseconds: i64::try_from(took).unwrap_or(i64::MAX),
        breaker: change.map(|change| match change {
            Change::Opened => "opened",
            Change::Closed => "closed",
        }),
        suspended,
    }
}
