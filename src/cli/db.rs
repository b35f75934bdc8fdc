//! `db`: the database.

use super::{Context, Done, Failure};
use crate::store::{SchemaState, Store};
use clap::Subcommand;

#[derive(Subcommand, Debug)]
pub(super) enum DbCommand {
    /// Make the tables, or bring them up to this program's version
    Migrate,
}

pub(super) async fn run(context: &Context, command: DbCommand) -> Done {
    let DbCommand::Migrate = command;
    let settings = context.settings()?;
    let store = Store::connect(&settings.database_url).await?;
    let before = store.schema().await?;
    if let SchemaState::Ahead(_) = before {
        store.require_current().await.map_err(super::schema)?;
    }
    // A daemon at work would meet tables that change under it.
    let _owner = store.own().map_err(|error| Failure::Refused(error.to_string()))?;
    store.migrate().await?;
    store.close().await;
    let done = before != SchemaState::Current;
    if context.out.json {
        return context.out.value(&serde_json::json!({"migrated": done}));
    }
    context.out.line(context.out.lang.pick(
        if done { "数据库已就绪" } else { "数据库已是最新" },
        if done { "the database is ready" } else { "the database was up to date" },
    ));
    Ok(())
}
