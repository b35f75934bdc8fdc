//! `db`: the database.

use super::{Context, Done, Failure};
use crate::store::{SchemaState, Store, StoreError};
use clap::{Args, Subcommand};

#[derive(Subcommand, Debug)]
pub(super) enum DbCommand {
    /// Make the tables, or bring them up to this program's version
    Migrate,
    /// Copy everything into an empty database, of the same kind or the other; no daemon may run meanwhile
    Copy(CopyArgs),
}

#[derive(Args, Debug)]
pub(super) struct CopyArgs {
    /// Where it is: sqlite://FILE or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    from: String,
    /// Where it is to be, with tables that `db migrate` has made
    #[arg(long, value_name = "URL")]
    to: String,
    /// Read the copy back and compare every row before it becomes visible
    #[arg(long)]
    verify: bool,
}

pub(super) async fn run(context: &Context, command: DbCommand) -> Done {
    match command {
        DbCommand::Migrate => migrate(context).await,
        DbCommand::Copy(args) => copy(context, &args).await,
    }
}

async fn migrate(context: &Context) -> Done {
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

async fn copy(context: &Context, args: &CopyArgs) -> Done {
    for (name, url) in [("--from", &args.from), ("--to", &args.to)] {
        if holds_password(url) {
            return Err(Failure::Usage(format!(
                "{name}: everybody on the machine can read a command line: give the password as PGPASSWORD or in ~/.pgpass"
            )));
        }
        // A file that is missing would be made, and be empty.
        let file = url.strip_prefix("sqlite://").map(|rest| rest.split('?').next().unwrap_or(rest));
        if let Some(file) = file.filter(|file| !std::path::Path::new(file).is_file()) {
            return Err(Failure::Usage(format!("{name}: there is no file {file}")));
        }
    }
    let (from, to) = (Store::connect(&args.from).await?, Store::connect(&args.to).await?);
    let copied = from.copy_to(&to, args.verify).await;
    from.close().await;
    to.close().await;
    let copied = copied.map_err(|error| match error {
        StoreError::Copy(_) | StoreError::Owned(_) => Failure::Refused(error.to_string()),
        StoreError::Schema(_)
        | StoreError::Url(_)
        | StoreError::Database { .. }
        | StoreError::Lock { .. }
        | StoreError::BadRow { .. }
        | StoreError::Closed
        | StoreError::LeaseLost(_) => super::schema(error),
    })?;
    if context.out.json {
        return context.out.value(&serde_json::json!({"tables": copied, "verified": args.verify}));
    }
    for table in &copied {
        context.out.line(format!("{:>10}  {}", table.rows, table.table));
    }
    context.out.line(context.out.lang.pick(
        if args.verify { "已复制，逐行核对一致" } else { "已复制" },
        if args.verify { "copied, and every row compared" } else { "copied" },
    ));
    Ok(())
}

/// Whether a URL has a password in it, as far as text can tell.
fn holds_password(url: &str) -> bool {
    let user = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':')) || url.contains("password=")
}
