//! `tokens`: who may use the HTTP interface.

use super::{Context, Done, Failure, session_author};
use crate::access::{Role, make_token};
use crate::store::{Author, Deed};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use league_contract::text;

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
}

pub(super) async fn run(context: &Context, command: TokensCommand) -> Done {
    let app = context.app().await?;
    let out = context.out;
    let author = session_author();
    match command {
        TokensCommand::Create(args) => {
            let name = text::clean(&args.name, 1, 64)
                .map_err(|_| Failure::Usage("--name: 1 to 64 printable characters".into()))?;
            let roles = args.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ");
            let mut tx = app.store.write("create token").await?;
            let made = make_token(&mut tx, &name, &args.roles, app.clock.now()).await?;
            if made.is_some() {
                let deed = deed(&author, "create_token", &name, &roles, app.clock.now());
                tx.audit(&app.sealer, deed).await?;
            }
            tx.commit().await?;
            let token = made.ok_or_else(|| {
                Failure::Refused(format!("a token named {name} was made before: choose another name"))
            })?;
            if out.json {
                out.value(&serde_json::json!({"token": token.as_str()}))
            } else {
                out.line(token.as_str());
                Ok(())
            }
        }
        TokensCommand::List => {
            let rows = app.store.read("tokens").await?.tokens().await?;
            let rows: Vec<_> = rows
                .iter()
                .map(|row| {
                    serde_json::json!({"name": row.name, "roles": row.roles.split(' ').collect::<Vec<_>>(),
                "created_at": Timestamp::from_millisecond(row.created_at).ok(),
                "revoked_at": row.revoked_at.and_then(|at| Timestamp::from_millisecond(at).ok())})
                })
                .collect();
            out.rows(
                &rows,
                &[("名称", "name"), ("角色", "roles"), ("创建", "created"), ("吊销", "revoked")],
                |row| {
                    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                    let roles = row["roles"].as_array().map(|roles| {
                        roles.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join(" ")
                    });
                    vec![text("name"), roles.unwrap_or_default(), text("created_at"), text("revoked_at")]
                },
            )
        }
        TokensCommand::Revoke { name } => {
            let mut tx = app.store.write("revoke token").await?;
            let revoked = tx.revoke_token(&name, app.clock.now()).await?;
            if revoked {
                tx.audit(&app.sealer, deed(&author, "revoke_token", &name, "revoked", app.clock.now()))
                    .await?;
            }
            tx.commit().await?;
            if !revoked {
                return Err(Failure::NotFound(format!("there is no valid token named {name}")));
            }
            out.line(format!("{name}: {}", out.lang.pick("已吊销", "revoked")));
            Ok(())
        }
    }
}

fn deed<'a>(author: &'a Author, act: &'static str, token: &str, outcome: &'a str, at: Timestamp) -> Deed<'a> {
    Deed { author, act, subject: format!("token:{token}"), reason: "", outcome, at }
}
