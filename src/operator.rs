//! What an operator does to one transfer: each act says what it did, or why not, and stands in the audit log and the
//! transfer's timeline, in the transaction that does it.

mod alarms;
mod bulk;
mod callbacks;
mod systems;
mod unmask;

pub use bulk::{BulkView, FASTEST, MOST_COUNTED, PREVIEW_PAGES, Preview, Turn, USUAL};
pub use callbacks::Reapplied;
pub use systems::Probed;

use crate::intake::{Intake, IntakeError, known, not_allowed};
use crate::store::{Author, Deed, StoreError, Stored, Tx, despite_races};
use crate::transfer::{Advance, Cause, Entry, Event, Facts, Held, Line, State, Verdict, advance};
use jiff::Timestamp;
use league_contract::{Problem, ProblemCode, RequestId, mask, text};

/// The longest reason, in characters.
const REASON: usize = 200;

/// What an operator can do to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Again, and now: send what failed or waits, ask about what is open.
    Retry,
    /// It is not claimed until it is released.
    Hold,
    /// No longer held.
    Release,
    /// What failed is given up for good.
    Close,
    /// Take it back; where a partner may have it, by asking the partner.
    Withdraw,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 5] = [Self::Retry, Self::Hold, Self::Release, Self::Close, Self::Withdraw];

    /// The word in paths, on the command line and in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Close => "close",
            Self::Withdraw => "withdraw",
        }
    }

    /// The act of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == word)
    }

    const fn zh(self) -> &'static str {
        match self {
            Self::Retry => "重试",
            Self::Hold => "挂起",
            Self::Release => "放行",
            Self::Close => "关闭",
            Self::Withdraw => "撤回",
        }
    }

    /// As it stands in "can't be …".
    const fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Hold => "held",
            Self::Release => "released",
            Self::Close => "closed",
            Self::Withdraw => "withdrawn",
        }
    }

    /// The note in the timeline.
    const fn note(self) -> &'static str {
        match self {
            Self::Retry => "operator_retry",
            Self::Hold => "operator_hold",
            Self::Release => "operator_release",
            Self::Close => "operator_close",
            Self::Withdraw => "operator_withdraw",
        }
    }
}

/// What an act came to.
#[derive(Debug, Clone)]
pub struct Acted {
    /// The transfer after it.
    pub stored: Stored,
    /// What was done, in Chinese and English.
    pub did: [String; 2],
}

/// What an act does, before it is written.
struct Planned {
    step: Advance,
    did: [String; 2],
}

/// Why somebody acts: a text that the audit log can hold, and that many may read. What looks like an ID number or a phone number is starred out.
///
/// # Errors
/// `field_invalid`: it says nothing, or too much.
pub fn reason(text: &str) -> Result<String, Problem> {
    text::clean(text, 1, REASON).map(|text| mask::digits(&text)).map_err(|_| {
        Problem::at(
            ProblemCode::FieldInvalid,
            "reason",
            format!("请填写原因（1 至 {REASON} 个字符）"),
            format!("give a reason of 1 to {REASON} characters"),
        )
    })
}

/// Acts for operators. Cheap to clone.
#[derive(Clone)]
pub struct Operator {
    /// Taking back is upstream's act, too.
    pub intake: Intake,
}

impl Operator {
    /// Does one act on one transfer.
    ///
    /// # Errors
    /// [`IntakeError`]: why it can't be done; nothing is changed then, and nothing stands in the audit log.
    pub async fn act(
        &self,
        request_id: &RequestId,
        act: Act,
        reason: &str,
        author: &Author,
    ) -> Result<Acted, IntakeError> {
        let reason = cleaned(reason)?;
        let acted = despite_races(|| self.once(request_id, act, &reason, author)).await?;
        self.intake.bells.changed();
        Ok(acted)
    }

    async fn once(
        &self,
        request_id: &RequestId,
        act: Act,
        reason: &str,
        author: &Author,
    ) -> Result<Acted, IntakeError> {
        let mut tx = self.intake.store.write(act.as_str()).await?;
        let acted = self.act_in(&mut tx, request_id, act, (reason, author)).await?;
        tx.commit().await?;
        Ok(acted)
    }

    /// One act, in the caller's transaction. What is refused has written nothing.
    async fn act_in(
        &self,
        tx: &mut Tx,
        request_id: &RequestId,
        act: Act,
        (reason, author): (&str, &Author),
    ) -> Result<Acted, IntakeError> {
        let found = known(tx.transfer(request_id).await?, request_id)?;
        if found.erased() {
            return Err(because(
                &found.entry,
                "早已结束，个人信息已按保留期限清除，不能再操作",
                "ended long ago and its personal data was erased: nothing can be done with it",
            ));
        }
        // It is shown to many: it names nobody.
        let transfer = self.intake.sealer.open_transfer(request_id, &found.document_sealed)?;
        let reason = transfer.redact(reason);
        let now = self.intake.clock.now();
        let did = if act == Act::Withdraw {
            may_be_asked(&found.entry)?;
            self.withdraw(tx, &found, &reason).await?
        } else {
            let Planned { mut step, did } = self.plan(&found.entry, act, &reason, author, now)?;
            let text = format!("{}: {reason} ({})", author.name, did[1]);
            step.lines.push(Line::Note { code: act.note(), text });
            step.entry.updated_at = now;
            tx.save(&step, false, Cause::Operator, now).await?;
            did
        };
        let subject = format!("transfer:{request_id}");
        let deed = Deed { author, act: act.as_str(), subject, reason: &reason, outcome: &did[1], at: now };
        tx.audit(&self.intake.sealer, deed).await?;
        self.intake.tell_act(tx, request_id, ("operator's act", act.as_str()), &author.name);
        let stored = tx.transfer_by_id(found.entry.id).await?.ok_or(StoreError::LeaseLost(found.entry.id))?;
        Ok(Acted { stored, did })
    }

    async fn withdraw(&self, tx: &mut Tx, found: &Stored, reason: &str) -> Result<[String; 2], IntakeError> {
        let wished = found.entry.withdrawal.is_some();
        let stored = self.intake.take_back(tx, found.clone(), reason, Cause::Operator).await?;
        let say = |zh: &str, en: &str| [zh.to_owned(), en.to_owned()];
        Ok(if found.entry.state == State::Withdrawn {
            say("此前已撤回，未作改动", "it had been withdrawn before; nothing was changed")
        } else if stored.entry.state == State::Withdrawn {
            say("已撤回", "withdrawn")
        } else if wished {
            say(
                "此前已请求撤回，正等待对方答复",
                "its withdrawal had been asked for before, and is waited for",
            )
        } else {
            say("已请求对方撤回，以对方答复为准", "the partner is asked to give it back: its answer decides")
        })
    }

    fn plan(
        &self,
        entry: &Entry,
        act: Act,
        reason: &str,
        author: &Author,
        now: Timestamp,
    ) -> Result<Planned, IntakeError> {
        match act {
            Act::Retry => self.retry(entry, now),
            Act::Hold => hold(entry, reason, author, now),
            Act::Release => release(entry),
            Act::Close => self.occur(entry, Event::Closed, act, now, ["已关闭，不再处理", "closed for good"]),
            Act::Withdraw => Err(refused(entry, act)),
        }
    }

    /// What failed is sent again; what waits is sent, or asked about, now.
    fn retry(&self, entry: &Entry, now: Timestamp) -> Result<Planned, IntakeError> {
        if entry.held.is_some() {
            return Err(held(entry));
        }
        match entry.state {
            State::Failed => {
                let did = ["已重新排队，立即发送", "queued again, and sent now"];
                self.occur(entry, Event::Retried, Act::Retry, now, did)
            }
            State::Queued | State::Unconfirmed | State::Submitted | State::AwaitingCheckIn
                if entry.due_at.is_some_and(|due| due <= now) =>
            {
                Err(because(
                    entry,
                    "已经到期，正等待处理，无需重试；请看所属系统是否可用（systems list）",
                    "is due already and waits for its turn: see `systems list` for what stands before it",
                ))
            }
            State::Queued => Ok(now_due(entry, now, ["不再等待，立即发送", "sent now instead of later"])),
            State::Unconfirmed | State::Submitted | State::AwaitingCheckIn => {
                Ok(now_due(entry, now, ["立即向对方系统查询", "the partner is asked now how it stands"]))
            }
            State::Sending => {
                Err(because(entry, "正在发送，请等待结果", "is being sent: wait for the outcome"))
            }
            State::Returned => Err(because(
                entry,
                "数据有误，须由上游修改后再发送（amend）",
                "has data at fault: upstream must amend it",
            )),
            State::Completed | State::Rejected | State::Overdue | State::Withdrawn => {
                Err(refused(entry, Act::Retry))
            }
        }
    }

    /// An event of the transition table.
    fn occur(
        &self,
        entry: &Entry,
        event: Event,
        act: Act,
        now: Timestamp,
        did: [&str; 2],
    ) -> Result<Planned, IntakeError> {
        let Some(partner) = self.intake.partners.get(&entry.system) else { return Err(refused(entry, act)) };
        let step = advance(partner.policy.following, entry, Some(event), Facts::default(), now);
        match step.verdict {
            Verdict::To(_) => Ok(Planned { step, did: did.map(str::to_owned) }),
            Verdict::Stays | Verdict::Conflict => Err(refused(entry, act)),
        }
    }
}

/// The same as a refusal.
fn cleaned(reason: &str) -> Result<String, IntakeError> {
    self::reason(reason).map_err(|problem| IntakeError::Refused(vec![problem]))
}

/// The reason of an act that may go without one.
fn optional(reason: &str) -> Result<String, IntakeError> {
    if reason.trim().is_empty() { Ok(String::new()) } else { cleaned(reason) }
}

/// Whom a partner may have is given back by the partner, who is asked about nobody that is held.
fn may_be_asked(entry: &Entry) -> Result<(), IntakeError> {
    let asks = matches!(
        entry.state,
        State::Sending | State::Unconfirmed | State::Submitted | State::AwaitingCheckIn
    );
    if asks && entry.held.is_some() { Err(held(entry)) } else { Ok(()) }
}

fn held(entry: &Entry) -> IntakeError {
    because(entry, "已被挂起，请先放行（release）", "is held: release it first")
}

fn hold(entry: &Entry, reason: &str, author: &Author, now: Timestamp) -> Result<Planned, IntakeError> {
    if let Some(held) = &entry.held {
        return Err(because(
            entry,
            &format!("已由 {} 挂起：{}", held.by, held.reason),
            &format!("is held by {} already: {}", held.by, held.reason),
        ));
    }
    if entry.state.is_final() {
        return Err(refused(entry, Act::Hold));
    }
    let held = Held { by: author.name.clone(), reason: reason.to_owned(), at: now };
    let did = if entry.state == State::Sending {
        ["已挂起；正在进行的发送仍会完成", "held; the exchange under way still ends"]
    } else {
        ["已挂起，放行前不再处理", "held: nothing is done with it until it is released"]
    };
    Ok(beside(Entry { held: Some(held), ..entry.clone() }, did))
}

fn release(entry: &Entry) -> Result<Planned, IntakeError> {
    if entry.held.is_none() {
        return Err(because(entry, "没有被挂起", "is not held"));
    }
    Ok(beside(Entry { held: None, ..entry.clone() }, ["已放行", "released"]))
}

/// A change beside the state.
fn beside(entry: Entry, did: [&str; 2]) -> Planned {
    let step = Advance { entry, lines: Vec::new(), verdict: Verdict::Stays };
    Planned { step, did: did.map(str::to_owned) }
}

fn now_due(entry: &Entry, now: Timestamp, did: [&str; 2]) -> Planned {
    beside(Entry { due_at: Some(now), ..entry.clone() }, did)
}

/// The state does not allow it.
fn refused(entry: &Entry, act: Act) -> IntakeError {
    not_allowed(entry, act.zh(), act.done())
}

/// Something else stands in the way, and what to do.
fn because(entry: &Entry, zh: &str, en: &str) -> IntakeError {
    IntakeError::Refused(vec![Problem::new(
        ProblemCode::NotAllowedInState,
        format!("申请 {} {zh}", entry.request_id),
        format!("{} {en}", entry.request_id),
    )])
}
