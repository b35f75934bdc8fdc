//! `doctor`: walks everything that a gateway stands on and says what to mend. It changes nothing, and works beside a daemon.

mod here;
mod partners;
mod report;

use super::{Context, Done, Failure};
use crate::app::{App, REGISTRATIONS};
use crate::clock::Clock;
use crate::settings;
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
        Ok(settings) => {
            report.good(Section::Configuration, "settings", ["配置有效".into(), "valid".into()]);
            here::files(&mut report, &settings);
            if here::is_there(&mut report, &settings) {
                match App::open_existing(settings, Clock::Wall).await {
                    Ok(app) => walk(&mut report, &app, args.offline).await,
                    Err(error) => {
                        let said = format!("{error:#}");
                        let mend = [
                            "检查 database.url、routing.file 与证书文件，数据库服务是否在运行".into(),
                            "look at database.url, routing.file and the certificates; does the database server run?".into(),
                        ];
                        report.bad(Section::Database, "open", [said.clone(), said], mend);
                    }
                }
            }
        }
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

async fn walk(report: &mut Report, app: &App, offline: bool) {
    here::database(report, app).await;
    here::directory(report, app);
    if !offline {
        partners::all(report, app).await;
    }
    app.store.close().await;
}
