//! A held clock, a minimal HTTP client that tells a cut from an answer, one client a system, and a gateway that
//! records what it is pushed.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use league_sandbox::{Organization, Pace, Sandbox, SandboxConfig};
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use sm3::Sm3;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const NATIONAL: &str = "共青团南京大学委员会";
pub(crate) const GUANGDONG: &str = "共青团中山大学委员会";
pub(crate) const FUJIAN: &str = "共青团厦门大学委员会";
pub(crate) const TWIN: &str = "共青团江宁区某村支部委员会";

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) clock: Arc<AtomicI64>,
}

pub(crate) fn organization(province_code: &str, org_id: &str, full_name: &str) -> Organization {
    let [province_code, org_id, full_name] = [province_code, org_id, full_name].map(ToOwned::to_owned);
    Organization { province_code, org_id, full_name, kind: "university-committee".into() }
}

/// A world at 2024-07-01 09:30 in Beijing.
pub(crate) async fn world(adjust: impl FnOnce(&mut SandboxConfig)) -> World {
    let start: Timestamp = "2024-07-01T01:30:00Z".parse().expect("a time");
    let clock = Arc::new(AtomicI64::new(start.as_millisecond()));
    let held = clock.clone();
    let mut config = SandboxConfig {
        organizations: vec![
            organization("320000", "3201001", NATIONAL),
            organization("320000", "7", TWIN),
            organization("320000", "8", TWIN),
            organization("440000", "4401001", GUANGDONG),
            organization("350000", "3502001", FUJIAN),
        ],
        pace: Pace::immediate(),
        clock: Arc::new(move || Timestamp::from_millisecond(held.load(Ordering::SeqCst)).expect("a time")),
        ..SandboxConfig::default()
    };
    adjust(&mut config);
    World { sandbox: Sandbox::start(config).await.expect("started"), clock }
}

impl World {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.clock.load(Ordering::SeqCst)).expect("a time")
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.sandbox.report().violations.into_iter().map(|violation| violation.what).collect()
    }
}

/// Never the same twice.
pub(crate) fn unique() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    COUNT.fetch_add(1, Ordering::SeqCst)
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

type Headers<'a> = Vec<(&'a str, String)>;

/// Sends one request on its own connection. `None`: the connection ended before a single byte of an answer.
pub(crate) async fn send(
    base: &str,
    method: &str,
    target: &str,
    headers: Headers<'_>,
    body: &[u8],
) -> Option<Response> {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.expect("connected");
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    // A server that has read enough may close before it has read all.
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await.ok();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    if bytes.is_empty() {
        return None;
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status").parse().expect("a number");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Response { status, headers: headers.collect(), body: bytes[end + 4..].to_vec() })
}

/// What stands in the first element of that name, whatever its prefix.
pub(crate) fn inside(text: &str, name: &str) -> Option<String> {
    text.match_indices(name).find_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        let rest = text[at + name.len()..].strip_prefix('>')?;
        matches!(before, Some('<' | ':')).then(|| rest.split('<').next().unwrap_or_default().to_owned())
    })
}

// ---- the national system

pub(crate) fn sm3_signature(first: &str, second: &str, timestamp: &str, nonce: &str, body: &[u8]) -> String {
    let text = format!("{first}\n{second}\n{timestamp}\n{nonce}\n{}", hex::encode(Sm3::digest(body)));
    let mut mac = Hmac::<Sm3>::new_from_slice(b"sandbox-smart-league-secret").expect("any key");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// Headers by hand, so that a test can spoil one.
pub(crate) fn smart_headers(at: Timestamp, method: &str, target: &str, body: &[u8]) -> Headers<'static> {
    let (timestamp, nonce) = (at.as_millisecond().to_string(), format!("{:032x}", unique()));
    let signature = sm3_signature(method, target, &timestamp, &nonce, body);
    vec![
        ("content-type", "application/json".into()),
        ("x-app-id", "BJGQT".into()),
        ("x-timestamp", timestamp),
        ("x-nonce", nonce),
        ("x-signature", signature),
    ]
}

#[derive(Debug)]
pub(crate) struct SmartAnswer {
    pub(crate) status: u16,
    pub(crate) code: i64,
    pub(crate) data: Value,
    pub(crate) retry_after: Option<String>,
    pub(crate) genuine: bool,
}

impl World {
    /// `None`: cut.
    pub(crate) async fn smart(&self, method: &str, target: &str, body: &Value) -> Option<SmartAnswer> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let headers = smart_headers(self.now(), method, target, &body);
        self.smart_raw(method, target, headers, &body).await
    }

    pub(crate) async fn smart_raw(
        &self,
        method: &str,
        target: &str,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Option<SmartAnswer> {
        let nonce =
            headers.iter().find(|(name, _)| *name == "x-nonce").map_or("", |(_, nonce)| nonce).to_owned();
        let Response { status, headers, body } =
            send(&self.sandbox.urls().smart_league, method, target, headers, body).await?;
        let Ok(envelope) = serde_json::from_slice::<Value>(&body) else {
            return Some(SmartAnswer {
                status,
                code: -1,
                data: Value::Null,
                retry_after: None,
                genuine: false,
            });
        };
        let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
        let expected =
            sm3_signature("RESPONSE", &status.to_string(), &header("x-timestamp"), &header("x-nonce"), &body);
        assert!(header("x-nonce") == nonce || header("x-nonce") == "0".repeat(32));
        Some(SmartAnswer {
            status,
            code: envelope["code"].as_i64().expect("a code"),
            data: envelope["data"].clone(),
            retry_after: headers.get("retry-after").cloned(),
            genuine: header("x-signature") == expected && header("x-app-id") == "BJGQT",
        })
    }
}

pub(crate) fn smart_transfer(request_id: &str) -> Value {
    json!({
        "requestId": request_id,
        "member": {"name": "张三", "idNumber": "11010519491231002X", "gender": "2", "ethnicity": "01",
                   "phone": "13800138000", "joinedOn": "2018-05", "leagueNumber": "201811000001"},
        "source": {"orgId": "3421569", "orgFullName": "中国共产主义青年团北京信息科技大学委员会"},
        "destination": {"provinceCode": "320000", "orgFullName": NATIONAL},
        "initiator": "MEMBER",
        "reasonCode": "10",
        "reasonDetail": {"school_name": "南京大学", "stage": "graduate"},
        "appliedAt": 1_719_797_400_000_i64,
    })
}

// ---- Guangdong

pub(crate) fn gd_digest(fields: &[&str], body: &[u8]) -> String {
    let mut lines = fields.to_vec();
    let hash = BASE64.encode(Sha256::digest(body));
    lines.push(&hash);
    let mut mac = Hmac::<Sha256>::new_from_slice(b"sandbox-guangdong-secret").expect("any key");
    mac.update(lines.join("\n").as_bytes());
    BASE64.encode(mac.finalize().into_bytes())
}

pub(crate) fn stamp(at: Timestamp) -> String {
    jiff::tz::offset(8).to_datetime(at).strftime("%Y%m%d%H%M%S").to_string()
}

/// A signed document; `body` is what stands in `Body`.
pub(crate) fn gd_document(
    at: Timestamp,
    service: &str,
    serial: &str,
    code: Option<&str>,
    body: &str,
) -> String {
    let (at, body) = (stamp(at), format!("<Body>{body}</Body>"));
    let fields: Vec<_> = ["BJGQT", service, serial, &at].into_iter().chain(code).collect();
    let digest = gd_digest(&fields, body.as_bytes());
    let code = code.map(|code| format!("<Code>{code}</Code><Message>x</Message>")).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Exchange xmlns=\"urn:gd-league:exchange:v1\" version=\"1.0\"><Head>\
         <AppKey>BJGQT</AppKey><Service>{service}</Service><SerialNo>{serial}</SerialNo><Timestamp>{at}</Timestamp>\
         {code}<Digest>{digest}</Digest></Head>{body}</Exchange>"
    )
}

#[derive(Debug)]
pub(crate) struct GdMessage {
    pub(crate) encoding: &'static str,
    pub(crate) text: String,
    pub(crate) genuine: bool,
}

/// Decodes a document of theirs and holds its digest against its bytes.
pub(crate) fn gd_read(bytes: &[u8]) -> GdMessage {
    let label = String::from_utf8_lossy(&bytes[..60])
        .split("encoding=\"")
        .nth(1)
        .map(|rest| rest.split('"').next().expect("a quote").to_owned());
    let encoding =
        encoding_rs::Encoding::for_label(label.as_deref().unwrap_or("UTF-8").as_bytes()).expect("known");
    let (text, _, broken) = encoding.decode(bytes);
    assert!(!broken);
    let prefix = if text.contains("<gd:") { "gd:" } else { "" };
    let find = |what: String, from: usize| {
        bytes[from..].windows(what.len()).position(|window| window == what.as_bytes()).map(|at| from + at)
    };
    let from = find(format!("<{prefix}Body"), 0).expect("a body");
    let close = format!("</{prefix}Body>");
    let to = find(close.clone(), from).expect("its end") + close.len();
    let head = |name: &str| inside(&text, name);
    let mut fields: Vec<_> =
        ["AppKey", "Service", "SerialNo", "Timestamp"].map(|name| head(name).expect(name)).to_vec();
    fields.extend(head("Code"));
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    let genuine = head("Digest").as_deref() == Some(&gd_digest(&fields, &bytes[from..to]));
    GdMessage { encoding: encoding.name(), text: text.into_owned(), genuine }
}

#[derive(Debug)]
pub(crate) struct GdAnswer {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: GdMessage,
}

impl World {
    /// `None`: cut.
    pub(crate) async fn gd(&self, service: &str, body: &str) -> Option<GdAnswer> {
        let serial = format!("SN-{}", unique());
        let answer = self.gd_raw(&gd_document(self.now(), service, &serial, None, body)).await?;
        if answer.status == 200 && !answer.code.is_empty() {
            assert_eq!(inside(&answer.message.text, "SerialNo"), Some(serial));
            assert_eq!(inside(&answer.message.text, "Service").as_deref(), Some(service));
        }
        Some(answer)
    }

    pub(crate) async fn gd_raw(&self, document: &str) -> Option<GdAnswer> {
        let headers = vec![("content-type", "text/xml; charset=UTF-8".to_owned())];
        let response =
            send(&self.sandbox.urls().guangdong, "POST", "/exchange", headers, document.as_bytes()).await?;
        let is_exchange = String::from_utf8_lossy(&response.body).contains("Exchange");
        let message = if is_exchange {
            gd_read(&response.body)
        } else {
            GdMessage { encoding: "", text: String::new(), genuine: false }
        };
        let code = inside(&message.text, "Code").unwrap_or_default();
        Some(GdAnswer { status: response.status, code, message })
    }
}

pub(crate) fn gd_transfer(request_id: &str) -> String {
    format!(
        "<Transfer><RequestId>{request_id}</RequestId><Member><Name>张三</Name><IdNumber>11010519491231002X</IdNumber>\
         <Gender>2</Gender><Phone>13800138000</Phone><JoinedOn>2018-05</JoinedOn></Member><Source><OrgId>3421569</OrgId>\
         <FullName>共青团北京信息科技大学委员会</FullName></Source><Destination><ProvinceCode>440000</ProvinceCode>\
         <FullName>{GUANGDONG}</FullName></Destination><Initiator>MEMBER</Initiator><ReasonCode>01</ReasonCode>\
         <Detail name=\"school_name\">中山大学</Detail><AppliedAt>20240701090000</AppliedAt></Transfer>"
    )
}

// ---- Fujian

pub(crate) struct Token {
    pub(crate) created: String,
    pub(crate) expires: String,
    pub(crate) nonce: [u8; 16],
    pub(crate) password: &'static str,
}

impl Token {
    pub(crate) fn at(now: Timestamp) -> Self {
        let print = |at: Timestamp| at.display_with_offset(jiff::tz::offset(8)).to_string();
        let nonce = u128::from(unique()).to_be_bytes();
        let expires = print(now + SignedDuration::from_secs(300));
        Self { created: print(now), expires, nonce, password: "sandbox-fujian-password" }
    }

    pub(crate) fn envelope(&self, input: &str) -> String {
        let wss = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
        let Self { created, expires, nonce, password } = self;
        let digest =
            BASE64.encode(Sha1::digest([&nonce[..], created.as_bytes(), password.as_bytes()].concat()));
        let nonce = BASE64.encode(nonce);
        format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Header><w:Security \
             xmlns:w=\"{wss}-wssecurity-secext-1.0.xsd\" xmlns:u=\"{wss}-wssecurity-utility-1.0.xsd\" e:mustUnderstand=\"1\">\
             <u:Timestamp><u:Created>{created}</u:Created><u:Expires>{expires}</u:Expires></u:Timestamp><w:UsernameToken>\
             <w:Username>BJGQT</w:Username><w:Password Type=\"{wss}-username-token-profile-1.0#PasswordDigest\">{digest}\
             </w:Password><w:Nonce>{nonce}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken></w:Security>\
             </e:Header><e:Body>{input}</e:Body></e:Envelope>"
        )
    }
}

#[derive(Debug)]
pub(crate) struct FjAnswer {
    pub(crate) status: u16,
    /// Of a fault.
    pub(crate) code: Option<String>,
    pub(crate) text: String,
}

impl World {
    /// `None`: cut.
    pub(crate) async fn fj(&self, operation: &str, input: &str) -> Option<FjAnswer> {
        let input = format!("<{operation} xmlns=\"urn:fj-league:transfer:v1\">{input}</{operation}>");
        self.fj_raw(operation, &Token::at(self.now()).envelope(&input)).await
    }

    pub(crate) async fn fj_raw(&self, operation: &str, envelope: &str) -> Option<FjAnswer> {
        let headers = vec![
            ("content-type", "text/xml; charset=utf-8".to_owned()),
            ("soapaction", format!("\"urn:fj-league:transfer:v1/{operation}\"")),
        ];
        let url = self.sandbox.urls().fujian;
        let response = send(&url, "POST", "/services/TransferService", headers, envelope.as_bytes()).await?;
        let text = String::from_utf8(response.body).expect("UTF-8");
        let code = text.contains("serviceFault").then(|| inside(&text, "code").expect("a code"));
        Some(FjAnswer { status: response.status, code, text })
    }
}

pub(crate) fn fj_transfer(request_id: &str) -> String {
    format!(
        "<transfer><requestId>{request_id}</requestId><member><name>李四</name><idNumber>440524188001010014</idNumber>\
         <gender>MALE</gender><phone>13800138000</phone><joinedOn>2018-05</joinedOn></member><sourceOrgId>3421569</sourceOrgId>\
         <sourceOrgName>共青团北京信息科技大学委员会</sourceOrgName><provinceCode>350000</provinceCode>\
         <destinationOrgName>{FUJIAN}</destinationOrgName><initiator>BRANCH</initiator><reason>EDUCATION</reason>\
         <detail name=\"school_name\">厦门大学</detail><appliedAt>2024-07-01T09:00:00+08:00</appliedAt></transfer>"
    )
}

// ---- the gateway

/// How the gateway answers a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Store,
    Unavailable,
    Refuse,
    Forge,
    Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Push {
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) nonce: String,
    pub(crate) encoding: &'static str,
    /// The national system's `data`, or Guangdong's document.
    pub(crate) detail: String,
}

#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) pushes: Arc<Mutex<Vec<Push>>>,
}

impl Gateway {
    /// Answers as told, then stores all that comes. Every push's own signature is asserted.
    pub(crate) async fn start(world: &World, behaviours: &[Behaviour]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let gateway = Self { url, pushes: Arc::default() };
        let (pushes, clock) = (gateway.pushes.clone(), world.clock.clone());
        let mut behaviours: VecDeque<_> = behaviours.iter().copied().collect();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let now = Timestamp::from_millisecond(clock.load(Ordering::SeqCst)).expect("a time");
                let behaviour = behaviours.pop_front().unwrap_or(Behaviour::Store);
                let (path, headers, body) = receive(&mut stream).await;
                let (push, answer) = match path.as_str() {
                    "/callbacks/smart-league" => national(now, behaviour, &headers, &body),
                    "/callbacks/guangdong" => guangdong(now, behaviour, &body),
                    other => panic!("a push to {other}"),
                };
                pushes.lock().expect("unpoisoned").push(push);
                if behaviour != Behaviour::Cut {
                    stream.write_all(&answer).await.ok();
                }
            }
        });
        world.sandbox.set_gateway(gateway.url.clone());
        gateway
    }

    pub(crate) fn pushes(&self) -> Vec<Push> {
        self.pushes.lock().expect("unpoisoned").clone()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.pushes().into_iter().map(|push| push.kind).collect()
    }
}

async fn receive(stream: &mut TcpStream) -> (String, BTreeMap<String, String>, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.expect("read");
        bytes.extend_from_slice(&part[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).expect("ASCII");
        let headers: BTreeMap<_, _> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().expect("a number");
        if bytes.len() == end + 4 + length {
            let path = head.split(' ').nth(1).expect("a path").to_owned();
            return (path, headers, bytes[end + 4..].to_vec());
        }
    }
}

fn http(status: u16, headers: &Headers<'_>, body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn national(
    now: Timestamp,
    behaviour: Behaviour,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> (Push, Vec<u8>) {
    let nonce = headers["x-nonce"].clone();
    let genuine = sm3_signature("POST", "/callbacks/smart-league", &headers["x-timestamp"], &nonce, body);
    assert_eq!((headers["x-signature"].as_str(), headers["x-app-id"].as_str()), (genuine.as_str(), "BJGQT"));
    let event: Value = serde_json::from_slice(body).expect("JSON");
    let (status, code) = match behaviour {
        Behaviour::Store | Behaviour::Forge | Behaviour::Cut => (200_u16, 0),
        Behaviour::Unavailable => (503, 50000),
        Behaviour::Refuse => (401, 40101),
    };
    let answer = json!({"code": code, "msg": "x", "traceId": "t", "data": null}).to_string();
    let timestamp = now.as_millisecond().to_string();
    let mut signature = sm3_signature("RESPONSE", &status.to_string(), &timestamp, &nonce, answer.as_bytes());
    if behaviour == Behaviour::Forge {
        signature = "0".repeat(64);
    }
    let headers = vec![
        ("x-app-id", "BJGQT".to_owned()),
        ("x-timestamp", timestamp),
        ("x-nonce", nonce.clone()),
        ("x-signature", signature),
    ];
    let text = |name: &str| event[name].as_str().expect(name).to_owned();
    let push = Push {
        event_id: text("eventId"),
        kind: text("eventType"),
        nonce,
        encoding: "UTF-8",
        detail: event["data"].to_string(),
    };
    (push, http(status, &headers, answer.as_bytes()))
}

fn guangdong(now: Timestamp, behaviour: Behaviour, body: &[u8]) -> (Push, Vec<u8>) {
    let message = gd_read(body);
    assert!(message.genuine);
    let text = |name: &str| inside(&message.text, name).expect(name);
    let (status, code) = match behaviour {
        Behaviour::Store | Behaviour::Forge | Behaviour::Cut => (200, "0000"),
        Behaviour::Unavailable => (503, "4001"),
        Behaviour::Refuse => (401, "3001"),
    };
    let mut answer = gd_document(now, "TransferIn.Notify", &text("SerialNo"), Some(code), "");
    if behaviour == Behaviour::Forge {
        answer = answer.replace("<Body></Body>", "<Body> </Body>");
    }
    let headers = vec![("content-type", "text/xml; charset=UTF-8".to_owned())];
    let push = Push {
        event_id: text("EventId"),
        kind: text("Type"),
        nonce: text("SerialNo"),
        encoding: message.encoding,
        detail: message.text,
    };
    (push, http(status, &headers, answer.as_bytes()))
}
