//! `fixtures`: recorded exchanges of the adapters, replayed without a network.

use super::{Context, Done, Failure};
use crate::app::REGISTRATIONS;
use clap::{Args, Subcommand};
use league_contract::{Adapter, AdapterConfig, Secret};
use league_replay::{Case, Fixtures, Kind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Subcommand, Debug)]
pub(super) enum FixturesCommand {
    /// All cases
    List(Selection),
    /// One case, with its messages
    Show {
        #[command(flatten)]
        selection: Selection,
    },
    /// Run cases through the adapters; every difference is shown, field by field
    Replay(Selection),
}

#[derive(Args, Debug)]
pub(super) struct Selection {
    /// The cases whose name contains this: `guangdong/submit`
    name: Option<String>,
    /// The folder
    #[arg(long, default_value = "fixtures", value_name = "DIR")]
    dir: PathBuf,
    /// Only this system
    #[arg(long)]
    system: Option<String>,
    /// Only cases with this tag
    #[arg(long)]
    tag: Option<String>,
}

#[derive(Serialize)]
struct CaseView<'a> {
    name: &'a str,
    system: String,
    kind: &'static str,
    title: &'a str,
    codes: &'a [String],
    tags: &'a [String],
}

#[derive(Serialize)]
struct Replayed<'a> {
    name: &'a str,
    passed: bool,
    differences: Vec<league_replay::Difference>,
}

pub(super) fn run(context: &Context, command: FixturesCommand) -> Done {
    match command {
        FixturesCommand::List(selection) => list(context, &selection),
        FixturesCommand::Show { selection } => show(context, &selection),
        FixturesCommand::Replay(selection) => replay(context, &selection),
    }
}

fn load(selection: &Selection) -> Result<(Fixtures, Vec<usize>), Failure> {
    let fixtures =
        league_replay::load(&selection.dir).map_err(|error| Failure::Usage(format!("{error:#}")))?;
    let fits = |case: &Case| {
        selection.name.as_ref().is_none_or(|name| case.name.contains(name.as_str()))
            && selection.system.as_ref().is_none_or(|system| case.system.as_str() == system)
            && selection.tag.as_ref().is_none_or(|tag| case.tags.contains(tag))
    };
    let chosen: Vec<usize> = (0..fixtures.cases.len()).filter(|at| fits(&fixtures.cases[*at])).collect();
    if chosen.is_empty() {
        return Err(Failure::NotFound(format!("no case under {} fits", selection.dir.display())));
    }
    Ok((fixtures, chosen))
}

fn kind(case: &Case) -> &'static str {
    match case.kind {
        Kind::Exchange(_) => "exchange",
        Kind::Callback(_) => "callback",
    }
}

fn list(context: &Context, selection: &Selection) -> Done {
    let (fixtures, chosen) = load(selection)?;
    let chinese = context.out.chinese();
    let views: Vec<CaseView<'_>> = chosen
        .iter()
        .map(|at| &fixtures.cases[*at])
        .map(|case| CaseView {
            name: &case.name,
            system: case.system.to_string(),
            kind: kind(case),
            title: if chinese { &case.title_zh } else { &case.title },
            codes: &case.codes,
            tags: &case.tags,
        })
        .collect();
    context.out.rows(
        &views,
        &[("用例", "case"), ("说明", "title"), ("代码", "codes"), ("标签", "tags")],
        |view| vec![view.name.to_owned(), view.title.to_owned(), view.codes.join(" "), view.tags.join(" ")],
    )?;
    if !context.out.json {
        context.out.line(format!("{} {}", views.len(), context.out.lang.pick("个用例", "cases")));
    }
    Ok(())
}

fn show(context: &Context, selection: &Selection) -> Done {
    let (fixtures, chosen) = load(selection)?;
    for case in chosen.iter().map(|at| &fixtures.cases[*at]) {
        let folder = fixtures.root.join(&case.name);
        context.out.line(context.out.good(&case.name));
        for file in ["case.toml", "request.http", "response.http"] {
            let Ok(bytes) = std::fs::read(folder.join(file)) else { continue };
            context.out.line(context.out.dim(&format!("── {file}")));
            context.out.line(String::from_utf8_lossy(&bytes).trim_end());
        }
    }
    Ok(())
}

fn replay(context: &Context, selection: &Selection) -> Done {
    let (fixtures, chosen) = load(selection)?;
    let adapters = adapters(&fixtures)?;
    let mut failed = 0usize;
    for case in chosen.iter().map(|at| &fixtures.cases[*at]) {
        let adapter = adapters
            .get(case.system.as_str())
            .ok_or_else(|| Failure::Usage(format!("{}: no adapter for {}", case.name, case.system)))?;
        let differences = league_replay::replay(case, adapter.as_ref());
        let replayed = Replayed { name: &case.name, passed: differences.is_empty(), differences };
        failed += usize::from(!replayed.passed);
        if context.out.json {
            context.out.value(&replayed)?;
        } else if !replayed.passed {
            context.out.line(format!("{} {}", context.out.bad("✗"), case.name));
            for difference in &replayed.differences {
                context.out.line(format!("    {difference}"));
            }
        }
    }
    let total = chosen.len();
    if !context.out.json {
        let text = format!("{} / {total} {}", total - failed, context.out.lang.pick("通过", "passed"));
        context.out.line(if failed == 0 { context.out.good(&text) } else { context.out.bad(&text) });
    }
    if failed > 0 { Err(Failure::Refused(format!("{failed} of {total} cases differ"))) } else { Ok(()) }
}

fn adapters(fixtures: &Fixtures) -> Result<BTreeMap<&'static str, Arc<dyn Adapter>>, Failure> {
    let mut adapters = BTreeMap::new();
    for registration in REGISTRATIONS {
        let Some((_, config)) =
            fixtures.configs.iter().find(|(system, _)| system.as_str() == registration.system)
        else {
            continue;
        };
        let config = AdapterConfig {
            base_url: config.base_url.clone(),
            identity: config.identity.clone(),
            secrets: config
                .secrets
                .iter()
                .map(|secret| Secret::new(String::from_utf8_lossy(secret.expose()).into_owned()))
                .collect(),
        };
        let adapter = (registration.build)(config)
            .map_err(|error| Failure::Usage(format!("config.toml: {}.{error}", registration.system)))?;
        adapters.insert(registration.system, adapter);
    }
    Ok(adapters)
}
