//! The `Exchange` document, read and written, with its digest (profile, "Digest" and "Character set").

use crate::partner::Content;
use crate::rules::{Field, Rule, Shape, children, may, read_xml, text};
use crate::xml::{Writer, parse};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use encoding_rs::{Encoding, GB18030, GBK, UTF_8};
use hmac::{Hmac, KeyInit, Mac};
use quick_xml::escape::escape;
use roxmltree::{Document, Node};
use sha2::{Digest, Sha256};

const NAMESPACE: &str = "urn:gd-league:exchange:v1";

/// The head's values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    pub(crate) app_key: String,
    pub(crate) service: String,
    pub(crate) serial_no: String,
    pub(crate) timestamp: String,
    /// Of an answer: the code, and its message, which no digest covers.
    pub(crate) code: Option<(String, String)>,
}

impl Head {
    /// The digest over these values and the exact bytes of the body.
    pub(crate) fn digest(&self, secret: &str, body: &[u8]) -> String {
        let mut lines = vec![&*self.app_key, &self.service, &self.serial_no, &self.timestamp];
        lines.extend(self.code.iter().map(|(code, _)| code.as_str()));
        let hash = BASE64.encode(Sha256::digest(body));
        lines.push(&hash);
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
            |_| String::new(),
            |mut mac| {
                mac.update(lines.join("\n").as_bytes());
                BASE64.encode(mac.finalize().into_bytes())
            },
        )
    }
}

const HEAD: &[Field] = &[
    text("AppKey", Rule::Any),
    text("Service", Rule::Any),
    text("SerialNo", Rule::Length(1, 32)),
    text("Timestamp", Rule::Stamp),
    may("Code", Shape::Text(Rule::Digits(4))),
    may("Message", Shape::Text(Rule::Any)),
    text("Digest", Rule::Any),
];

/// A document that came in.
pub(crate) struct Exchange<'a> {
    document: Document<'a>,
    pub(crate) head: Head,
    digest: String,
}

impl<'a> Exchange<'a> {
    /// Reads the frame and the head. What the head says is trusted only after [`Self::is_genuine`]. The error comes
    /// with as much of the head as can be read.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, Box<(Head, String)>> {
        let document = parse(bytes).map_err(|what| Box::new((Head::default(), what)))?;
        let found = |name: &str| {
            let node = document.descendants().find(|node| node.has_tag_name((NAMESPACE, name)));
            node.and_then(|node| node.text()).unwrap_or_default().trim().to_owned()
        };
        let loose = Head { service: found("Service"), serial_no: found("SerialNo"), ..Head::default() };
        let (head, digest) = read_head(&document).map_err(|what| Box::new((loose, what)))?;
        Ok(Self { document, head, digest })
    }

    fn body_node(&self) -> Option<Node<'_, 'a>> {
        self.document.root_element().children().find(|node| node.has_tag_name((NAMESPACE, "Body")))
    }

    /// Whether the digest is that of one of the secrets.
    pub(crate) fn is_genuine(&self, secrets: &[String]) -> bool {
        let Some(body) = self.body_node() else { return false };
        let bytes = self.document.input_text()[body.range()].as_bytes();
        secrets.iter().any(|secret| self.head.digest(secret, bytes) == self.digest)
    }

    /// The fields of the body, by the service's table.
    pub(crate) fn body(&self, fields: &[Field]) -> Result<Content, String> {
        let mut content = Content::new();
        let body = self.body_node().ok_or("Body 缺失")?;
        read_xml(body, fields, "", &mut content)?;
        Ok(content)
    }
}

fn read_head(document: &Document) -> Result<(Head, String), String> {
    let root = document.root_element();
    if !root.has_tag_name((NAMESPACE, "Exchange")) {
        return Err("根元素须为 Exchange".into());
    }
    if root.attribute("version") != Some("1.0") || root.attributes().len() != 1 {
        return Err("version 须为 1.0".into());
    }
    let bodies = document.descendants().filter(|node| node.tag_name().name() == "Body").count();
    let parts = children(root)?;
    let [head, body] = parts[..] else { return Err("Exchange 须有一个 Head 和一个 Body".into()) };
    if bodies != 1 || !head.has_tag_name((NAMESPACE, "Head")) || !body.has_tag_name((NAMESPACE, "Body")) {
        return Err("Exchange 须有一个 Head 和一个 Body".into());
    }
    let mut content = Content::new();
    read_xml(head, HEAD, "", &mut content)?;
    if let Some((name, _)) = content.iter().find(|(name, value)| *name != "Message" && value.trim() != *value)
    {
        return Err(format!("{name} 首尾有空白"));
    }
    let mut take = |name: &str| content.remove(name).unwrap_or_default();
    let digest = take("Digest");
    let code = take("Code");
    let code = (!code.is_empty()).then(|| (code, take("Message")));
    let (app_key, service) = (take("AppKey"), take("Service"));
    Ok((Head { app_key, service, serial_no: take("SerialNo"), timestamp: take("Timestamp"), code }, digest))
}

/// How a document is dressed: every legal way in turn, so that the gateway meets them all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dress {
    encoding: &'static Encoding,
    declaration: &'static str,
    prefix: &'static str,
}

impl Dress {
    /// The dress of the so-manyth document.
    pub(crate) fn of(number: u64) -> Self {
        let prefix = if (number / 4).is_multiple_of(2) { "" } else { "gd:" };
        let (encoding, declaration) = match number % 4 {
            0 => (UTF_8, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"),
            1 => (GBK, "<?xml version=\"1.0\" encoding=\"GBK\"?>\n"),
            2 => (GB18030, "<?xml version=\"1.0\" encoding=\"GB18030\"?>\n"),
            _ => (UTF_8, ""),
        };
        Self { encoding, declaration, prefix }
    }
}

/// Writes and signs a document.
pub(crate) fn write(head: &Head, secret: &str, dress: Dress, inside: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let Dress { encoding, declaration, prefix } = dress;
    let mut body = Writer::new(prefix);
    body.node("Body", inside);
    // What the encoding has no bytes for becomes a character reference, which XML reads as the character.
    let (body, _, _) = encoding.encode(&body.text);

    let mut start = Writer::new(prefix);
    let colon = if prefix.is_empty() { "" } else { ":" };
    let name = prefix.trim_end_matches(':');
    start.text += &format!(
        "{declaration}<{prefix}Exchange xmlns{colon}{name}=\"{}\" version=\"1.0\">",
        escape(NAMESPACE)
    );
    start.node("Head", |xml| {
        xml.leaf("AppKey", &head.app_key);
        xml.leaf("Service", &head.service);
        xml.leaf("SerialNo", &head.serial_no);
        xml.leaf("Timestamp", &head.timestamp);
        if let Some((code, message)) = &head.code {
            xml.leaf("Code", code);
            xml.leaf("Message", message);
        }
        xml.leaf("Digest", &head.digest(secret, &body));
    });
    let (start, _, _) = encoding.encode(&start.text);
    [&start, &body, format!("</{prefix}Exchange>").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_vectors_hold() {
        let text = include_str!("../../../../docs/profiles/vectors/signatures.json");
        let vectors: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let list = vectors["guangdong"].as_array().expect("a list");
        assert!(!list.is_empty());
        for vector in list {
            let field = |name: &str| vector[name].as_str().expect("a text").to_owned();
            let head = Head {
                app_key: field("app_key"),
                service: field("service"),
                serial_no: field("serial_no"),
                timestamp: field("timestamp"),
                code: vector["code"].as_str().map(|code| (code.to_owned(), String::new())),
            };
            let body = BASE64.decode(field("body_base64")).expect("Base64");
            assert_eq!(head.digest(&field("secret"), &body), field("digest"));
        }
    }

    #[test]
    fn what_is_written_in_utf_8_is_read() {
        let code = Some(("0000".to_owned(), "成功".to_owned()));
        let timestamp = "20240701093000".to_owned();
        let (app_key, service) = ("BJGQT".to_owned(), "TransferIn.Query".to_owned());
        let head = Head { app_key, service, serial_no: "1".into(), timestamp, code };
        for number in [0, 3, 4, 7] {
            let bytes = write(&head, "secret", Dress::of(number), |xml| xml.leaf("RequestId", "r-1"));
            let exchange = Exchange::read(&bytes).map_err(|failed| failed.1).expect("readable");
            assert!(exchange.is_genuine(&["secret".into()]));
            assert!(!exchange.is_genuine(&["other".into()]));
            let body = exchange.body(&[super::text("RequestId", Rule::RequestId)]).expect("valid");
            assert_eq!(body["RequestId"], "r-1");
        }
    }

    #[test]
    fn odd_frames_are_refused() {
        let good = "<Exchange xmlns=\"urn:gd-league:exchange:v1\" version=\"1.0\"><Head><AppKey>a</AppKey><Service>s\
                    </Service><SerialNo>1</SerialNo><Timestamp>20240701093000</Timestamp><Digest>d</Digest></Head>\
                    <Body/></Exchange>";
        assert!(Exchange::read(good.as_bytes()).is_ok());
        for (from, to) in [
            ("<Body/>", "<Body/><Body/>"),
            ("<Body/>", "<Body><X><Body/></X></Body>"),
            ("<Body/>", "<?pi x?><Body/>"),
            ("<Exchange", "<!DOCTYPE Exchange><Exchange"),
            ("<Exchange", "<?xml version=\"1.0\" encoding=\"GBK\"?><Exchange"),
            ("version=\"1.0\"", "version=\"2.0\""),
            (">1<", "> 1<"),
            ("20240701", "20240230"),
            ("<AppKey>a</AppKey>", ""),
            ("exchange:v1", "exchange:v2"),
        ] {
            assert!(Exchange::read(good.replace(from, to).as_bytes()).is_err(), "{to}");
        }
    }
}
