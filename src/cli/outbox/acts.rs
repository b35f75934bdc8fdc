//! `outbox retry|hold|release|close|withdraw`: acts on transfers, each with what it did or why not.

use super::super::{Context, Done, Failure};
use crate::intake::IntakeError;
use crate::operator::{Act, Acted};
use crate::view::TransferView;
use clap::Args;
use league_contract::RequestId;

#[derive(Args, Debug)]
pub(in crate::cli) struct ActArgs {
    /// Upstream's keys
    #[arg(required = true, value_name = "REQUEST_ID")]
    request_ids: Vec<String>,
    /// Why: it stands in the timeline and in the audit log
    #[arg(long)]
    reason: String,
    /// Who; by default the user of this session
    #[arg(long, env = "USER", hide_env = true, default_value = "operator", hide_default_value = true)]
    by: String,
}

pub(super) async fn run(context: &Context, act: Act, args: ActArgs) -> Done {
    let app = context.app().await?;
    let operator = app.operator();
    let author = context.author(&args.by)?;
    let out = context.out;
    let (mut refused, mut missing) = (0, 0);
    for word in &args.request_ids {
        let acted = match RequestId::parse(word) {
            Some(request_id) => operator.act(&request_id, act, &args.reason, &author).await,
            None => Err(IntakeError::Refused(vec![])),
        };
        match acted {
            Ok(Acted { stored, did: [zh, en] }) => {
                if out.json {
                    let view = TransferView::new(&stored, &app.routes);
                    out.value(
                        &serde_json::json!({"request_id": word, "did": zh, "did_en": en, "transfer": view}),
                    )?;
                } else {
                    out.line(format!("{word}: {}", out.good(out.lang.pick(&zh, &en))));
                }
            }
            Err(IntakeError::Refused(problems)) => {
                let not_there =
                    problems.iter().all(|problem| problem.code == league_contract::ProblemCode::NotFound);
                *(if not_there { &mut missing } else { &mut refused }) += 1;
                if out.json {
                    out.value(&serde_json::json!({"request_id": word, "problems": problems}))?;
                } else if problems.is_empty() {
                    out.line(format!(
                        "{word}: {}",
                        out.bad(out.lang.pick("没有这份申请", "there is no such transfer"))
                    ));
                }
                for problem in problems.iter().filter(|_| !out.json) {
                    out.line(format!("{word}: {}", out.bad(problem.text(out.chinese()))));
                }
            }
            Err(error @ (IntakeError::Store(_) | IntakeError::Seal(_))) => return Err(error.into()),
        }
    }
    match (refused, missing) {
        (0, 0) => Ok(()),
        (0, _) => {
            Err(Failure::NotFound(out.lang.pick("有申请不存在", "not all of them are there").to_owned()))
        }
        (_, _) => Err(Failure::Refused(match out.chinese() {
            true => format!("{refused} 份未处理，原因见上"),
            false => format!("{refused} were left as they are, for the reasons above"),
        })),
    }
}
