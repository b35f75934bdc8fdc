//! `run`: the daemon.

use super::{Context, Done, schema};
use crate::api::Faces;
use crate::app::{App, Listening, REGISTRATIONS, Reloaded};
use crate::clock::Clock;
use crate::lifecycle::{Ended, Hangups, Signals};
use crate::listener::Certificates;
use crate::reach;
use crate::settings::{self, Settings};
use crate::store::{SchemaState, StoreError};
use crate::supervised;
use crate::telemetry::{self, LogFormat};
use clap::Args;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// What a daemon opens beside callers' connections: to partners, databases, files.
const OWN_FILES: u64 = 300;

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
    // What is taken over later is told beside what was read now.
    let shown = settings::show(&context.global.config).unwrap_or_default();
    telemetry::log(args.log_format, &args.log, context.out.color);
    let grace = settings.shutdown_grace;
    #[cfg(feature = "otlp")]
    let (collector, worker) = (settings.collector.clone(), settings.worker_id.clone());
    let mut signals = Signals::catch()?;
    let hangups = Hangups::catch()?;
    let each = u64::from(settings.http.max_connections);
    let connections: u64 = settings.http.addresses().map(|_| each).sum();
    if let Err(most) = supervised::open_files(connections + OWN_FILES) {
        tracing::warn!(
            most,
            connections,
            "fewer files may be open than there may be connections: raise LimitNOFILE, or lower http.max_connections"
        );
    }
    let app = Arc::new(App::open(settings, Clock::Wall).await?);
    // A new database is made, another schema refused before anything is touched.
    if app.store.schema().await? != SchemaState::Empty {
        app.store.require_current().await.map_err(schema)?;
    }
    #[cfg(feature = "otlp")]
    let exporter =
        collector.map(|to| telemetry::Exporter::start(&to.endpoint, &to.path, &worker)).transpose()?;
    let daemon = app.start(telemetry::count()).await.map_err(owned)?;
    let mut said = Vec::new();
    for Listening { url, faces, certificates } in &daemon.listening {
        let for_whom = if *faces == Faces::ALL { String::new() } else { format!(" for {faces}") };
        warn_of(url, certificates.as_ref());
        // Upstream's own line stands alone, whoever else is served there.
        context.out.line(format!("listening on {url}"));
        said.push(format!("{url}{for_whom}"));
    }
    let status = format!("listening on {}", said.join("; "));
    supervised::ready(&status);
    let read = (context.global.config.clone(), shown);
    tokio::spawn(reload(read, app.clone(), hangups, (status, daemon.listening.clone())));
    // Not one of the daemon's parts: a stop does not wait for it.
    tokio::spawn(supervised::alive(Clock::Wall));
    let stop = daemon.lifecycle.stop.clone();
    tokio::spawn(async move {
        stop.cancelled().await;
        supervised::stopping();
    });
    let ended = daemon.lifecycle.until_signal(&mut signals, grace).await;
    app.store.close().await;
    #[cfg(feature = "otlp")]
    if let Some(exporter) = exporter {
        // A collector that hangs is not waited for by whoever is in a hurry.
        tokio::select! {
            () = exporter.stop() => {}
            () = signals.next() => {}
        }
    }
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

/// Reads the configuration anew whenever it is told to: what a running daemon can take over, it does.
async fn reload(
    (files, shown): (Vec<PathBuf>, String),
    app: Arc<App>,
    mut hangups: Hangups,
    (status, listening): (String, Vec<Listening>),
) {
    loop {
        hangups.next().await;
        supervised::reloading();
        // What is wrong with it leaves everything as it was.
        match (settings::load(&files, &REGISTRATIONS), settings::show(&files)) {
            (Ok(new), Ok(text)) => {
                // What a restart would take over is told until it was: what runs is what was read at the start.
                take_over(&app, &new, changed_keys(&shown, &text)).await;
            }
            (Err(problems), _) | (_, Err(problems)) => {
                for problem in problems {
                    tracing::error!(%problem, "the configuration was not taken over: its old values and secrets stay");
                }
            }
        }
        for Listening { url, certificates, .. } in &listening {
            match certificates.as_ref().map(Certificates::reload) {
                None => {}
                Some(Ok(())) => {
                    tracing::info!(url, "its certificates were read anew");
                    warn_of(url, certificates.as_ref());
                }
                Some(Err(error)) => {
                    tracing::error!(url, %error, "its certificates can't be used: the old ones stay");
                }
            }
        }
        supervised::ready(&status);
    }
}

/// A certificate that has ended is served all the same: whoever calls would rather decide for himself.
fn warn_of(url: &str, certificates: Option<&Certificates>) {
    let Some(file) = certificates.map(Certificates::file) else { return };
    match reach::certificate_in(file) {
        Ok(validity) if validity.holds(Clock::Wall.now()) => {}
        Ok(validity) => tracing::warn!(url, from = %validity.from, until = %validity.until,
            "our certificate is not valid now: callers will refuse it"),
        Err(error) => tracing::warn!(url, error, "our certificate can't be looked into"),
    }
}

async fn take_over(app: &App, new: &Settings, changed: Vec<String>) {
    let done = match app.reload(new).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a suspension could not be lifted: run `systems resume`");
            return;
        }
    };
    for one in done.into_iter().chain(changed.into_iter().map(Reloaded::NeedsRestart)) {
        match one {
            Reloaded::Secrets(system) => {
                tracing::warn!(%system, "its secrets were changed: used from now on")
            }
            Reloaded::WebhookSecrets(webhook) => {
                tracing::warn!(webhook, "its secrets were changed: used from now on");
            }
            Reloaded::Certificates(system) => {
                tracing::warn!(%system, "its certificates were changed: used from now on");
            }
            Reloaded::Refused(system, problem) => {
                tracing::error!(%system, problem, "its secrets or certificates can't be used: the old ones stay");
            }
            Reloaded::NeedsRestart(key) => {
                tracing::warn!(key, "changed in the configuration: restart the daemon to take it over");
            }
        }
    }
    tracing::info!("the configuration was read anew");
}

/// The keys whose shown values differ, but for the places of what was taken over.
fn changed_keys(before: &str, after: &str) -> Vec<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let taken_over =
        ["secrets", "secret_files", "passwords", "password_files", "ca_file", "client_cert", "client_key"];
    let (before, after) = (lines(before), lines(after));
    let keys = before.symmetric_difference(&after).filter_map(|line| line.split(" = ").next());
    let is_taken_over = |key: &&str| {
        let name = key.rsplit('.').next().unwrap_or(key);
        let of_webhook = key.starts_with("webhooks.") && matches!(name, "secrets" | "secret_files");
        of_webhook || key.starts_with("systems.") && taken_over.contains(&name)
    };
    let keys = keys.filter(|key| !is_taken_over(key));
    keys.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A database that another daemon runs on, or a schema that does not fit, is the operator's to mend.
fn owned(error: anyhow::Error) -> super::Failure {
    match error.downcast::<StoreError>() {
        Ok(StoreError::Owned(path)) => super::Failure::Refused(StoreError::Owned(path).to_string()),
        Ok(error) => schema(error),
        Err(error) => super::Failure::Failed(error),
    }
}
