//! `orgs`: the organizations of the external systems, and the local directory of them.

mod import;
mod marks;
mod stats;

use super::{Context, Done, Failure};
use crate::app;
use crate::clock::Clock;
use crate::organization::check::{CheckAnswer, Finding, Organizations, Source};
use crate::organization::directory::LocalDirectory;
use crate::partner::Partner;
use crate::seal::Sealer;
use crate::view::{CheckView, SearchPage};
use clap::Subcommand;
use jiff::Timestamp;
use league_contract::document::FULL_NAME_LIMIT;
use league_contract::{EncodeError, Organization, ProvinceCode, text};
use league_directory::{OpenError, Page};
pub(super) use marks::suggestion;
use std::path::Path;
use std::sync::Arc;

#[derive(Subcommand, Debug)]
pub(super) enum OrgsCommand {
    /// Take lists of organizations into the local directory; a daemon that runs serves them at once
    Import(import::ImportArgs),
    /// What the local directory holds
    Stats,
    /// Does an organization of exactly this full name exist? (查询组织全称是否存在)
    Check {
        /// Code, first two digits, or name
        #[arg(long)]
        province: String,
        /// Ask the local directory alone
        #[arg(long)]
        local: bool,
        /// The full name
        name: String,
    },
    /// Search a province's organizations: the local directory, or the system's own list where it holds none
    Search {
        /// Code, first two digits, or name
        #[arg(long)]
        province: String,
        /// Words of the name, in any order; in the local directory also short forms and initials in pinyin
        #[arg(required = true)]
        words: Vec<String>,
        /// At most so many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// How many to pass over
        #[arg(long, default_value_t = 0)]
        offset: u32,
    },
}

pub(super) async fn run(context: &Context, command: OrgsCommand) -> Done {
    match command {
        OrgsCommand::Import(args) => import::run(context, args).await,
        OrgsCommand::Stats => stats::run(context),
        OrgsCommand::Check { province, local, name } => check(context, &province, name.trim(), local).await,
        OrgsCommand::Search { province, words, limit, offset } => {
            let page = Page { offset: offset.into(), limit: limit.into() };
            search(context, &province, words.join(" ").trim(), page).await
        }
    }
}

/// One province's desk: whom to ask. It needs no database.
struct Desk {
    province: ProvinceCode,
    partner: Arc<Partner>,
    organizations: Organizations,
}

impl Desk {
    fn open(context: &Context, province: &str) -> Result<Self, Failure> {
        let settings = context.settings()?;
        let routes = app::routes(&settings)?;
        let code = routes.resolve(province).ok_or_else(|| {
            let unknown = league_contract::document::unknown_province();
            Failure::Usage(unknown.text(context.out.chinese()).to_owned())
        })?;
        let refused = |problem: league_contract::Problem| {
            Failure::Refused(problem.text(context.out.chinese()).to_owned())
        };
        let system = routes.system(code).map_err(refused)?;
        let sealer = Sealer::new(&settings.privacy_keys, &settings.index_key)?;
        let partner = app::partners(&settings, &sealer)?.get(&system).cloned();
        let partner = partner.ok_or_else(|| {
            Failure::Usage(match context.out.chinese() {
                true => format!("配置中没有启用 systems.{system}"),
                false => format!("systems.{system} is not enabled"),
            })
        })?;
        let directory = LocalDirectory::at(settings.directory);
        if let Err(error) = directory.refresh() {
            eprintln!("league-gateway: {}", fault(context, directory.path(), error));
        }
        Ok(Self { province: code, partner, organizations: Organizations::new(directory, Clock::Wall) })
    }
}

/// What is wrong with the directory's file.
fn fault(context: &Context, path: &Path, error: OpenError) -> String {
    let text = if context.out.chinese() { error.zh() } else { format!("{:#}", anyhow::Error::new(error)) };
    format!("{}: {text}", path.display())
}

/// Words that somebody typed, as the HTTP interface takes them.
fn typed(context: &Context, words: &str, longest: usize) -> Result<String, Failure> {
    let clean = text::clean(words, 1, longest).ok().filter(|words| !league_directory::name::is_blank(words));
    clean.ok_or_else(|| {
        Failure::Usage(match context.out.chinese() {
            true => format!("请填写 1 至 {longest} 个字符，不含控制字符"),
            false => format!("give 1 to {longest} printable characters"),
        })
    })
}

async fn check(context: &Context, province: &str, name: &str, local: bool) -> Done {
    let name = typed(context, name, FULL_NAME_LIMIT)?;
    let Desk { province, partner, organizations } = Desk::open(context, province)?;
    let answer = if local {
        let answer = organizations.check_locally(&partner, province, &name).await;
        answer.ok_or_else(|| nothing_local(context, &organizations, province))?
    } else {
        let asked = organizations.ask(&partner, province, &name).await;
        asked.map_err(|error| unfit(context, &error))?
    };
    let (result, text) =
        (answer.result, context.out.lang.pick(&answer.message, &answer.message_en).to_owned());
    if context.out.json {
        context.out.value(&CheckView::new(answer, Clock::Wall.now()))?;
    } else {
        show(context, &answer, &name);
    }
    match result {
        Finding::Exists => Ok(()),
        Finding::NotFound => Err(Failure::NotFound(text)),
        Finding::Ambiguous | Finding::Unsupported => Err(Failure::Refused(text)),
        Finding::Unavailable => Err(Failure::Failed(anyhow::anyhow!(text))),
    }
}

/// A yes in full; with the other results, which may have been meant: the result itself is said as the command's failure.
fn show(context: &Context, answer: &CheckAnswer, typed: &str) {
    let out = context.out;
    if answer.result == Finding::Exists {
        let text = out.lang.pick(&answer.message, &answer.message_en);
        let id = answer.organization_id.as_deref().unwrap_or_default();
        let called = answer.full_name.as_deref().unwrap_or(typed);
        out.line(format!("{}: {id} {called}", out.good(text)));
    }
    let answered = matches!(answer.result, Finding::Exists | Finding::NotFound | Finding::Ambiguous);
    if answered {
        out.line(out.dim(&source(context, answer.source, answer.as_of)));
    }
    if !answer.suggestions.is_empty() {
        out.line(out.lang.pick("您要找的可能是：", "you may have meant:"));
    }
    for one in &answer.suggestions {
        out.line(suggestion(out, one));
    }
    if let Some(imported) = answer.suggestions_as_of.filter(|_| answer.source == Source::System) {
        out.line(out.dim(&source(context, Source::Directory, imported)));
    }
}

async fn search(context: &Context, province: &str, words: &str, page: Page) -> Done {
    let words = typed(context, words, 100)?;
    let Desk { province, partner, organizations } = Desk::open(context, province)?;
    let found = organizations.search(&partner, province, &words, page).await;
    let found = found.map_err(|error| unfit(context, &error))?.ok_or_else(|| {
        Failure::Failed(anyhow::anyhow!(match context.out.chinese() {
            true => format!("{}暂时无法查询，请稍后再试", partner.registration.name_zh),
            false => format!("{} can't be asked now: try again later", partner.registration.name_en),
        }))
    })?;
    let found = SearchPage::new(found, page.offset, Clock::Wall.now());
    if context.out.json {
        return context.out.value(&found);
    }
    let header = [("编号", "id"), ("组织全称", "full name"), ("类型", "kind")];
    context.out.rows(&found.items, &header, |item: &Organization| {
        let kind = item.kind.map(|kind| context.out.lang.pick(kind.zh(), kind.en()).to_owned());
        vec![item.organization_id.clone(), item.full_name.clone(), kind.unwrap_or_default()]
    })?;
    let total = format!("{} {}", context.out.lang.pick("共", "in all:"), found.total);
    let next = found
        .next_offset
        .map(|next| format!("  {} --offset {next}", context.out.lang.pick("下一页：", "next page:")));
    let source = source(context, found.source, found.as_of);
    context.out.line(format!("{total}{}  {}", next.unwrap_or_default(), context.out.dim(&source)));
    Ok(())
}

/// Where an answer comes from, and when it was true.
fn source(context: &Context, source: Source, at: Timestamp) -> String {
    let (zh, en) = match source {
        Source::Directory => ("来源：本地组织名录，导入于", "source: the local directory, imported"),
        Source::System | Source::Cache => ("来源：对方系统，查询于", "source: the system itself, asked"),
    };
    format!("{} {}", context.out.lang.pick(zh, en), context.out.time(at))
}

/// The local directory was asked for, and can't be used or holds nothing for the province.
fn nothing_local(context: &Context, organizations: &Organizations, province: ProvinceCode) -> Failure {
    let path = organizations.directory.path().display();
    let text = match context.out.chinese() {
        true => format!("本地组织名录 {path} 中没有 {province} 的名单：请先运行 orgs import FILE.csv"),
        false => {
            format!("the local directory {path} has no list of {province}: run orgs import FILE.csv first")
        }
    };
    // What is wrong with a file that is there was said when it was opened.
    if organizations.directory.path().exists() && organizations.directory.current().is_none() {
        return Failure::Failed(anyhow::anyhow!(text));
    }
    Failure::Usage(text)
}

/// The system's profile can't carry what was asked for.
fn unfit(context: &Context, error: &EncodeError) -> Failure {
    Failure::Usage(format!(
        "{}: {error}",
        context.out.lang.pick("无法这样查询", "it can't be asked like this")
    ))
}
