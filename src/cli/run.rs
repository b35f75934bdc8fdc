//! `run`: the daemon.

use super::{Context, Done, schema};
use crate::api::Faces;
use crate::app::{App, Listening};
use crate::clock::Clock;
use crate::lifecycle::{Ended, Signals};
use crate::store::{SchemaState, StoreError};
use crate::supervised;
use crate::telemetry::{self, LogFormat};
use clap::Args;

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// The form of log lines
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What is logged, in the form of RUST_LOG
    #[arg(long, env = "LEAGUE_GATEWAY_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

pub(super) async fn run(context: &Context, args: RunArgs) -> Done {
    let settings = context.settings()?;
    telemetry::log(args.log_format, &args.log, context.out.color);
    let grace = settings.shutdown_grace;
    let mut signals = Signals::catch()?;
    let app = App::open(settings, Clock::Wall).await?;
    // A new database is made, another schema refused before anything is touched.
    if app.store.schema().await? != SchemaState::Empty {
        app.store.require_current().await.map_err(schema)?;
    }
    let daemon = app.start(telemetry::count()).await.map_err(owned)?;
    let mut said = Vec::new();
    for Listening { url, faces, .. } in &daemon.listening {
        let for_whom = if *faces == Faces::ALL { String::new() } else { format!(" for {faces}") };
        // Upstream's own line stands alone, whoever else is served there.
        context.out.line(format!("listening on {url}"));
        said.push(format!("{url}{for_whom}"));
    }
    supervised::ready(&format!("listening on {}", said.join("; ")));
    // Not one of the daemon's parts: a stop does not wait for it.
    tokio::spawn(supervised::alive(Clock::Wall));
    let stop = daemon.lifecycle.stop.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        supervised::stopping();
    });
    let ended = daemon.lifecycle.until_signal(&mut signals, grace).await;
    app.store.close().await;
    match ended {
        Ended::Clean => tracing::info!("stopped: everything in flight is settled"),
        Ended::Failed => {
            return Err(
                anyhow::anyhow!("a part of the daemon failed, so it stopped: the log says which").into()
            );
        }
        Ended::Hard => tracing::warn!(
            "stopped before everything in flight was settled: it is taken back at the next start"
        ),
    }
    Ok(())
}

/// A database that another daemon runs on, or a schema that does not fit, is the operator's to mend.
fn owned(error: anyhow::Error) -> super::Failure {
    match error.downcast::<StoreError>() {
        Ok(StoreError::Owned(path)) => super::Failure::Refused(StoreError::Owned(path).to_string()),
        Ok(error) => schema(error),
        Err(error) => super::Failure::Failed(error),
    }
}
