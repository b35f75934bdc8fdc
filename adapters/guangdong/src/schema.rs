//! The document of the profile (`guangdong.xsd`): its envelope, its fields, its words.

use crate::sign::Signed;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use league_contract::{
    CLOCK_WINDOW_SECONDS, ConfigError, DecodeError, OpenFields, PartnerStatus, RequestId, Secret, Words, text,
};
use league_xml::{Element, Encoding, Writer};

/// The namespace of every element.
const NAMESPACE: &str = "urn:gd-league:exchange:v1";
const VERSION: &str = "1.0";
/// The media type of both directions; we send UTF-8.
pub(crate) const CONTENT_TYPE: &str = "text/xml; charset=UTF-8";
/// What their messages may be in.
const ENCODINGS: &[Encoding] = &[Encoding::Utf8, Encoding::Gbk, Encoding::Gb18030];
/// The most characters of a `SerialNo`.
const SERIAL_LIMIT: usize = 32;
/// The most characters of an id of theirs; the profile sets none.
const ID_LIMIT: usize = 128;

/// What of these messages may be shown.
pub(crate) const OPEN_FIELDS: OpenFields = OpenFields {
    plain: &[
        "@name",
        "@version",
        "AppKey",
        "AppliedAt",
        "CheckInBy",
        "Code",
        "Duplicate",
        "EventId",
        "FullName",
        "Initiator",
        "OccurredAt",
        "OrgId",
        "ProvinceCode",
        "ReasonCode",
        "ReceiptNo",
        "RequestId",
        "SerialNo",
        "Service",
        "Status",
        "Timestamp",
        "Type",
        "UpdatedAt",
    ],
    words: &["Message", "Reason"],
};

/// The services of the profile.
pub(crate) mod service {
    pub(crate) const SUBMIT: &str = "TransferIn.Submit";
    pub(crate) const QUERY: &str = "TransferIn.Query";
    pub(crate) const WITHDRAW: &str = "TransferIn.Withdraw";
    pub(crate) const ORGANIZATIONS: &str = "Org.List";
    pub(crate) const NOTIFY: &str = "TransferIn.Notify";
}

/// What is wrong with a document. Names fields, never values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not the profile's form.
    Malformed(String),
    /// A word that the profile does not know.
    Unknown(String),
}

impl Fault {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Malformed(text) | Self::Unknown(text) => text,
        }
    }
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(text) => Self::Malformed(text),
            Fault::Unknown(text) => Self::UnknownCode(text),
        }
    }
}

/// A message of theirs, read but not yet trusted.
pub(crate) struct Exchange<'a> {
    pub(crate) app_key: String,
    pub(crate) service: String,
    pub(crate) serial_no: String,
    timestamp: String,
    /// Of an answer.
    pub(crate) code: Option<String>,
    /// Outside the digest: for people.
    pub(crate) message: Words,
    digest: String,
    body: Element,
    body_bytes: &'a [u8],
}

impl<'a> Exchange<'a> {
    /// Reads the envelope; what could be read in two ways is refused here, before the digest is looked at.
    pub(crate) fn read(raw: &'a [u8]) -> Result<Self, Fault> {
        let malformed = |text: &str| Fault::Malformed(text.to_owned());
        let root = league_xml::parse(raw, ENCODINGS).map_err(|error| Fault::Malformed(error.to_string()))?;
        if !root.is(NAMESPACE, "Exchange") || root.attribute("", "version") != Some(VERSION) {
            return Err(malformed("the root is not an Exchange 1.0 of the profile's namespace"));
        }
        if root.count_named(NAMESPACE, "Body") != 1 {
            return Err(malformed("there is not exactly one Body"));
        }
        let parts =
            root.children.into_iter().filter(|part| part.is(NAMESPACE, "Head") || part.is(NAMESPACE, "Body"));
        let Ok([head, body]) = <[Element; 2]>::try_from(parts.collect::<Vec<_>>()) else {
            return Err(malformed("Exchange does not hold one Head and one Body"));
        };
        if !head.is(NAMESPACE, "Head") {
            return Err(malformed("Head does not come before Body"));
        }
        let value = |name| Ok(only(&head, name)?.map(|element| element.text.trim().to_owned()));
        let required = |name| value(name)?.ok_or_else(|| missing(&head, name));
        let serial_no = required("SerialNo")?;
        if text::clean(&serial_no, 1, SERIAL_LIMIT).is_err() {
            return Err(malformed("Head/SerialNo is not 1 to 32 printable characters"));
        }
        Ok(Self {
            // Missing, they are wrong like any other.
            app_key: value("AppKey")?.unwrap_or_default(),
            service: required("Service")?,
            serial_no,
            timestamp: required("Timestamp")?,
            code: value("Code")?,
            message: Words::new(value("Message")?.unwrap_or_default()),
            digest: value("Digest")?.unwrap_or_default(),
            body_bytes: &raw[body.span.clone()],
            body,
        })
    }

    /// Whether one of the secrets made its digest.
    pub(crate) fn is_signed_by(&self, secrets: &[Secret]) -> bool {
        self.holds_with(self.code.as_deref(), secrets)
    }

    /// Whether its digest would hold if it bore this code.
    pub(crate) fn holds_with(&self, code: Option<&str>, secrets: &[Secret]) -> bool {
        let signed = Signed {
            app_key: &self.app_key,
            service: &self.service,
            serial_no: &self.serial_no,
            timestamp: &self.timestamp,
            code,
        };
        signed.verify(secrets, self.body_bytes, &self.digest)
    }

    /// How many seconds its time is outside the window around ours: `None` where it is inside.
    pub(crate) fn skew(&self, stamps: &Stamps, now: Timestamp) -> Result<Option<i64>, Fault> {
        let sent = self
            .sent_at(stamps)
            .ok_or_else(|| Fault::Malformed("Head/Timestamp is not a time".to_owned()))?;
        let away = now.as_second() - sent.as_second();
        Ok((away.abs() > CLOCK_WINDOW_SECONDS).then_some(away))
    }

    /// When it says that it was sent.
    pub(crate) fn sent_at(&self, stamps: &Stamps) -> Option<Timestamp> {
        stamps.read(&self.timestamp)
    }

    /// The exact bytes of `Body`, which the digest covers.
    pub(crate) const fn body_bytes(&self) -> &'a [u8] {
        self.body_bytes
    }

    /// The body's fields.
    pub(crate) fn body<'b>(&'b self, stamps: &'b Stamps) -> Fields<'b> {
        Fields { element: &self.body, stamps }
    }
}

/// The `SerialNo` of whatever was sent to us, where one can be made out.
pub(crate) fn serial_of(raw: &[u8]) -> Option<String> {
    let root = league_xml::parse(raw, ENCODINGS).ok()?;
    let serial_no = root.child(NAMESPACE, "Head")?.text_of(NAMESPACE, "SerialNo")?;
    text::clean(serial_no, 1, SERIAL_LIMIT).ok()
}

/// Where the text of an element of `Head` stands in the raw message. In all three encodings `<` and `>` are bytes of
/// their own.
pub(crate) fn head_span(raw: &[u8], name: &str) -> Option<std::ops::Range<usize>> {
    let root = league_xml::parse(raw, ENCODINGS).ok()?;
    let span = root.child(NAMESPACE, "Head")?.child(NAMESPACE, name)?.span.clone();
    let element = &raw[span.clone()];
    let begins = element.iter().position(|byte| *byte == b'>')? + 1;
    let ends = element.windows(2).rposition(|pair| pair == b"</")?;
    (begins <= ends).then(|| span.start + begins..span.start + ends)
}

/// Writes a signed message. `body` is the whole `Body` element.
pub(crate) fn write(signed: &Signed<'_>, message: Option<&str>, secret: &Secret, body: &str) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writer.start("Exchange", &[("xmlns", NAMESPACE), ("version", VERSION)]);
    writer.start("Head", &[]);
    writer.leaf("AppKey", signed.app_key);
    writer.leaf("Service", signed.service);
    writer.leaf("SerialNo", signed.serial_no);
    writer.leaf("Timestamp", signed.timestamp);
    for (name, value) in [("Code", signed.code), ("Message", message)] {
        if let Some(value) = value {
            writer.leaf(name, value);
        }
    }
    writer.leaf("Digest", &signed.digest(secret, body.as_bytes()));
    writer.end();
    writer.raw(body);
    writer.finish().into_bytes()
}

/// An element whose fields are read by name. Additions are ignored; a field that stands twice is refused.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    element: &'a Element,
    stamps: &'a Stamps,
}

impl<'a> Fields<'a> {
    /// The fields of a required element.
    pub(crate) fn inside(&self, name: &str) -> Result<Self, Fault> {
        let element = only(self.element, name)?.ok_or_else(|| missing(self.element, name))?;
        Ok(Self { element, stamps: self.stamps })
    }

    /// The fields of each element of that name.
    pub(crate) fn each(&self, name: &'static str) -> impl Iterator<Item = Self> {
        let stamps = self.stamps;
        self.element.children_named(NAMESPACE, name).map(move |element| Self { element, stamps })
    }

    /// A required text.
    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Fault> {
        let text = only(self.element, name)?.map(|element| element.text.trim());
        text.filter(|text| !text.is_empty()).ok_or_else(|| missing(self.element, name))
    }

    /// A required id of theirs.
    pub(crate) fn id(&self, name: &str) -> Result<String, Fault> {
        text::clean(self.text(name)?, 1, ID_LIMIT).map_err(|_| self.invalid(name, "an id"))
    }

    /// Their words, where there are any.
    pub(crate) fn words(&self, name: &str) -> Result<Option<Words>, Fault> {
        let text = only(self.element, name)?.map(|element| element.text.trim());
        Ok(text.filter(|text| !text.is_empty()).map(Words::new))
    }

    /// A required number.
    pub(crate) fn number(&self, name: &str) -> Result<u64, Fault> {
        self.text(name)?.parse().map_err(|_| self.invalid(name, "a number"))
    }

    /// A required `xs:boolean`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.text(name)? {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(self.invalid(name, "true or false")),
        }
    }

    /// A required time.
    pub(crate) fn stamp(&self, name: &str) -> Result<Timestamp, Fault> {
        self.stamps.read(self.text(name)?).ok_or_else(|| self.invalid(name, "a time"))
    }

    /// A time, where there is one.
    pub(crate) fn stamp_if_any(&self, name: &str) -> Result<Option<Timestamp>, Fault> {
        only(self.element, name)?.map(|_| self.stamp(name)).transpose()
    }

    /// A required key of ours.
    pub(crate) fn request_id(&self) -> Result<RequestId, Fault> {
        RequestId::parse(self.text("RequestId")?).ok_or_else(|| self.invalid("RequestId", "a request id"))
    }

    /// A required status: `Status`, or the `Type` of an event.
    pub(crate) fn status(&self, name: &str) -> Result<PartnerStatus, Fault> {
        match self.text(name)? {
            "RECEIVED" => Ok(PartnerStatus::AwaitingCheckIn),
            "CHECKED_IN" => Ok(PartnerStatus::CheckedIn),
            "REJECTED" => Ok(PartnerStatus::Rejected),
            "OVERDUE" => Ok(PartnerStatus::Overdue),
            "WITHDRAWN" => Ok(PartnerStatus::Withdrawn),
            _ => Err(Fault::Unknown(format!("{}/{name}", self.element.name))),
        }
    }

    /// The fault of a field that is not what it must be.
    pub(crate) fn invalid(&self, name: &str, expected: &str) -> Fault {
        Fault::Malformed(format!("{}/{name} is not {expected}", self.element.name))
    }
}

/// The one child of that name, where there is one.
fn only<'a>(parent: &'a Element, name: &str) -> Result<Option<&'a Element>, Fault> {
    let mut found = parent.children.iter().filter(|child| child.is(NAMESPACE, name));
    let first = found.next();
    match found.next() {
        None => Ok(first),
        Some(_) => Err(Fault::Malformed(format!("{}/{name} stands twice", parent.name))),
    }
}

fn missing(parent: &Element, name: &str) -> Fault {
    Fault::Malformed(format!("{}/{name} is missing", parent.name))
}

/// The profile's times: `yyyyMMddHHmmss` by the clocks of Asia/Shanghai.
pub(crate) struct Stamps {
    /// From the tables in the program: the machine's files have no part in what we send.
    zone: TimeZone,
}

impl Stamps {
    pub(crate) fn new() -> Result<Self, ConfigError> {
        let zone = TimeZoneDatabase::bundled().get("Asia/Shanghai");
        let zone = zone.map_err(|error| ConfigError { key: "enabled", problem: error.to_string() })?;
        Ok(Self { zone })
    }

    /// Writes a time, to the second.
    pub(crate) fn write(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y%m%d%H%M%S").to_string()
    }

    /// Reads a time; `None` where there was no such moment.
    pub(crate) fn read(&self, text: &str) -> Option<Timestamp> {
        if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part = |from: usize| text[from..from + 2].parse::<i8>().ok();
        let year = text[..4].parse::<i16>().ok()?;
        let civil = DateTime::new(year, part(4)?, part(6)?, part(8)?, part(10)?, part(12)?, 0).ok()?;
        let at = civil.to_zoned(self.zone.clone()).ok()?.timestamp();
        // An hour that summer time left out (1986 to 1991) would come back as another.
        (self.write(at) == text).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_shanghais() {
        let stamps = Stamps::new().expect("bundled");
        for (text, instant) in [
            ("20240701093000", "2024-07-01T01:30:00Z"),
            ("20240229235959", "2024-02-29T15:59:59Z"),
            ("19700101080000", "1970-01-01T00:00:00Z"),
            // Summer time, an hour ahead.
            ("19880701093000", "1988-07-01T00:30:00Z"),
        ] {
            let instant: Timestamp = instant.parse().expect("an instant");
            assert_eq!(stamps.read(text), Some(instant), "{text}");
            assert_eq!(stamps.write(instant), text);
        }
        for impossible in [
            "20240230000000",
            "20230229000000",
            "20241301000000",
            "20240700000000",
            "20240701240000",
            "20240701096000",
            "20240701093060",
            "2024070109300",
            "202407010930000",
            "+2240701093000",
            "2024070109300０",
            "",
            // Left out when summer time began.
            "19880417023000",
        ] {
            assert_eq!(stamps.read(impossible), None, "{impossible}");
        }
    }

    proptest! {
        #[test]
        fn every_second_survives(second in 0i64..4_102_444_800) {
            let stamps = Stamps::new().expect("bundled");
            let at = Timestamp::from_second(second).expect("in range");
            let read = stamps.read(&stamps.write(at));
            // An hour that came twice is read as its first.
            prop_assert!(read == Some(at) || read == Timestamp::from_second(second - 3600).ok());
        }

        #[test]
        fn no_bytes_panic(raw in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,16}") {
            prop_assert!(Exchange::read(&raw).is_err());
            serial_of(&raw);
            Stamps::new().expect("bundled").read(&text);
        }
    }
}
