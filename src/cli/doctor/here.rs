//! What stands on this machine, and the database.

use super::report::{Report, Section};
use crate::clock::Clock;
use crate::organization::directory::imported_at;
use crate::reach::Place;
use crate::seal::Sealer;
use crate::settings::Settings;
use crate::store::Store;
use jiff::SignedDuration;
use league_directory::Directory;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Below this a disk is as good as full; below that somebody should look.
const FULL: u64 = 200 << 20;
const SCARCE: u64 = 2 << 30;

/// A larger file is not read through: that is `db backup`'s to find out.
const LARGE: u64 = 1 << 30;

/// So long a database server may take to take a connection.
const CONNECTING: Duration = Duration::from_secs(5);

/// Lists of organizations are renewed more often than this.
const OLD_LISTS: SignedDuration = SignedDuration::from_hours(24 * 365);

fn both(text: impl Into<String>) -> [String; 2] {
    let text = text.into();
    [text.clone(), text]
}

/// SQLite's file, where there is one.
fn database_file(settings: &Settings) -> Option<PathBuf> {
    let rest = settings.database_url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(rest.trim_start_matches("//").split('?').next().unwrap_or_default()))
}

/// Who may read the secrets and the database.
pub(super) fn files(report: &mut Report, settings: &Settings) {
    let database = database_file(settings).filter(|file| file.exists());
    for path in settings.secret_files.iter().chain(&database) {
        let name = path.display().to_string();
        match path.metadata() {
            Err(error) => {
                let mend = ["检查路径与权限".into(), "is the path right, may this user read it?".into()];
                report.bad(Section::Files, name, both(error.to_string()), mend);
            }
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                let mode = metadata.permissions().mode() & 0o777;
                let found =
                    [format!("权限 {mode:o}，其他用户可访问"), format!("mode {mode:o}: others may open it")];
                let mend = [format!("chmod 600 {name}"), format!("chmod 600 {name}")];
                report.warn(Section::Files, name, found, mend);
            }
            Ok(_) => report.good(Section::Files, name, ["仅属主可访问".into(), "its owner's alone".into()]),
        }
    }
}

/// The database, if there is one to look into: a look must not make one.
pub(super) async fn open(report: &mut Report, settings: &Settings) -> Option<Store> {
    if let Some(file) = database_file(settings).filter(|file| !file.exists()) {
        let found = [format!("{} 尚不存在", file.display()), format!("there is no {} yet", file.display())];
        let mend = [
            "首次安装：执行 db migrate 或直接 run".into(),
            "a new installation: `db migrate`, or `run`, makes it".into(),
        ];
        report.bad(Section::Database, "file", found, mend);
        return None;
    }
    if let Some((host, port)) = Store::server(&settings.database_url) {
        let place = Place { host, port, tls: false };
        let reached = async { place.connect(&place.resolve().await?, CONNECTING).await };
        if let Err(error) = reached.await {
            let Place { host, port, .. } = &place;
            let found = [
                format!("无法连接 {host}:{port}：{error}"),
                format!("no connection to {host}:{port}: {error}"),
            ];
            let mend = [
                "数据库服务是否在运行？database.url、防火墙是否正确？".into(),
                "does the database server run? database.url, the firewall?".into(),
            ];
            report.bad(Section::Database, "TCP", found, mend);
            return None;
        }
    }
    match Store::open(&settings.database_url).await {
        Ok(store) => Some(store),
        Err(error) => {
            let mend = match database_file(settings) {
                Some(_) => [
                    "检查文件与所在目录的权限（-wal 文件写在旁边），是否为 SQLite 文件".into(),
                    "rights on file and folder (its -wal is written beside it); is it a SQLite file?".into(),
                ],
                None => [
                    "检查 database.url 中的用户与库名，以及密码（PGPASSWORD、~/.pgpass）".into(),
                    "user and database in database.url, the password (PGPASSWORD, ~/.pgpass)".into(),
                ],
            };
            report.bad(Section::Database, "open", both(chain(&error)), mend);
            None
        }
    }
}

/// Reached, of this program's schema, writable, sound, with room; and the keys that it was sealed with.
pub(super) async fn database(report: &mut Report, settings: &Settings, store: &Store, sealer: &Sealer) {
    let clock = Clock::Wall;
    let begun = clock.now();
    if let Err(error) = store.require_current().await {
        let mend = [
            "按提示处理；数据库服务是否在运行？".into(),
            "do what it says; does the database server run?".into(),
        ];
        report.bad(Section::Database, "schema", both(error.to_string()), mend);
        return;
    }
    report.good(
        Section::Database,
        "schema",
        ["可访问，结构为本版本".into(), "reached, and as this version needs it".into()],
    );
    report.took(clock.now().duration_since(begun).as_millis() as i64);
    let begun = clock.now();
    match store.try_write().await {
        Ok(()) => {
            report.good(Section::Database, "write", ["可写".into(), "takes writes".into()]);
            report.took(clock.now().duration_since(begun).as_millis() as i64);
        }
        Err(error) => {
            let mend = [
                "检查磁盘空间、文件与目录权限；PostgreSQL 是否为只读副本".into(),
                "room on the disk, rights on file and folder; on PostgreSQL: is it a replica?".into(),
            ];
            report.bad(Section::Database, "write", both(chain(&error)), mend);
        }
    }
    if let Some(file) = database_file(settings) {
        room(report, &file);
        soundness(report, store, &file).await;
    }
    keys(report, store, sealer).await;
}

fn room(report: &mut Report, file: &Path) {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(disk) = rustix::fs::statvfs(folder) else { return };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = [format!("剩余 {} MiB", free >> 20), format!("{} MiB free", free >> 20)];
    let mend = ["清理或扩大磁盘：写满后不再发送".into(), "make room: on a full disk nothing is sent".into()];
    match free {
        0..FULL => report.bad(Section::Database, "disk", found, mend),
        FULL..SCARCE => report.warn(Section::Database, "disk", found, mend),
        SCARCE.. => report.good(Section::Database, "disk", found),
    }
}

async fn soundness(report: &mut Report, store: &Store, file: &Path) {
    if file.metadata().is_ok_and(|metadata| metadata.len() > LARGE) {
        let found = [
            "文件较大，未逐页检查（db backup 会检查）".into(),
            "large, not read through (`db backup` does)".into(),
        ];
        report.good(Section::Database, "pages", found);
        return;
    }
    let mend = [
        "停止守护进程，从备份恢复（db restore）".into(),
        "stop the daemon, restore a backup (`db restore`)".into(),
    ];
    match store.damage().await {
        Ok(None) => report.good(Section::Database, "pages", ["完好".into(), "sound".into()]),
        Ok(Some(damage)) => report.bad(Section::Database, "pages", both(damage), mend),
        Err(error) => report.bad(Section::Database, "pages", both(chain(&error)), mend),
    }
}

/// Whether what is stored opens.
async fn keys(report: &mut Report, store: &Store, sealer: &Sealer) {
    let fits = async { store.read("keys").await?.require_keys(sealer).await };
    match fits.await {
        Ok(Ok(())) => report.good(
            Section::Keys,
            "privacy",
            ["可打开最新的申请".into(), "the newest document opens".into()],
        ),
        Ok(Err(problem)) => {
            let mend = [
                "把缺少的密钥放回 privacy.keys 第一个之后；keys status 可查看用量".into(),
                "put the key that is missing back behind the first of privacy.keys; `keys status` counts"
                    .into(),
            ];
            report.bad(Section::Keys, "privacy", both(problem), mend);
        }
        Err(error) => {
            let mend = ["见 outbox show 与日志".into(), "see the log".into()];
            report.bad(Section::Keys, "privacy", both(chain(&error)), mend);
        }
    }
}

/// The local directory of organizations.
pub(super) fn directory(report: &mut Report, settings: &Settings) {
    let path = settings.directory.as_path();
    let import = || ["运行 orgs import FILE.csv".into(), "run `orgs import FILE.csv`".into()];
    if !path.exists() {
        let found = [
            "没有本地名录，仅由对方系统提供建议".into(),
            "none: only the systems themselves suggest names".into(),
        ];
        report.warn(Section::Directory, path.display().to_string(), found, import());
        return;
    }
    match Directory::open(path) {
        Err(error) => {
            report.bad(Section::Directory, path.display().to_string(), both(error.to_string()), import())
        }
        Ok(directory) => {
            let facts = directory.facts();
            let oldest =
                facts.provinces.iter().map(|list| list.imported_at).min().unwrap_or(facts.imported_at);
            let age = Clock::Wall.now().duration_since(imported_at(oldest));
            let days = age.as_hours() / 24;
            let found = [
                format!("{} 个组织，最早的名单导入于 {days} 天前", facts.organizations),
                format!("{} organizations, the oldest list is {days} days old", facts.organizations),
            ];
            if age > OLD_LISTS {
                report.warn(Section::Directory, path.display().to_string(), found, import());
            } else {
                report.good(Section::Directory, path.display().to_string(), found);
            }
        }
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
