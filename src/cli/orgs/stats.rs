//! `orgs stats`: what the local directory holds.

use super::super::{Context, Done, Failure};
use crate::app::routes;
use crate::clock::Clock;
use crate::organization::directory::imported_at;
use jiff::Timestamp;
use league_contract::ProvinceCode;
use league_directory::Directory;
use serde::Serialize;

/// One province's list.
#[derive(Debug, Serialize)]
struct Holding {
    province_code: String,
    name: String,
    system: String,
    organizations: u64,
    imported_at: Timestamp,
    age_seconds: i64,
}

pub(super) fn run(context: &Context) -> Done {
    let settings = context.settings()?;
    let path = &settings.directory;
    if !path.exists() {
        return Err(Failure::NotFound(match context.out.chinese() {
            true => format!("尚无本地组织名录 {}：请运行 orgs import FILE.csv", path.display()),
            false => format!("there is no local directory {} yet: run orgs import FILE.csv", path.display()),
        }));
    }
    let directory = Directory::open(path)
        .map_err(|error| Failure::Failed(anyhow::anyhow!(super::fault(context, path, error))))?;
    let facts = directory.facts();
    let routes = routes(&settings)?;
    let now = Clock::Wall.now();
    let holdings: Vec<Holding> = facts
        .provinces
        .iter()
        .map(|list| {
            let route = ProvinceCode::parse(&list.province).and_then(|code| routes.of(code));
            let imported_at = imported_at(list.imported_at);
            Holding {
                province_code: list.province.clone(),
                name: route.map(|route| route.name.clone()).unwrap_or_default(),
                system: route.map(|route| route.target.as_str().to_owned()).unwrap_or_default(),
                organizations: list.organizations,
                imported_at,
                age_seconds: now.duration_since(imported_at).as_secs().max(0),
            }
        })
        .collect();
    let imported = imported_at(facts.imported_at);
    let out = context.out;
    if out.json {
        return out.value(&serde_json::json!({
            "file": path, "format": facts.format_version, "bytes": facts.file_length, "checksum": format!("{:08x}", facts.checksum),
            "imported_at": imported, "organizations": facts.organizations, "provinces": holdings,
        }));
    }
    let header = [
        ("代码", "code"),
        ("省级单位", "province"),
        ("外部系统", "system"),
        ("组织数", "organizations"),
        ("导入于", "imported"),
    ];
    out.rows(&holdings, &header, |one| {
        vec![
            one.province_code.clone(),
            one.name.clone(),
            one.system.clone(),
            one.organizations.to_string(),
            out.time(one.imported_at),
        ]
    })?;
    out.line(format!(
        "{}  {} {}  {} {}  {} {}",
        path.display(),
        out.lang.pick("组织", "organizations"),
        facts.organizations,
        out.lang.pick("字节", "bytes"),
        facts.file_length,
        out.lang.pick("导入于", "imported"),
        out.time(imported)
    ));
    Ok(())
}
