//! `config`: read everything, contact nothing.

use super::{Context, Done, Failure};
use crate::settings;
use clap::Subcommand;

#[derive(Subcommand, Debug)]
pub(super) enum ConfigCommand {
    /// Read everything and report all problems at once; contacts nothing
    Check,
    /// The merged configuration and where each value comes from, secrets starred out
    Show,
}

pub(super) fn run(context: &Context, command: ConfigCommand) -> Done {
    match command {
        ConfigCommand::Check => {
            let settings = context.settings()?;
            if let Some(path) = &settings.routes_file {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::Usage(format!("routing.file: {}: {error}", path.display())))?;
                crate::routing::Routes::parse(&text)
                    .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            }
            let systems = settings.systems.keys().copied().collect::<Vec<_>>().join(", ");
            if context.out.json {
                return context.out.value(&serde_json::json!({"valid": true, "systems": settings.systems.keys().collect::<Vec<_>>()}));
            }
            context.out.line(format!(
                "{}: {systems}",
                context.out.lang.pick("配置有效", "the configuration is valid")
            ));
            Ok(())
        }
        ConfigCommand::Show => {
            let text = settings::show(&context.global.config).map_err(Failure::Config)?;
            context.out.line(text.trim_end());
            Ok(())
        }
    }
}
