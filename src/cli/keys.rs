//! `keys`: keys that seal personal data.

use super::{Context, Done, Failure, output, session_author};
use crate::app::App;
use crate::lifecycle::Signals;
use crate::rotation::Rotated;
use crate::store::{Author, Deed, Walk};
use crate::webhook::Secret;
use clap::Subcommand;
use std::collections::BTreeMap;

#[derive(Subcommand, Debug)]
pub(super) enum KeysCommand {
    /// Print a fresh key for privacy.keys (or, without an id, for privacy.index_key)
    Generate {
        /// The key's id, kept with every value that it seals
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// A secret for a webhook instead: both sides get it
        #[arg(long, conflicts_with = "id")]
        webhook: bool,
    },
    /// How much is sealed with each key: one that seals nothing any more may be taken out
    Status,
    /// Seal everything anew with the first key; daemons may run meanwhile, and it may be stopped and taken up again
    Rotate,
}

pub(super) async fn run(context: &Context, command: KeysCommand) -> Done {
    match command {
        KeysCommand::Generate { id, webhook } => generate(context, id, webhook),
        KeysCommand::Status => status(context).await,
        KeysCommand::Rotate => rotate(context).await,
    }
}

fn generate(context: &Context, id: Option<String>, webhook: bool) -> Done {
    let key = crate::seal::generate_key()?;
    let text = match id {
        Some(id)
            if id.is_empty()
                || id.len() > 32
                || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') =>
        {
            return Err(Failure::Usage("--id: 1 to 32 letters, digits, - or _".into()));
        }
        Some(id) => format!("{id}:{}", key.as_str()),
        None if webhook => Secret::written(&key).to_string(),
        None => key.to_string(),
    };
    if context.out.json {
        context.out.value(&serde_json::json!({"key": text}))
    } else {
        context.out.line(text);
        Ok(())
    }
}

/// One key, and how much is sealed with it.
#[derive(serde::Serialize)]
struct KeyView {
    key: String,
    values: u64,
    /// `seals`, `opens`, `missing`.
    state: &'static str,
}

async fn status(context: &Context) -> Done {
    let app = context.app().await?;
    let rotation = app.rotation();
    let bar = output::bar(rotation.extent().await?);
    let mut found: BTreeMap<String, u64> = app.sealer.key_ids().map(|id| (id.to_owned(), 0)).collect();
    let mut next = Some(Walk::default());
    while let Some(walk) = next {
        let Rotated { found: more, passed, next: then, .. } = rotation.look(walk).await?;
        for (id, count) in more {
            *found.entry(id).or_default() += count;
        }
        bar.inc(passed);
        next = then;
    }
    bar.finish_and_clear();
    let view = |(key, values): (String, u64)| {
        let state = match (app.sealer.seals_with(&key), app.sealer.has_key(&key)) {
            (true, _) => "seals",
            (false, true) => "opens",
            (false, false) => "missing",
        };
        KeyView { key, values, state }
    };
    let views: Vec<KeyView> = found.into_iter().map(view).collect();
    let out = context.out;
    out.rows(&views, &[("密钥", "key"), ("已加密数据", "values"), ("说明", "")], |view| {
        let (zh, en) = match (view.state, view.values) {
            ("seals", _) => ("用于加密", "seals"),
            ("opens", 0) => ("已无数据使用，可从配置中移除", "seals nothing any more: it may be taken out"),
            ("opens", _) => ("仅用于解密，可执行 keys rotate", "opens only: `keys rotate` seals anew"),
            _ => ("配置中缺少此密钥，数据无法打开", "is not among privacy.keys: this can't be opened"),
        };
        vec![view.key.clone(), view.values.to_string(), out.lang.pick(zh, en).to_owned()]
    })?;
    let missing: u64 = views.iter().filter(|view| view.state == "missing").map(|view| view.values).sum();
    if missing > 0 {
        return Err(Failure::Failed(anyhow::anyhow!(match out.chinese() {
            true => format!("{missing} 项数据的密钥不在 privacy.keys 中，请放回第一个之后"),
            false => format!(
                "{missing} value(s) under keys that are not among privacy.keys: put those back behind the first"
            ),
        })));
    }
    Ok(())
}

async fn rotate(context: &Context) -> Done {
    let app = context.app().await?;
    let mut signals = Signals::catch()?;
    let author = session_author();
    let first = app.sealer.key_ids().next().unwrap_or_default().to_owned();
    let rotation = app.rotation();
    let bar = output::bar(rotation.extent().await?);
    note(&app, &author, &first, "begun").await?;
    let (mut resealed, mut damaged, mut missing) = (0, 0, 0);
    let mut next = Some(Walk::default());
    while let Some(walk) = next {
        let step = tokio::select! {
            biased;
            () = signals.next() => break,
            step = rotation.step(walk) => step?,
        };
        resealed += step.resealed;
        damaged += step.damaged;
        missing +=
            step.found.iter().filter(|(id, _)| !app.sealer.has_key(id)).map(|(_, many)| many).sum::<u64>();
        bar.inc(step.passed);
        next = step.next;
    }
    bar.finish_and_clear();
    let stopped = next.is_some();
    let ended = if stopped { "stopped" } else { "ended" };
    note(
        &app,
        &author,
        &first,
        &format!("{ended}: {resealed} sealed anew, {damaged} damaged, {missing} under a missing key"),
    )
    .await?;
    app.store.empty_log().await?;
    app.store.close().await;
    let out = context.out;
    if out.json {
        out.value(&serde_json::json!({
            "key": first, "resealed": resealed, "damaged": damaged, "missing": missing, "stopped": stopped,
        }))?;
    } else {
        out.line(match out.chinese() {
            true => format!("已用 {first} 重新加密 {resealed} 项"),
            false => format!("{resealed} value(s) sealed anew with {first}"),
        });
    }
    if stopped {
        let text = out.lang.pick("已中断，可随时再次执行", "stopped: run it again to go on");
        return Err(Failure::Failed(anyhow::anyhow!(text.to_owned())));
    }
    if damaged + missing > 0 {
        return Err(Failure::Failed(anyhow::anyhow!(match out.chinese() {
            true => format!("{damaged} 项损坏，{missing} 项的密钥不在配置中：保持原样"),
            false => format!(
                "{damaged} damaged, {missing} under a key that is not configured: they stay as they are"
            ),
        })));
    }
    Ok(())
}

async fn note(app: &App, author: &Author, key: &str, outcome: &str) -> Done {
    let subject = format!("key:{key}");
    let deed = Deed { author, act: "rotate_keys", subject, reason: "", outcome, at: app.clock.now() };
    let mut tx = app.store.write("rotate keys").await?;
    tx.audit(&app.sealer, deed).await?;
    tx.commit().await?;
    Ok(())
}
