//! `doctor`: walks everything that a gateway stands on and says what to mend. It changes nothing, and works beside a daemon.

mod certificates;
mod here;
mod partners;
mod report;

use super::{Context, Done, Failure};
use crate::app::{REGISTRATIONS, use_provider};
use crate::seal::Sealer;
use crate::settings::{self, Settings};
use clap::Args;
use report::{Report, Section};

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Leave the partners out
    #[arg(long)]
    offline: bool,
}

pub(super) async fn run(context: &Context, args: DoctorArgs) -> Done {
    let mut report = Report::default();
    match settings::load(&context.global.config, &REGISTRATIONS) {
        Err(problems) => {
            for problem in problems {
                let mend = ["改正后再次执行 doctor".into(), "mend it, then run doctor again".into()];
                let said = problem.to_string();
                report.bad(Section::Configuration, problem.key, [said.clone(), said], mend);
            }
        }
        Ok(settings) => walk(&mut report, settings, args.offline).await,
    }
    report.show(context.out)?;
    match report.failed() {
        0 => Ok(()),
        many => Err(Failure::Failed(anyhow::anyhow!(match context.out.chinese() {
            true => format!("{many} 项有问题"),
            false => format!("{many} thing(s) to mend"),
        }))),
    }
}

/// Each by itself: what one can't be looked at for does not hide the others.
async fn walk(report: &mut Report, settings: Settings, offline: bool) {
    report.good(Section::Configuration, "settings", ["配置有效".into(), "valid".into()]);
    use_provider();
    here::files(report, &settings);
    certificates::ours(report, &settings);
    let store = here::open(report, &settings).await;
    let sealer = Sealer::new(&settings.privacy_keys, &settings.index_key).map_err(|error| {
        let mend = [
            "检查 privacy.keys 与 privacy.index_key".into(),
            "look at privacy.keys and privacy.index_key".into(),
        ];
        report.bad(Section::Keys, "privacy", [error.to_string(), error.to_string()], mend);
    });
    if let (Ok(sealer), Some(store)) = (&sealer, &store) {
        here::database(report, &settings, store, sealer).await;
    }
    here::directory(report, &settings);
    if let (Ok(sealer), false) = (&sealer, offline) {
        partners::all(report, &settings, sealer, store.as_ref()).await;
    }
    if let Some(store) = store {
        store.close().await;
    }
}
