//! Maintenance windows, in the time of Asia/Shanghai, which is eight hours ahead all year.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// When a system is in maintenance: no exchange begins then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar(Vec<Window>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Window {
    /// On these days of the week (from Monday), from a time of the day on.
    Weekly { days: [bool; 7], from: Time, lasts: SignedDuration },
    /// Once.
    Once { from: DateTime, until: DateTime },
}

impl Window {
    /// As configuration writes it.
    fn written(&self) -> String {
        match self {
            Self::Once { from, until } => {
                format!("{}-{}", from.strftime("%Y-%m-%d %H:%M"), until.strftime("%Y-%m-%d %H:%M"))
            }
            Self::Weekly { days, from, lasts } => {
                let named = DAYS.iter().zip(days).filter(|(_, on)| **on).map(|((name, _), _)| *name);
                let named = named.collect::<Vec<_>>().join(",");
                let days = if days.contains(&false) { format!("{named} ") } else { String::new() };
                let until = from.wrapping_add(*lasts);
                let until = if until == Time::midnight() {
                    "24:00".into()
                } else {
                    until.strftime("%H:%M").to_string()
                };
                format!("{days}{}-{until}", from.strftime("%H:%M"))
            }
        }
    }

    /// Its end, if an instant lies in it.
    fn end(&self, at: DateTime) -> Option<DateTime> {
        match self {
            Self::Once { from, until } => (*from <= at && at < *until).then_some(*until),
            Self::Weekly { days, from, lasts } => {
                // One that began yesterday may last over midnight.
                [at.date(), at.date().saturating_sub(DAY)].into_iter().find_map(|date| {
                    let begins = date.to_datetime(*from);
                    let ends = begins.saturating_add(*lasts);
                    (days[place(date.weekday())] && begins <= at && at < ends).then_some(ends)
                })
            }
        }
    }
}

impl Calendar {
    /// Reads windows: daily `02:00-03:00` (`23:30-00:30` over midnight), with days `Sat 01:00-05:00`,
    /// `Mon-Fri 02:00-03:00`, `Sat,Sun 00:00-24:00`, single ones `2026-10-01 22:00-2026-10-02 06:00`.
    ///
    /// # Errors
    /// What is wrong, and how to write it.
    pub fn parse(windows: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            window(text.trim()).map_err(|problem| {
                format!(
                    "`{text}`: {problem}; write 02:00-03:00, Sat,Sun 00:00-06:00 or \
                     2026-10-01 22:00-2026-10-02 06:00 (Asia/Shanghai)"
                )
            })
        };
        let calendar = Self(windows.iter().map(read).collect::<Result<_, _>>()?);
        if calendar.is_always_closed() {
            return Err(
                "the windows leave no time in the week: to stop a system write enabled = false".into()
            );
        }
        Ok(calendar)
    }

    /// The windows as configuration writes them.
    #[must_use]
    pub fn windows(&self) -> Vec<String> {
        self.0.iter().map(Window::written).collect()
    }

    /// Until when maintenance lasts, if it does now: windows that touch or overlap are walked through to the end of
    /// the last.
    #[must_use]
    pub fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = zone();
        let end = self.walk(zone.to_datetime(now), DateTime::MAX)?;
        zone.to_timestamp(end).ok()
    }

    /// The end of the windows that follow each other from an instant on, looked for up to a limit.
    fn walk(&self, from: DateTime, limit: DateTime) -> Option<DateTime> {
        let next = |at| self.0.iter().filter_map(|window| window.end(at)).max();
        let mut end = next(from)?;
        while end < limit
            && let Some(later) = next(end)
        {
            end = later;
        }
        Some(end)
    }

    /// Whether what repeats weekly covers the week.
    fn is_always_closed(&self) -> bool {
        let weekly = self.0.iter().filter(|window| matches!(window, Window::Weekly { .. }));
        let weekly = Self(weekly.cloned().collect());
        let from = Date::constant(2024, 1, 1).to_datetime(Time::midnight());
        let limit = from.saturating_add(DAY * 8);
        weekly.walk(from, limit).is_some_and(|end| end >= limit)
    }
}

fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(8))
}

fn place(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or_default()
}

fn window(text: &str) -> Result<Window, String> {
    if let Some((date, times)) = text.split_once(' ')
        && let Ok(date) = date.parse::<Date>()
    {
        return once(date, times);
    }
    let (days, times) = match text.split_once(char::is_whitespace) {
        Some((days, times)) if days.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            (weekdays(days)?, times)
        }
        _ => ([true; 7], text),
    };
    let (from, until) = times.split_once('-').ok_or("two times with - between them are needed")?;
    let (from, until) = (time(from)?, end_of_day(until)?);
    Ok(Window::Weekly { days, from, lasts: lasts(from, until)? })
}

/// `22:00-2026-10-02 06:00`, or `22:00-23:00` on the same day.
fn once(date: Date, times: &str) -> Result<Window, String> {
    let (from, rest) = times.split_once('-').ok_or("the end is missing")?;
    let from = date.to_datetime(time(from)?);
    let until = match rest.trim().split_once(' ') {
        Some((date, until)) => {
            let date = date.parse::<Date>().map_err(|_| format!("`{date}` is not a date"))?;
            end_of_day(until)?.map_or_else(
                || date.saturating_add(DAY).to_datetime(Time::midnight()),
                |until| date.to_datetime(until),
            )
        }
        None => from.saturating_add(lasts(from.time(), end_of_day(rest)?)?),
    };
    if until <= from {
        return Err("it ends before it begins".into());
    }
    Ok(Window::Once { from, until })
}

/// From a time to the next time; nothing is the end of the day.
fn lasts(from: Time, until: Option<Time>) -> Result<SignedDuration, String> {
    let span = until.unwrap_or(Time::midnight()).duration_since(from);
    match until {
        Some(until) if until == from => Err("it ends when it begins; a whole day is 00:00-24:00".into()),
        _ if span.is_positive() => Ok(span),
        _ => Ok(span + DAY),
    }
}

fn time(text: &str) -> Result<Time, String> {
    let text = text.trim();
    let read = (text.len() == 5).then(|| Time::strptime("%H:%M", text).ok()).flatten();
    read.ok_or_else(|| format!("`{text}` is not a time of the day like 02:00"))
}

fn end_of_day(text: &str) -> Result<Option<Time>, String> {
    if text.trim() == "24:00" { Ok(None) } else { time(text).map(Some) }
}

/// `Sat`, `Sat,Sun`, `Mon-Fri`, `Fri-Mon`.
fn weekdays(text: &str) -> Result<[bool; 7], String> {
    let day = |name: &str| {
        let known = DAYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let unknown = || format!("`{name}` is not a day: Mon, Tue, Wed, Thu, Fri, Sat, Sun");
        known.map(|(_, day)| place(*day)).ok_or_else(unknown)
    };
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        days[at] = true;
        while at != last {
            at = (at + 1) % 7;
            days[at] = true;
        }
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn calendar(windows: &[&str]) -> Calendar {
        let windows: Vec<String> = windows.iter().map(|text| (*text).to_owned()).collect();
        Calendar::parse(&windows).expect("windows")
    }

    fn at(text: &str) -> Timestamp {
        zone().to_timestamp(text.parse().expect("a local time")).expect("a time")
    }

    fn until(windows: &[&str], now: &str) -> Option<String> {
        let end = calendar(windows).closed_until(at(now))?;
        Some(zone().to_datetime(end).strftime("%Y-%m-%d %H:%M").to_string())
    }

    #[test]
    fn windows_are_written_as_configuration_has_them() {
        let windows =
            ["02:00-03:00", "23:30-00:30", "Sat,Sun 00:00-24:00", "2026-10-01 22:00-2026-10-02 06:00"];
        assert_eq!(calendar(&windows).windows(), windows);
        assert_eq!(calendar(&["Mon-Fri 02:00-03:00"]).windows(), ["Mon,Tue,Wed,Thu,Fri 02:00-03:00"]);
        let read_back = Calendar::parse(&calendar(&windows).windows());
        assert_eq!(read_back, Ok(calendar(&windows)));
    }

    #[test]
    fn a_window_holds_from_its_begin_until_its_end() {
        // 2026-10-01 is a Thursday.
        for (window, now, end) in [
            ("02:00-03:00", "2026-10-01T01:59:59", None),
            ("02:00-03:00", "2026-10-01T02:00:00", Some("2026-10-01 03:00")),
            ("02:00-03:00", "2026-10-01T02:59:59.999", Some("2026-10-01 03:00")),
            ("02:00-03:00", "2026-10-01T03:00:00", None),
            ("02:00 - 03:00", "2026-10-01T02:30:00", Some("2026-10-01 03:00")),
            ("23:30-00:30", "2026-10-01T23:45:00", Some("2026-10-02 00:30")),
            ("23:30-00:30", "2026-10-01T00:15:00", Some("2026-10-01 00:30")),
            ("23:30-00:30", "2026-10-01T00:30:00", None),
            ("Sat 01:00-05:00", "2026-10-03T04:00:00", Some("2026-10-03 05:00")),
            ("Sat 01:00-05:00", "2026-10-04T04:00:00", None),
            ("Sat 23:00-01:00", "2026-10-04T00:30:00", Some("2026-10-04 01:00")),
            ("Sat 23:00-01:00", "2026-10-03T00:30:00", None),
            ("Mon-Fri 02:00-03:00", "2026-10-02T02:00:00", Some("2026-10-02 03:00")),
            ("Mon-Fri 02:00-03:00", "2026-10-03T02:00:00", None),
            ("fri-MON 02:00-03:00", "2026-10-05T02:00:00", Some("2026-10-05 03:00")),
            ("fri-MON 02:00-03:00", "2026-10-06T02:00:00", None),
            ("Sat,Sun 00:00-24:00", "2026-10-03T12:00:00", Some("2026-10-05 00:00")),
            ("2026-10-01 22:00-2026-10-02 06:00", "2026-10-02T05:00:00", Some("2026-10-02 06:00")),
            ("2026-10-01 22:00-2026-10-02 06:00", "2026-10-02T06:00:00", None),
            ("2026-10-01 22:00-23:00", "2026-10-01T22:30:00", Some("2026-10-01 23:00")),
            ("2026-10-01 22:00-06:00", "2026-10-02T05:00:00", Some("2026-10-02 06:00")),
        ] {
            assert_eq!(until(&[window], now).as_deref(), end, "{window} at {now}");
        }
        assert_eq!(Calendar::default().closed_until(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn windows_that_touch_are_one() {
        let windows = ["23:00-24:00", "00:00-01:00", "00:30-02:00", "2026-10-01 02:00-2026-10-03 00:10"];
        assert_eq!(until(&windows, "2026-09-30T23:10:00").as_deref(), Some("2026-10-03 02:00"));
        assert_eq!(until(&windows, "2026-09-29T23:10:00").as_deref(), Some("2026-09-30 02:00"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (windows, told) in [
            (["25:00-03:00"].as_slice(), "`25:00` is not a time"),
            (&["2:00-3:00"], "`2:00` is not a time"),
            (&["02:00"], "two times"),
            (&[""], "two times"),
            (&["02:00-02:00"], "it ends when it begins"),
            (&["24:00-03:00"], "`24:00` is not a time"),
            (&["Someday 02:00-03:00"], "`Someday` is not a day"),
            (&["Sat,, 02:00-03:00"], "`` is not a day"),
            (&["2026-13-01 22:00-23:00"], "is not a time"),
            (&["2026-10-01 22:00-2026-09-30 22:00"], "it ends before it begins"),
            (&["2026-10-01 22:00-2026-09-31 22:00"], "`2026-09-31` is not a date"),
            (&["2026-10-01 22:00"], "the end is missing"),
            (&["00:00-24:00"], "leave no time"),
            (&["Mon-Sun 00:00-12:30", "12:00-24:00"], "leave no time"),
        ] {
            let windows: Vec<String> = windows.iter().map(|text| (*text).to_owned()).collect();
            let problem = Calendar::parse(&windows).expect_err("a problem");
            assert!(problem.contains(told), "{windows:?}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn the_end_is_open_and_nothing_before_it_is(
            windows in proptest::collection::vec(("(Mon|Tue-Thu|Sat,Sun|Fri-Mon)", 0u32..24, 1u32..8), 0..5),
            minute in 0i64..14 * 24 * 60,
        ) {
            let texts: Vec<String> = windows
                .iter()
                .map(|(days, from, lasts)| format!("{days} {from:02}:30-{:02}:30", (from + lasts) % 24))
                .collect();
            let calendar = Calendar::parse(&texts).expect("windows");
            let now = at("2026-10-01T00:00:00") + SignedDuration::from_mins(minute);
            if let Some(end) = calendar.closed_until(now) {
                prop_assert!(end > now);
                prop_assert_eq!(calendar.closed_until(end), None);
                let minutes = end.duration_since(now).as_mins();
                for passed in 0..minutes {
                    prop_assert!(calendar.closed_until(now + SignedDuration::from_mins(passed)).is_some());
                }
            }
        }

        #[test]
        fn no_text_breaks_it(text in "[0-9:, \\-A-Za-z]{0,40}", now in -4_000_000_000i64..8_000_000_000) {
            if let Ok(calendar) = Calendar::parse(&[text]) {
                let now = Timestamp::from_second(now).expect("in range");
                prop_assert!(calendar.closed_until(now).is_none_or(|end| end > now));
            }
        }
    }
}
