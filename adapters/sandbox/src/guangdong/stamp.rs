//! `yyyyMMddHHmmss` in Asia/Shanghai.

use crate::rules::Rule;
use jiff::civil::DateTime;
use jiff::{Timestamp, tz};

/// China has kept one offset since 1991.
pub(crate) const SHANGHAI: tz::Offset = tz::offset(8);

/// Reads a stamp, if there is such a time.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let plain = Rule::Digits(14).holds(text);
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok().filter(|_| plain)?;
    SHANGHAI.to_timestamp(time).ok()
}

pub(crate) fn print(at: Timestamp) -> String {
    SHANGHAI.to_datetime(at).strftime("%Y%m%d%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_go_both_ways() {
        let at: Timestamp = "2024-07-01T01:30:00Z".parse().expect("a time");
        assert_eq!(print(at), "20240701093000");
        assert_eq!(parse("20240701093000"), Some(at));
        assert_eq!(parse("20240230093000"), None);
        assert_eq!(parse("2024070109300"), None);
    }
}
