//! The WSDL's types on the wire: names, and how their values are written and read.
//!
//! Elements are found by namespace and local name, never by prefix or place; what the WSDL doesn't name is passed
//! over. A required element that is missing, and any element of ours that stands twice, is an error: with two
//! receipt numbers there is no telling which to believe.

use crate::codes;
use jiff::{Timestamp, fmt::temporal::DateTimePrinter, tz::Offset};
use league_contract::{
    DecodeError, EventKind, OpenFields, Operation, Organization, OrganizationKind, PartnerStatus, Receipt,
    Record, RequestId, StatusEvent, Words,
};
use league_xml::Element;

/// SOAP 1.1.
pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// The profile's own.
pub(crate) const LEAGUE: &str = "urn:fj-league:transfer:v1";

/// What of these messages may be shown. `reason` is a word of a list in what we send, and a sentence in what comes back.
pub(crate) const OPEN_FIELDS: OpenFields = OpenFields {
    plain: &[
        "@mustUnderstand",
        "@name",
        "Created",
        "Expires",
        "SOAPAction",
        "Username",
        "after",
        "appliedAt",
        "checkInDeadline",
        "code",
        "destinationOrgName",
        "duplicate",
        "eventId",
        "faultcode",
        "fullName",
        "id",
        "initiator",
        "last",
        "limit",
        "more",
        "occurredAt",
        "provinceCode",
        "receiptNo",
        "requestId",
        "retryAfterSeconds",
        "sequence",
        "sourceOrgId",
        "sourceOrgName",
        "status",
        "total",
        "type",
        "updatedAt",
    ],
    words: &["faultstring", "message", "reason"],
};

/// The WSDL's name of an operation, where it has one.
pub(crate) const fn operation_name(operation: Operation) -> Option<&'static str> {
    match operation {
        Operation::Submit => Some("SubmitTransfer"),
        Operation::Query => Some("QueryTransfer"),
        Operation::Withdraw => Some("WithdrawTransfer"),
        Operation::SearchOrganizations => Some("ListOrganizations"),
        Operation::ListChanges => Some("ListStatusChanges"),
        Operation::CheckOrganization => None,
    }
}

/// The most organizations on a page.
pub(crate) const SEARCH_LIMIT: u32 = 200;
/// The most changes on a page.
pub(crate) const FEED_LIMIT: u32 = 500;

/// China's offset: times are sent with it, in milliseconds.
const OFFSET: Offset = Offset::constant(8);

/// Writes an `xs:dateTime`: `2024-07-01T09:30:00.000+08:00`.
pub(crate) fn date_time(at: Timestamp) -> String {
    DateTimePrinter::new().precision(Some(3)).timestamp_with_offset_to_string(&at, OFFSET)
}

/// Reads an `xs:dateTime` that names its offset; without one it is no instant.
pub(crate) fn parse_date_time(text: &str) -> Option<Timestamp> {
    // jiff reads more forms than XML Schema has; this one holds it to `CCYY-MM-DDThh:mm:ss[.s…](Z|±hh:mm)`.
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let rest = shape.strip_prefix("0000-00-00T00:00:00")?;
    let offset = match rest.strip_prefix(".0") {
        Some(fraction) => fraction.trim_start_matches('0'),
        None => rest,
    };
    matches!(offset, "Z" | "+00:00" | "-00:00").then(|| text.parse().ok()).flatten()
}

/// An error that names a field and a rule, never a value.
pub(crate) fn malformed(what: impl Into<String>) -> DecodeError {
    DecodeError::Malformed(what.into())
}

/// The only child of that name, if there is one.
///
/// # Errors
/// Where there are several.
pub(crate) fn only<'a>(
    parent: &'a Element,
    namespace: &str,
    name: &str,
) -> Result<Option<&'a Element>, DecodeError> {
    let mut found = parent.children.iter().filter(|child| child.is(namespace, name));
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(malformed(format!("several {name}"))),
    }
}

/// The only child of that name.
///
/// # Errors
/// Where there is none, or several.
pub(crate) fn required<'a>(
    parent: &'a Element,
    namespace: &str,
    name: &str,
) -> Result<&'a Element, DecodeError> {
    only(parent, namespace, name)?.ok_or_else(|| malformed(format!("no {name}")))
}

/// Reads the simple elements of one complex type.
pub(crate) struct Reader<'a> {
    /// The complex element.
    element: &'a Element,
    /// The namespace of its children: the fields of a `soap:Fault` have none.
    namespace: &'static str,
}

impl<'a> Reader<'a> {
    /// The children of an element in the profile's namespace.
    pub(crate) const fn league(element: &'a Element) -> Self {
        Self { element, namespace: LEAGUE }
    }

    /// The children of an element in no namespace.
    pub(crate) const fn unqualified(element: &'a Element) -> Self {
        Self { element, namespace: "" }
    }

    /// A field's place, for errors: `record.status`. Our own name for it, not the partner's text.
    pub(crate) fn path(&self, field: &str) -> String {
        format!("{}.{field}", self.element.name)
    }

    /// An `xs:string`, if it is there.
    pub(crate) fn optional(&self, field: &str) -> Result<Option<&'a str>, DecodeError> {
        match only(self.element, self.namespace, field)? {
            Some(found) if !found.children.is_empty() => {
                Err(malformed(format!("{} is not a simple value", self.path(field))))
            }
            found => Ok(found.map(|found| found.text.as_str())),
        }
    }

    /// An `xs:string`, which may be empty.
    pub(crate) fn text(&self, field: &str) -> Result<&'a str, DecodeError> {
        self.optional(field)?.ok_or_else(|| malformed(format!("{} is missing", self.path(field))))
    }

    /// A value that something is known by: not empty.
    pub(crate) fn word(&self, field: &str) -> Result<&'a str, DecodeError> {
        let text = self.text(field)?;
        if text.trim().is_empty() {
            Err(malformed(format!("{} is empty", self.path(field))))
        } else {
            Ok(text)
        }
    }

    /// A partner's own words; empty is none.
    pub(crate) fn words(&self, field: &str) -> Result<Option<Words>, DecodeError> {
        Ok(self.optional(field)?.filter(|text| !text.is_empty()).map(Words::new))
    }

    /// A value of a type whose white space XML Schema collapses.
    fn parsed<T>(&self, field: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, DecodeError> {
        self.parsed_optional(field, read)?
            .ok_or_else(|| malformed(format!("{} is missing", self.path(field))))
    }

    fn parsed_optional<T>(
        &self,
        field: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, DecodeError> {
        let Some(text) = self.optional(field)? else { return Ok(None) };
        read(text.trim_ascii())
            .map(Some)
            .ok_or_else(|| malformed(format!("{} is not of its type", self.path(field))))
    }

    /// `xs:long` and its like.
    pub(crate) fn number<T: std::str::FromStr>(&self, field: &str) -> Result<T, DecodeError> {
        self.parsed(field, |text| text.parse().ok())
    }

    /// `xs:int`, if it is there.
    pub(crate) fn optional_int(&self, field: &str) -> Result<Option<i32>, DecodeError> {
        self.parsed_optional(field, |text| text.parse().ok())
    }

    /// `xs:boolean`.
    pub(crate) fn boolean(&self, field: &str) -> Result<bool, DecodeError> {
        self.parsed(field, |text| match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// `xs:dateTime`.
    pub(crate) fn instant(&self, field: &str) -> Result<Timestamp, DecodeError> {
        self.parsed(field, parse_date_time)
    }

    fn optional_instant(&self, field: &str) -> Result<Option<Timestamp>, DecodeError> {
        self.parsed_optional(field, parse_date_time)
    }

    fn status(&self, field: &str) -> Result<PartnerStatus, DecodeError> {
        codes::status(self.word(field)?).ok_or_else(|| DecodeError::UnknownCode(self.path(field)))
    }

    fn request_id(&self) -> Result<RequestId, DecodeError> {
        self.parsed("requestId", RequestId::parse)
    }
}

/// `SubmitTransferResponse`.
pub(crate) fn receipt(element: &Element) -> Result<Receipt, DecodeError> {
    let read = Reader::league(element);
    Ok(Receipt {
        receipt_no: read.word("receiptNo")?.to_owned(),
        status: read.status("status")?,
        duplicate: read.boolean("duplicate")?,
    })
}

/// `Record`.
pub(crate) fn record(element: &Element) -> Result<Record, DecodeError> {
    let read = Reader::league(element);
    Ok(Record {
        request_id: read.request_id()?,
        receipt_no: read.word("receiptNo")?.to_owned(),
        status: read.status("status")?,
        reason: read.words("reason")?,
        check_in_by: read.optional_instant("checkInDeadline")?,
        account_created_at: None,
        updated_at: read.instant("updatedAt")?,
    })
}

/// `Organization`.
pub(crate) fn organization(element: &Element) -> Result<Organization, DecodeError> {
    let read = Reader::league(element);
    Ok(Organization {
        organization_id: read.word("id")?.to_owned(),
        full_name: read.word("fullName")?.to_owned(),
        kind: OrganizationKind::from_wire(read.text("type")?),
    })
}

/// `Change`, but for its sequence.
pub(crate) fn change(element: &Element) -> Result<StatusEvent, DecodeError> {
    let read = Reader::league(element);
    Ok(StatusEvent {
        event_id: read.word("eventId")?.to_owned(),
        request_id: read.request_id()?,
        receipt_no: read.word("receiptNo")?.to_owned(),
        kind: EventKind::Status(read.status("type")?),
        occurred_at: read.instant("occurredAt")?,
        reason: read.words("reason")?,
        check_in_by: read.optional_instant("checkInDeadline")?,
        organization_id: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2024-07-01T09:30:00+08:00", "2024-07-01T01:30:00Z")]
    #[case("2024-07-01T01:30:00Z", "2024-07-01T01:30:00Z")]
    #[case("2024-07-01T01:30:00.5-00:00", "2024-07-01T01:30:00.5Z")]
    #[case("2024-07-01T00:00:00.123456789+08:00", "2024-06-30T16:00:00.123456789Z")]
    #[case("2024-02-29T23:59:59-05:30", "2024-03-01T05:29:59Z")]
    fn times_with_an_offset_are_read(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(parse_date_time(text).map(|at| at.to_string()).as_deref(), Some(expected));
    }

    #[rstest]
    #[case("2024-07-01T09:30:00")]
    #[case("2024-07-01 09:30:00+08:00")]
    #[case("2024-07-01T09:30+08:00")]
    #[case("2024-07-01T09:30:00+08")]
    #[case("2024-07-01T09:30:00+0800")]
    #[case("2024-07-01T09:30:00.+08:00")]
    #[case("2024-07-01T09:30:00z")]
    #[case("2024-07-01T09:30:00+08:00[Asia/Shanghai]")]
    #[case("2024-02-30T09:30:00+08:00")]
    #[case("2024-07-01T25:30:00+08:00")]
    #[case("2024-07-01")]
    #[case("２０２４-07-01T09:30:00Z")]
    #[case("")]
    fn all_else_is_no_instant(#[case] text: &str) {
        assert_eq!(parse_date_time(text), None, "{text}");
    }
}
