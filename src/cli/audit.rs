//! `audit`: who did what, and whether the log is whole.

use super::{Context, Done, Failure};
use clap::Subcommand;

#[derive(Subcommand, Debug)]
pub(super) enum AuditCommand {
    /// What was done, newest first
    List {
        /// Only on this: transfer:ID, system:NAME, token:NAME, alarm:KIND
        #[arg(long)]
        subject: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        /// Continue after a page: its lowest number
        #[arg(long)]
        before: Option<i64>,
    },
    /// Follow the chain of hashes from its beginning: was a row changed, taken out or put elsewhere?
    Verify,
}

pub(super) async fn run(context: &Context, command: AuditCommand) -> Done {
    let app = context.app().await?;
    let out = context.out;
    match command {
        AuditCommand::List { subject, limit, before } => {
            let rows = app.store.read("audit").await?.audit_rows(subject.as_deref(), before, limit).await?;
            let header = [
                ("序号", "no."),
                ("时间", "at"),
                ("操作人", "who"),
                ("来自", "from"),
                ("操作", "act"),
                ("对象", "on what"),
                ("原因", "why"),
                ("结果", "outcome"),
            ];
            out.rows(&rows, &header, |row| {
                vec![
                    row.id.to_string(),
                    out.time(row.at),
                    row.author.clone(),
                    row.origin.clone(),
                    row.act.clone(),
                    row.subject.clone(),
                    row.reason.clone(),
                    row.outcome.clone(),
                ]
            })
        }
        AuditCommand::Verify => {
            let verified = app.store.verify_audit(&app.sealer).await?;
            if out.json {
                out.value(&verified)?;
            } else {
                out.line(format!(
                    "{} {}  {}",
                    out.lang.pick("完好的记录：", "sound rows:"),
                    verified.rows,
                    out.dim(&verified.hash)
                ));
            }
            let Some(broken) = verified.broken else { return Ok(()) };
            let (zh, en) = match broken.how {
                "changed" => ("被改动，或不在原来的位置", "was changed, or does not belong there"),
                "missing" => ("缺失", "is missing"),
                "inserted" => ("是后来插入的", "was put in by somebody else"),
                "end_missing" => ("起的记录缺失（末尾被删）", "and what came after it is missing"),
                _ => ("处的末尾标记不符", "is not where the log says that it ends"),
            };
            Err(Failure::Refused(match out.chinese() {
                true => format!("审计日志不完整：第 {} 条{zh}", broken.row),
                false => format!("the audit log is not whole: row {} {en}", broken.row),
            }))
        }
    }
}
