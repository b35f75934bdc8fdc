//! `routes`: where transfers go, and why.

use super::{Context, Done, Failure};
use crate::routing::{BUILT_IN, Routes, Target};
use clap::Subcommand;
use serde::Serialize;

#[derive(Subcommand, Debug)]
pub(super) enum RoutesCommand {
    /// All province-level units
    List,
    /// Where one goes and why
    Explain {
        /// Code, first two digits, or name
        province: String,
        /// A full name, to see whether it fits
        full_name: Option<String>,
    },
}

#[derive(Serialize)]
struct RouteRow {
    code: String,
    name: String,
    kind: crate::routing::RouteKind,
    system: String,
}

pub(super) fn run(context: &Context, command: RoutesCommand) -> Done {
    // The built-in routes can be looked at before anything is configured.
    let text = match crate::settings::load(&context.global.config, &crate::app::REGISTRATIONS) {
        Ok(crate::settings::Settings { routes_file: Some(path), .. }) => std::fs::read_to_string(&path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
        Ok(_) => BUILT_IN.to_owned(),
        Err(_) if context.global.config.is_empty() => BUILT_IN.to_owned(),
        Err(problems) => return Err(Failure::Config(problems)),
    };
    let routes = Routes::parse(&text).map_err(|error| Failure::Usage(error.to_string()))?;
    let out = context.out;
    match command {
        RoutesCommand::List => {
            let rows: Vec<RouteRow> = routes
                .iter()
                .map(|route| RouteRow {
                    code: route.code.to_string(),
                    name: route.name.clone(),
                    kind: route.kind,
                    system: route.target.as_str().to_owned(),
                })
                .collect();
            out.rows(&rows, &[("代码", "code"), ("名称", "name"), ("系统", "system")], |row| {
                vec![row.code.clone(), row.name.clone(), row.system.clone()]
            })
        }
        RoutesCommand::Explain { province, full_name } => {
            let unknown = league_contract::document::unknown_province();
            let code = routes
                .resolve(&province)
                .ok_or_else(|| Failure::NotFound(unknown.text(out.chinese()).to_owned()))?;
            let Some(route) = routes.of(code) else {
                return Err(Failure::NotFound(unknown.text(out.chinese()).to_owned()));
            };
            let warning = full_name.as_deref().and_then(|name| routes.mismatch(code, name));
            let registration =
                crate::app::REGISTRATIONS.iter().find(|known| known.system == route.target.as_str());
            let why = match (&route.target, registration) {
                (Target::System(_), Some(system)) => out.lang.pick(system.name_zh, system.name_en).to_owned(),
                (Target::System(system), None) => system.to_string(),
                (Target::Internal | Target::None, _) => match routes.system(code) {
                    Err(problem) => problem.text(out.chinese()).to_owned(),
                    Ok(system) => system.to_string(),
                },
            };
            if out.json {
                return out.value(&serde_json::json!({"code": code, "name": route.name, "kind": route.kind,
                    "system": route.target.as_str(), "warning": warning}));
            }
            out.line(format!("{code} {} → {}", route.name, out.good(route.target.as_str())));
            out.line(format!("  {why}"));
            if route.kind == crate::routing::RouteKind::Unit {
                out.line(out.lang.pick("  按隶属关系而非所在地：该单位为省级单位，下属组织无论在哪个省都走这里。",
                    "  Hierarchy decides, not location: all organizations of this unit go here, wherever they are."));
            }
            if let Some([zh, en]) = warning {
                out.line(out.bad(&format!("  ! {}", out.lang.pick(&zh, &en))));
            }
            Ok(())
        }
    }
}
