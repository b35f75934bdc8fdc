//! `tokens`: who may use the HTTP interface.

use super::{Context, Done, Failure, LONGEST_NAME, session_author, visible};
use crate::access::{Role, make_token};
use crate::app::App;
use crate::store::{Deed, StoreError, Tx};
use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Subcommand, Debug)]
pub(super) enum TokensCommand {
    /// Make a token; it is printed once
    Create(CreateArgs),
    /// All tokens, without their values
    List,
    /// Make a token useless, for good
    Revoke {
        /// Its name
        name: String,
        /// Why: it stands in the audit log
        #[arg(long)]
        reason: String,
    },
}

#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    /// Who uses it
    #[arg(long)]
    name: String,
    /// What it may do; repeatable
    #[arg(long = "role", required = true, value_enum)]
    roles: Vec<Role>,
    /// Why: it stands in the audit log
    #[arg(long)]
    reason: Option<String>,
}

pub(super) async fn run(context: &Context, command: TokensCommand) -> Done {
    let app = context.app().await?;
    match command {
        TokensCommand::Create(args) => create(context, &app, &args).await,
        TokensCommand::List => list(context, &app).await,
        TokensCommand::Revoke { name, reason } => revoke(context, &app, &name, &reason).await,
    }
}

async fn create(context: &Context, app: &App, args: &CreateArgs) -> Done {
    let out = context.out;
    let name = visible(&args.name).ok_or_else(|| {
        Failure::Usage(match out.chinese() {
            true => format!("--name：须为 1 至 {LONGEST_NAME} 个可显示的字符，不得含不可见字符"),
            false => format!("--name: 1 to {LONGEST_NAME} printable characters, none of them invisible"),
        })
    })?;
    let why = args.reason.as_deref().map(|why| context.reason("--reason", why)).transpose()?;
    let roles = args.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ");
    let mut tx = app.store.write("create token").await?;
    let made = make_token(&mut tx, &name, &args.roles, app.clock.now()).await?;
    if made.is_some() {
        note(&mut tx, app, ("create_token", why.as_deref().unwrap_or_default()), &name, &roles).await?;
    }
    tx.commit().await?;
    let token = made.ok_or_else(|| {
        Failure::Refused(match out.chinese() {
            true => format!("已有名为 {name} 的令牌，请换一个名称"),
            false => format!("a token named {name} was made before: choose another name"),
        })
    })?;
    if out.json {
        return out.value(&serde_json::json!({"token": token.as_str()}));
    }
    out.line(token.as_str());
    Ok(())
}

async fn list(context: &Context, app: &App) -> Done {
    let rows = app.store.read("tokens").await?.tokens().await?;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            serde_json::json!({"name": row.name, "roles": row.roles.split(' ').collect::<Vec<_>>(),
                "created_at": Timestamp::from_millisecond(row.created_at).ok(),
                "revoked_at": row.revoked_at.and_then(|at| Timestamp::from_millisecond(at).ok())})
        })
        .collect();
    let header = [("名称", "name"), ("角色", "roles"), ("创建", "created"), ("吊销", "revoked")];
    context.out.rows(&rows, &header, |row| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let roles = row["roles"]
            .as_array()
            .map(|roles| roles.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(" "));
        vec![text("name"), roles.unwrap_or_default(), text("created_at"), text("revoked_at")]
    })
}

async fn revoke(context: &Context, app: &App, name: &str, reason: &str) -> Done {
    let out = context.out;
    let reason = context.reason("--reason", reason)?;
    let mut tx = app.store.write("revoke token").await?;
    let revoked = tx.revoke_token(name, app.clock.now()).await?;
    if revoked {
        note(&mut tx, app, ("revoke_token", &reason), name, "revoked").await?;
    }
    tx.commit().await?;
    if !revoked {
        return Err(context.none_called(("没有这个有效的令牌", "there is no such valid token"), name));
    }
    out.line(format!("{name}: {}", out.lang.pick("已吊销", "revoked")));
    Ok(())
}

async fn note(
    tx: &mut Tx,
    app: &App,
    (act, reason): (&'static str, &str),
    token: &str,
    outcome: &str,
) -> Result<(), StoreError> {
    let (author, at) = (session_author(), app.clock.now());
    let deed = Deed { author: &author, act, subject: format!("token:{token}"), reason, outcome, at };
    tx.audit(&app.sealer, deed).await
}
