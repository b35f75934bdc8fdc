//! `keys`: keys that seal personal data.

use super::{Context, Done, Failure};
use crate::webhook::Secret;
use clap::Subcommand;

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
}

pub(super) fn run(context: &Context, command: KeysCommand) -> Done {
    let KeysCommand::Generate { id, webhook } = command;
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
