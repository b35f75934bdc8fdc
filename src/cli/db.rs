//! `db`: the database.

use super::{Context, Done, Failure, session_author};
use crate::app::App;
use crate::clock::Clock;
use crate::retention::Old;
use crate::seal::Sealer;
use crate::store::{CopiedTable, Deed, SchemaState, Store, StoreError};
use clap::{Args, Subcommand};
use jiff::SignedDuration;
use std::path::{Path, PathBuf};

#[derive(Subcommand, Debug)]
pub(super) enum DbCommand {
    /// Make the tables, or bring them up to this program's version
    Migrate,
    /// Copy everything into an empty database, of the same kind or the other; no daemon may run meanwhile
    Copy(CopyArgs),
    /// Write everything, as of now, into a new SQLite file; daemons may run meanwhile
    Backup {
        /// The file, which must not be there yet
        file: PathBuf,
    },
    /// Erase personal data of transfers that ended long ago; what else is known of them stays
    Prune {
        /// Only say how much there is
        #[arg(long)]
        dry_run: bool,
        /// What ended longer ago than this: 90d, 2y; by default privacy.retention
        #[arg(long, value_name = "DURATION", value_parser = super::systems::span)]
        older_than: Option<SignedDuration>,
        /// Why: it stands in the audit log
        #[arg(long, required_unless_present = "dry_run")]
        reason: Option<String>,
    },
    /// Fill an empty database from a backup; what may have happened since is asked about before anything is sent
    Restore {
        /// A file that `db backup` wrote
        file: PathBuf,
    },
    /// Count all transfers anew, after somebody has changed their states by hand in the database
    Recount,
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
        DbCommand::Recount => recount(context).await,
        DbCommand::Backup { file } => backup(context, &file).await,
        DbCommand::Prune { dry_run, older_than, reason } => {
            let why = (!dry_run).then(|| context.reason("--reason", reason.as_deref().unwrap_or_default()));
            prune(context, why.transpose()?, older_than).await
        }
        DbCommand::Restore { file } => restore(context, &file).await,
    }
}

async fn backup(context: &Context, file: &Path) -> Done {
    let app = App::open_existing(context.settings()?, Clock::Wall).await.map_err(super::opened)?;
    // What is about to be migrated can be backed up, too; it may have no audit log yet.
    let schema = app.store.schema().await?;
    if schema == SchemaState::Empty {
        app.store.require_current().await.map_err(super::schema)?;
    }
    let tables = app.store.back_up(file).await.map_err(refused)?;
    if schema == SchemaState::Current {
        let (author, outcome) = (session_author(), outcome(&tables));
        let mut tx = app.store.write("back up").await?;
        tx.audit(&app.sealer, deed(&author, "backup", &outcome, &app)).await?;
        tx.commit().await?;
    }
    app.store.close().await;
    if context.out.json {
        return context.out.value(&serde_json::json!({"file": file, "tables": tables}));
    }
    show(context, &tables);
    let done = context.out.lang.pick("已备份并检查完好", "backed up, and found sound");
    context.out.line(format!("{}: {done}", file.display()));
    Ok(())
}

/// Erases what is old, for a reason; without one it only counts.
async fn prune(context: &Context, why: Option<String>, older_than: Option<SignedDuration>) -> Done {
    let app = context.app().await?;
    let mut retention = app.retention();
    retention.keep = older_than.unwrap_or(retention.keep);
    let now = app.clock.now();
    let old = retention.count(now).await?;
    let mut erased = Old::default();
    let dry_run = why.is_none();
    if let Some(why) = &why {
        let bar = super::output::bar(old.transfers);
        let author = session_author();
        let mut next = Some(0);
        while let Some(after) = next {
            let (step, then) = retention.step(after, (&author, why), now).await?;
            erased += step;
            bar.set_position(erased.transfers);
            next = then;
        }
        bar.finish_and_clear();
        // On SQLite what was erased stands in its log still.
        app.store.empty_log().await?;
    }
    app.store.close().await;
    let told = if dry_run { old } else { erased };
    if context.out.json {
        return context.out.value(&serde_json::json!({
            "before": retention.limit(now), "dry_run": dry_run, "transfers": told.transfers,
            "events": told.events, "refused_rows": told.refused_rows, "bulk_acts": told.bulk_acts,
        }));
    }
    let Old { transfers, events, refused_rows, bulk_acts } = told;
    let before = retention.limit(now).to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(8))).date();
    context.out.line(match (context.out.chinese(), dry_run) {
        (true, true) => format!("{before} 之前结束、将清除个人信息：申请 {transfers}，无主事件 {events}，被拒 intake 行 {refused_rows}，批量操作 {bulk_acts}（试运行，未改动）"),
        (true, false) => format!("已清除 {before} 之前结束的个人信息：申请 {transfers}，无主事件 {events}，被拒 intake 行 {refused_rows}，批量操作 {bulk_acts}"),
        (false, true) => format!("ended before {before}: {transfers} transfers, {events} events of nobody, {refused_rows} refused rows, {bulk_acts} acts on many (dry run: nothing was changed)"),
        (false, false) => format!("erased what ended before {before}: {transfers} transfers, {events} events of nobody, {refused_rows} refused rows, {bulk_acts} acts on many"),
    });
    Ok(())
}

async fn restore(context: &Context, file: &Path) -> Done {
    if !file.is_file() {
        return Err(Failure::NotFound(format!("there is no file {}", file.display())));
    }
    let app = App::open(context.settings()?, Clock::Wall).await?;
    if app.store.schema().await? == SchemaState::Empty {
        app.store.prepare(&app.sealer).await?;
    }
    let author = session_author();
    let subject = format!("from {}", file.display());
    let restored = app.store.restore(file, &app.sealer, deed(&author, "restore", &subject, &app)).await;
    app.store.close().await;
    let restored = restored.map_err(refused)?;
    if context.out.json {
        return context.out.value(&restored);
    }
    show(context, &restored.tables);
    for (count, zh, en) in [
        (
            restored.doubtful,
            "此后可能已发送，先查询再发送",
            "may have been sent since: asked about before they are sent",
        ),
        (restored.open, "对方已受理，查询现状", "the partners have: asked how they stand"),
        (
            restored.left,
            "待人工或上游处理，处理前请先向对方核实",
            "wait for a person or upstream: ask the partner before you act",
        ),
    ] {
        context.out.line(format!("{count:>10}  {}", context.out.lang.pick(zh, en)));
    }
    context.out.line(context.out.lang.pick(
        "已恢复。启动前请看 OPERATIONS.md“Restore”：令牌、暂停与上游需要处理的事项",
        "restored. Before you start a daemon, see Restore in OPERATIONS.md: tokens, pauses, and what upstream must do",
    ));
    Ok(())
}

fn deed<'a>(author: &'a crate::store::Author, act: &'static str, outcome: &'a str, app: &App) -> Deed<'a> {
    Deed { author, act, subject: "database".to_owned(), reason: "", outcome, at: app.clock.now() }
}

fn outcome(tables: &[CopiedTable]) -> String {
    let transfers = tables.iter().find(|table| table.table == "transfers");
    format!("{} transfers", transfers.map_or(0, |table| table.rows))
}

fn show(context: &Context, tables: &[CopiedTable]) {
    for table in tables {
        context.out.line(format!("{:>10}  {}", table.rows, table.table));
    }
}

/// What the store says no to is refused; the rest is as everywhere.
fn refused(error: StoreError) -> Failure {
    match error {
        StoreError::Copy(_) | StoreError::Backup { .. } | StoreError::Owned(_) => {
            Failure::Refused(error.to_string())
        }
        StoreError::Schema(_)
        | StoreError::Url(_)
        | StoreError::Database { .. }
        | StoreError::Moved(_)
        | StoreError::Lock { .. }
        | StoreError::BadRow { .. }
        | StoreError::Closed
        | StoreError::LeaseLost(_) => super::schema(error),
    }
}

async fn migrate(context: &Context) -> Done {
    let settings = context.settings()?;
    let sealer = Sealer::new(&settings.privacy_keys, &settings.index_key)?;
    let store = Store::connect(&settings.database_url).await?;
    let before = store.schema().await?;
    if let SchemaState::Ahead(_) = before {
        store.require_current().await.map_err(super::schema)?;
    }
    // A daemon at work would meet tables that change under it.
    let _owner = store.own().map_err(|error| Failure::Refused(error.to_string()))?;
    store.prepare(&sealer).await?;
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

async fn recount(context: &Context) -> Done {
    let app = context.app().await?;
    let mut tx = app.store.write("recount").await?;
    let mended = tx.recount().await?;
    tx.commit().await?;
    if context.out.json {
        return context.out.value(&serde_json::json!({"mended": mended}));
    }
    context.out.line(context.out.lang.pick(
        if mended { "计数有误，已更正" } else { "计数无误" },
        if mended { "the counts were wrong, and are mended" } else { "the counts were right" },
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
        // Said of the flag, not of the configuration.
        let file = url.strip_prefix("sqlite://").map(|rest| rest.split('?').next().unwrap_or(rest));
        if let Some(file) = file.filter(|file| !std::path::Path::new(file).is_file()) {
            return Err(Failure::Usage(format!("{name}: there is no file {file}")));
        }
    }
    let from = Store::open(&args.from).await.map_err(super::schema)?;
    let to = Store::open(&args.to).await.map_err(super::schema)?;
    let copied = from.copy_to(&to, args.verify).await;
    from.close().await;
    to.close().await;
    let copied = copied.map_err(refused)?;
    if context.out.json {
        return context.out.value(&serde_json::json!({"tables": copied, "verified": args.verify}));
    }
    show(context, &copied);
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
