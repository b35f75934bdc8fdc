//! How the two XML partners write a time: stamps, `yyyyMMddHHmmss` in Asia/Shanghai, and `xsd:dateTime`.

use jiff::civil::DateTime;
use jiff::{Timestamp, tz};

/// China has kept one offset since 1991.
const SHANGHAI: tz::Offset = tz::offset(8);

/// Reads a stamp, if there is such a time.
pub(crate) fn read_stamp(text: &str) -> Option<Timestamp> {
    let plain = text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok().filter(|_| plain)?;
    SHANGHAI.to_timestamp(time).ok()
}

pub(crate) fn write_stamp(at: Timestamp) -> String {
    SHANGHAI.to_datetime(at).strftime("%Y%m%d%H%M%S").to_string()
}

/// Reads an `xsd:dateTime` with an offset.
pub(crate) fn read_instant(text: &str) -> Option<Timestamp> {
    let offset = text.ends_with('Z')
        || text
            .get(text.len().saturating_sub(6)..)
            .is_some_and(|end| end.starts_with(['+', '-']) && end.contains(':'));
    let plain = text.as_bytes().get(10) == Some(&b'T') && text.is_ascii() && !text.contains('[');
    text.parse().ok().filter(|_| offset && plain)
}

pub(crate) fn write_instant(at: Timestamp) -> String {
    at.display_with_offset(SHANGHAI).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_go_both_ways() {
        let at: Timestamp = "2024-07-01T01:30:00Z".parse().expect("a time");
        assert_eq!(write_stamp(at), "20240701093000");
        assert_eq!(read_stamp("20240701093000"), Some(at));
        assert_eq!(read_stamp("20240230093000"), None);
        assert_eq!(read_stamp("2024070109300"), None);
    }
}
