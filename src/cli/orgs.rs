//! `orgs`: organizations, asked of the external systems.

use super::{Context, Done, Failure};
use crate::app::App;
use crate::organization::check::{Finding, ask, search};
use crate::partner::Partner;
use clap::Subcommand;
use league_contract::{EncodeError, Organization, ProvinceCode};
use std::sync::Arc;

#[derive(Subcommand, Debug)]
pub(super) enum OrgsCommand {
    /// Does an organization of exactly this full name exist? (查询组织全称是否存在)
    Check {
        /// Code, first two digits, or name
        #[arg(long)]
        province: String,
        /// The full name
        name: String,
    },
    /// Search a system's list
    Search {
        /// Code, first two digits, or name
        #[arg(long)]
        province: String,
        /// Words of the name
        words: String,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
}

pub(super) async fn run(context: &Context, command: OrgsCommand) -> Done {
    let app = App::open(context.settings()?, crate::clock::Clock::Wall).await?;
    match command {
        OrgsCommand::Check { province, name } => {
            let (code, partner) = route(context, &app, &province)?;
            let (answer, _) =
                ask(&partner, &app.clock, code, name.trim()).await.map_err(|error| unfit(context, &error))?;
            if context.out.json {
                context.out.value(&answer)?;
            } else {
                if answer.result == Finding::Exists {
                    let text = context.out.lang.pick(&answer.message, &answer.message_en);
                    let id = answer.organization_id.as_deref().unwrap_or_default();
                    let called = answer.full_name.as_deref().unwrap_or(&name);
                    context.out.line(format!("{}: {id} {called}", context.out.good(text)));
                }
                for suggestion in &answer.suggestions {
                    context.out.line(format!("  ? {} {}", suggestion.organization_id, suggestion.full_name));
                }
            }
            let text = context.out.lang.pick(&answer.message, &answer.message_en).to_owned();
            match answer.result {
                Finding::Exists => Ok(()),
                Finding::NotFound => Err(Failure::NotFound(text)),
                Finding::Ambiguous | Finding::Unsupported => Err(Failure::Refused(text)),
                Finding::Unavailable => Err(Failure::Failed(anyhow::anyhow!(text))),
            }
        }
        OrgsCommand::Search { province, words, limit } => {
            let (code, partner) = route(context, &app, &province)?;
            let page = search(&partner, &app.clock, code, words.trim(), limit).await;
            let page = page.map_err(|error| unfit(context, &error))?;
            let page = page.ok_or_else(|| {
                Failure::Failed(anyhow::anyhow!("{} gave no answer that can be used", partner.system))
            })?;
            let header = [("编号", "id"), ("组织全称", "full name"), ("类型", "kind")];
            context.out.rows(&page.items, &header, |item: &Organization| {
                vec![
                    item.organization_id.clone(),
                    item.full_name.clone(),
                    item.kind
                        .map(|kind| context.out.lang.pick(kind.zh(), kind.en()).to_owned())
                        .unwrap_or_default(),
                ]
            })?;
            if !context.out.json {
                context.out.line(format!("{} {}", context.out.lang.pick("共", "in all:"), page.total));
            }
            Ok(())
        }
    }
}

/// The system's profile can't carry what was asked for.
fn unfit(context: &Context, error: &EncodeError) -> Failure {
    Failure::Usage(format!(
        "{}: {error}",
        context.out.lang.pick("无法这样查询", "it can't be asked like this")
    ))
}

fn route(context: &Context, app: &App, province: &str) -> Result<(ProvinceCode, Arc<Partner>), Failure> {
    let chinese = context.out.chinese();
    let code = app.routes.resolve(province);
    let code = code.ok_or_else(|| {
        Failure::Usage(league_contract::document::unknown_province().text(chinese).to_owned())
    })?;
    let system =
        app.routes.system(code).map_err(|problem| Failure::Refused(problem.text(chinese).to_owned()))?;
    let partner = app.partners.get(&system).cloned();
    partner
        .map(|partner| (code, partner))
        .ok_or_else(|| Failure::Usage(format!("systems.{system} is not enabled")))
}
