//! Each system: its name, a connection, its certificate, and one harmless question, whose answer also tells the time there.

use super::certificates;
use super::report::{Report, Section};
use crate::clock::Clock;
use crate::partner::{Exchange, Outcome, Partner};
use crate::reach::{Place, Shown};
use crate::seal::Sealer;
use crate::settings::{Settings, SystemSettings};
use crate::store::Store;
use crate::transport::Endpoint;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use league_contract::{Blockage, Reply};
use std::time::Duration;

/// Partners refuse what is further off than five minutes.
const REFUSED: SignedDuration = SignedDuration::from_secs(300);
const SUSPECT: SignedDuration = SignedDuration::from_secs(30);

pub(super) async fn all(report: &mut Report, settings: &Settings, sealer: &Sealer, store: Option<&Store>) {
    let systems = settings.systems.iter();
    let visits = systems.map(|(name, system)| visit(name, system, sealer, store));
    for visited in join_all(visits).await {
        report.append(visited);
    }
}

async fn visit(
    name: &'static str,
    system: &SystemSettings,
    sealer: &Sealer,
    store: Option<&Store>,
) -> Report {
    let mut report = Report::default();
    let partner = match crate::app::partner(name, system, sealer) {
        Ok(partner) => partner,
        Err(error) => {
            let said = format!("{error:#}");
            let mend = ["检查其证书与私钥文件".into(), "look at its certificate and key files".into()];
            report.bad(Section::Systems, format!("{name} files"), [said.clone(), said], mend);
            return report;
        }
    };
    if let Some(store) = store {
        standing(&mut report, store, &partner).await;
    }
    if reached(&mut report, &partner, &system.endpoint).await {
        let exchange = partner.probe(&Clock::Wall).await;
        judge(&mut report, &partner, &exchange);
        clock(&mut report, &partner, &exchange);
    }
    report
}

fn subject(partner: &Partner, what: &str) -> String {
    format!("{} {what}", partner.system)
}

/// What the daemon itself holds against it.
async fn standing(report: &mut Report, store: &Store, partner: &Partner) {
    let row = async { store.read("doctor").await?.system(&partner.system).await };
    let Ok(row) = row.await else { return };
    if !row.stopped(Clock::Wall.now()) {
        return;
    }
    let (found, mend) = if row.suspended.is_some() {
        (
            ["已停用：对方拒绝了我方凭据".to_owned(), "suspended: it refused our credentials".to_owned()],
            [
                "改正凭据后 reload 或重启；或 systems resume".to_owned(),
                "mend the credentials, then reload or restart; or `systems resume`".to_owned(),
            ],
        )
    } else {
        (
            ["已被管理员暂停".to_owned(), "paused by an operator".to_owned()],
            ["systems resume".to_owned(), "`systems resume`".to_owned()],
        )
    };
    report.warn(Section::Systems, subject(partner, "standing"), found, mend);
}

/// Name, connection, certificate. Whether it is worth a question.
async fn reached(report: &mut Report, partner: &Partner, endpoint: &Endpoint) -> bool {
    let limit = endpoint.timeout.min(Duration::from_secs(10));
    let Some(place) = Place::of(&endpoint.origin) else { return true };
    let since = |begun: Timestamp| Clock::Wall.now().duration_since(begun).as_millis() as i64;
    let begun = Clock::Wall.now();
    let addresses = match place.resolve().await {
        Ok(addresses) => addresses,
        Err(error) => {
            let found = [
                format!("{} 无法解析：{error}", place.host),
                format!("{} can't be resolved: {error}", place.host),
            ];
            let mend = [
                "检查 base_url 与 DNS（/etc/resolv.conf）".into(),
                "is base_url right, does DNS work (/etc/resolv.conf)?".into(),
            ];
            report.bad(Section::Systems, subject(partner, "DNS"), found, mend);
            return false;
        }
    };
    let listed = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
    report.good(
        Section::Systems,
        subject(partner, "DNS"),
        [format!("{} → {listed}", place.host), format!("{} → {listed}", place.host)],
    );
    report.took(since(begun));
    let begun = Clock::Wall.now();
    let address = match place.connect(&addresses, limit).await {
        Ok(address) => address,
        Err(error) => {
            let found = [
                format!("无法连接 {}:{}：{error}", place.host, place.port),
                format!("no connection to {}:{}: {error}", place.host, place.port),
            ];
            let mend = [
                "检查端口与出站防火墙；对方是否停机".into(),
                "the port, the firewall on the way out; are they down?".into(),
            ];
            report.bad(Section::Systems, subject(partner, "TCP"), found, mend);
            return false;
        }
    };
    report.good(
        Section::Systems,
        subject(partner, "TCP"),
        [format!("已连接 {address}"), format!("connected to {address}")],
    );
    report.took(since(begun));
    if place.tls {
        let begun = Clock::Wall.now();
        let shown = place.certificate(address, endpoint.ca_file.clone(), limit).await;
        certificate(report, partner, shown, endpoint);
        report.took(since(begun));
    }
    true
}

fn certificate(report: &mut Report, partner: &Partner, shown: Result<Shown, String>, endpoint: &Endpoint) {
    let name = subject(partner, "TLS");
    let shown = match shown {
        Ok(shown) => shown,
        Err(error) => {
            let mend = ["对方端口是否为 HTTPS？".into(), "is it HTTPS there?".into()];
            let found = [format!("TLS 握手失败：{error}"), format!("no TLS handshake: {error}")];
            report.bad(Section::Systems, name, found, mend);
            return;
        }
    };
    if shown.asks && endpoint.client_identity.is_none() {
        let found = [
            "对方要求客户端证书，未配置".into(),
            "it asks for a client certificate, and there is none".into(),
        ];
        let mend = [
            "配置 client_cert 与 client_key（对方签发）".into(),
            "set client_cert and client_key to what they gave us".into(),
        ];
        report.warn(Section::Systems, subject(partner, "client certificate"), found, mend);
    }
    let now = Clock::Wall.now();
    if let Some(distrust) = shown.distrust.filter(|_| shown.validity.holds(now)) {
        let found = [
            format!("证书不受 ca_file 信任：{distrust}"),
            format!("its certificate is not trusted by ca_file: {distrust}"),
        ];
        let mend = [
            "ca_file 是否为对方的 CA？主机名是否正确？".into(),
            "is ca_file the authority that they use? is the host's name right?".into(),
        ];
        report.bad(Section::Systems, name, found, mend);
        return;
    }
    let renew = ["请对方更换证书".into(), "ask them for a new certificate".into()];
    certificates::judge(report, Section::Systems, name, shown.validity, renew, now);
}

/// What the answer to a question about nobody says.
fn judge(report: &mut Report, partner: &Partner, exchange: &Exchange) {
    let name = subject(partner, exchange.operation.as_str());
    let (code, error) = exchange.outcome.told();
    // Nobody is asked about, but what comes back is a stranger's text.
    let told = [code, error.map(|text| league_contract::mask::digits(&text))];
    let told = told.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let say = |zh: &str, en: &str| [zh.to_owned(), en.to_owned()];
    let with = |zh: &str, en: &str| [format!("{zh}：{told}"), format!("{en}: {told}")];
    match &exchange.outcome {
        Outcome::Reply(Reply::Answered(_) | Reply::Refused { .. }) => {
            report.good(Section::Systems, name, say("凭据有效，答复正常", "it takes our credentials and answers"));
        }
        Outcome::Reply(Reply::TryLater { .. }) => report.warn(
            Section::Systems,
            name,
            with("对方繁忙或维护中", "it is busy, or in maintenance"),
            say("稍后再试", "try again later"),
        ),
        Outcome::Reply(Reply::Blocked { why: Blockage::Authentication, .. }) => report.bad(
            Section::Systems,
            name,
            with("对方拒绝了我方凭据", "it refuses our credentials"),
            say("检查身份标识与密钥（第一个用于签名），改正后 reload", "look at the identity and the secrets (the first signs), then reload"),
        ),
        Outcome::Reply(Reply::Blocked { why: Blockage::ClockSkew, .. }) => report.bad(
            Section::Systems,
            name,
            with("对方称时钟相差过大", "it says that our clocks are too far apart"),
            say("校准本机时钟（NTP）；若本机准确，请联系对方", "set this machine's clock (NTP); if it is right, tell them"),
        ),
        Outcome::Reply(Reply::Unclear { .. }) | Outcome::NoAnswer(_) => report.bad(
            Section::Systems,
            name,
            with("没有可信的答复", "no answer that can be trusted"),
            say("对方是否停滞？是否要求客户端证书？base_url 是否指向正确的接口？响应签名的密钥是否一致？", "does it hang? does it ask for a client certificate? does base_url lead to their interface? is the secret the one that signs answers?"),
        ),
        Outcome::NotSent(_) => report.bad(
            Section::Systems,
            name,
            with("未能发送", "nothing could be sent"),
            say("检查 ca_file、证书与网络", "look at ca_file, the certificates, the network"),
        ),
    }
    report.took(exchange.finished_at.duration_since(exchange.started_at).as_millis() as i64);
}

/// Our clock beside theirs, by the date of the answer.
fn clock(report: &mut Report, partner: &Partner, exchange: &Exchange) {
    let headers = exchange.response.iter().flat_map(|response| &response.headers);
    let date = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("date"));
    let Some(there) = date.and_then(|(_, value)| jiff::fmt::rfc2822::parse(value).ok()) else { return };
    // To the second, and made some time between the question and the answer.
    let there = there.timestamp();
    let ahead = exchange.started_at.duration_since(there).max(SignedDuration::ZERO);
    let behind = there.duration_since(exchange.finished_at).max(SignedDuration::ZERO);
    let off = ahead.max(behind);
    let name = partner.system.to_string();
    let found = [format!("与对方相差 {} 秒", off.as_secs()), format!("{} s from theirs", off.as_secs())];
    let mend = [
        "校准本机时钟（NTP）：相差超过 300 秒会被拒绝".into(),
        "set this machine's clock (NTP): 300 s are refused".into(),
    ];
    if off >= REFUSED {
        report.bad(Section::Clock, name, found, mend);
    } else if off >= SUSPECT {
        report.warn(Section::Clock, name, found, mend);
    } else {
        report.good(Section::Clock, name, found);
    }
}
