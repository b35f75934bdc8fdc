//! What identifies a person. Every type here shows itself masked; the clear value comes from `expose` alone.

use crate::{mask, text};
use jiff::civil::Date;
use std::fmt;
use zeroize::Zeroizing;

macro_rules! personal {
    ($name:ident, $mask:expr) => {
        impl $name {
            /// The clear value: for sealing, for the wire, and for a role that may see it.
            #[must_use]
            pub fn expose(&self) -> &str {
                &self.0
            }

            /// What may be shown.
            #[must_use]
            pub fn masked(&self) -> String {
                $mask(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.masked())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.masked())
            }
        }
    };
}

/// A citizen's ID number: 18 characters after GB 11643, checksum and birth date verified, closing `X` in upper case.
#[derive(Clone, PartialEq, Eq)]
pub struct IdNumber(Zeroizing<String>);
personal!(IdNumber, mask::id_number);

/// What is wrong with an ID number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdNumberError {
    /// Another document, or the 15-digit number of before 1999.
    OtherDocument,
    /// Not 18 characters.
    Length,
    /// Something else than 17 digits and a digit or `X`.
    Characters,
    /// The address code's province is none of 11–65, 71, 81, 82, 83.
    Region,
    /// No such day.
    BirthDate,
    /// ISO 7064 MOD 11-2 does not hold.
    Checksum,
}

/// Weights of ISO 7064 MOD 11-2 for the first 17 digits (GB 11643-1999).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// The check character for each remainder.
const CHECKS: [u8; 11] = *b"10X98765432";

impl IdNumber {
    /// Reads an ID number; full-width digits and a lower-case `x` are converted.
    ///
    /// # Errors
    /// [`IdNumberError`], the first rule that is broken.
    pub fn parse(input: &str) -> Result<Self, IdNumberError> {
        let value = Zeroizing::new(text::half_width(input).trim().to_uppercase());
        let bytes = value.as_bytes();
        let digits = |range: &[u8]| range.iter().all(u8::is_ascii_digit);
        if bytes.len() == 15 && digits(bytes) {
            return Err(IdNumberError::OtherDocument);
        }
        // Passports and permits carry letters where an ID number has digits.
        if !bytes.is_empty()
            && bytes.len() != 18
            && bytes.iter().any(u8::is_ascii_alphabetic)
            && value.is_ascii()
        {
            let numberish = digits(&bytes[..bytes.len() - 1]) && bytes.ends_with(b"X");
            return Err(if numberish { IdNumberError::Length } else { IdNumberError::OtherDocument });
        }
        if value.chars().count() != 18 {
            return Err(IdNumberError::Length);
        }
        if bytes.len() != 18 || !digits(&bytes[..17]) || !(bytes[17].is_ascii_digit() || bytes[17] == b'X') {
            return Err(IdNumberError::Characters);
        }
        if !matches!(&value[..2], "71" | "81" | "82" | "83") && !("11"..="65").contains(&&value[..2]) {
            return Err(IdNumberError::Region);
        }
        birth_date(&value).ok_or(IdNumberError::BirthDate)?;
        let sum: u32 =
            bytes.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        if CHECKS[(sum % 11) as usize] != bytes[17] {
            return Err(IdNumberError::Checksum);
        }
        Ok(Self(value))
    }

    /// The day of birth.
    #[must_use]
    pub fn birth_date(&self) -> Date {
        birth_date(&self.0).unwrap_or(Date::MIN)
    }

    /// Full years of age on a day.
    #[must_use]
    pub fn age_on(&self, day: Date) -> i16 {
        let birth = self.birth_date();
        let had_birthday = (day.month(), day.day()) >= (birth.month(), birth.day());
        day.year() - birth.year() - i16::from(!had_birthday)
    }

    /// The 17th digit: odd is male.
    #[must_use]
    pub fn gender(&self) -> Gender {
        if self.0.as_bytes()[16] % 2 == 1 { Gender::Male } else { Gender::Female }
    }
}

fn birth_date(value: &str) -> Option<Date> {
    let number = |from: usize, to: usize| value.get(from..to)?.parse::<i16>().ok();
    let (year, month, day) = (number(6, 10)?, number(10, 12)?, number(12, 14)?);
    (year >= 1800).then_some(())?;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// GB/T 2261.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gender {
    /// 男
    Male,
    /// 女
    Female,
}

/// A person's name, 1 to 50 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(Zeroizing<String>);
personal!(PersonName, mask::name);

impl PersonName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`text::TextError`] when it is empty, too long, or holds control characters.
    pub fn parse(input: &str) -> Result<Self, text::TextError> {
        if input.chars().any(text::invisible) {
            return Err(text::TextError::Unprintable);
        }
        text::clean(input, 1, 50).map(|name| Self(Zeroizing::new(name)))
    }
}

/// A mainland mobile number: 1 and ten digits.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(Zeroizing<String>);
personal!(PhoneNumber, mask::phone);

impl PhoneNumber {
    /// Reads a number; full-width digits are converted.
    #[must_use]
    pub fn parse(input: &str) -> Option<Self> {
        let value = Zeroizing::new(text::half_width(input).trim().to_owned());
        let shape = value.len() == 11 && value.starts_with('1') && value.bytes().all(|b| b.is_ascii_digit());
        shape.then_some(Self(value))
    }
}

/// A member development number (发展团员编号): 12 digits, or Shandong's 16.
#[derive(Clone, PartialEq, Eq)]
pub struct LeagueNumber(Zeroizing<String>);
personal!(LeagueNumber, mask::digits);

impl LeagueNumber {
    /// Reads a number and holds it against the year of joining: before 2017 the first four digits are that year;
    /// 2017 and 2018 either of the two; from 2019 that year. Shandong's form (`201516…`, `201617…`, 16 digits)
    /// passes for those who joined in 2015 to 2018.
    #[must_use]
    pub fn parse(input: &str, joined: YearMonth) -> Option<Self> {
        let value = Zeroizing::new(text::half_width(input).trim().to_owned());
        if !value.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let year = joined.year();
        let holds = match value.len() {
            12 => {
                let first = value[..4].parse::<i16>().ok()?;
                if (2017..=2018).contains(&year) { (2017..=2018).contains(&first) } else { first == year }
            }
            16 => {
                (value.starts_with("201516") || value.starts_with("201617")) && (2015..=2018).contains(&year)
            }
            _ => false,
        };
        holds.then_some(Self(value))
    }

    /// Whether somebody who joined then must have one.
    #[must_use]
    pub const fn required(joined: YearMonth) -> bool {
        joined.year() >= 2017
    }

    /// The number, where it has the twelve digits that a profile has room for.
    #[must_use]
    pub fn expose_twelve(&self) -> Option<&str> {
        (self.0.len() == 12).then(|| self.expose())
    }
}

/// A month: `2018-05`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct YearMonth {
    year: i16,
    month: i8,
}

impl YearMonth {
    /// Reads `YYYY-MM`.
    #[must_use]
    pub fn parse(input: &str) -> Option<Self> {
        let value = text::half_width(input);
        let (year, month) = value.trim().split_once('-')?;
        let plain = year.len() == 4
            && month.len() == 2
            && [year, month].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()));
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        (plain && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// The month that a day is in.
    #[must_use]
    pub fn of(day: Date) -> Self {
        Self { year: day.year(), month: day.month() }
    }

    /// The year.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }
}

impl fmt::Display for YearMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl fmt::Debug for YearMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn the_standards_examples_hold() {
        for example in ["11010519491231002X", "440524188001010014"] {
            assert_eq!(IdNumber::parse(example).map(|id| id.expose().to_owned()), Ok(example.to_owned()));
        }
        let id = IdNumber::parse(" １１０１０５１９４９１２３１００２ｘ ").expect("full-width is converted");
        assert_eq!(id.birth_date(), date(1949, 12, 31));
        assert_eq!(id.gender(), Gender::Female);
        assert_eq!(id.age_on(date(2024, 12, 30)), 74);
        assert_eq!(id.age_on(date(2024, 12, 31)), 75);
    }

    #[test]
    fn each_rule_refuses() {
        use IdNumberError::{BirthDate, Characters, Checksum, Length, OtherDocument, Region};
        for (input, error) in [
            ("110105491231002", OtherDocument),
            ("E12345678", OtherDocument),
            ("HA1234567890", OtherDocument),
            ("", Length),
            ("1101051949123100", Length),
            ("1101051949123100X", Length),
            ("1101051949123100222", Length),
            ("11010519491231002Y", Characters),
            ("1101051949A231002X", Characters),
            ("66010519491231002X", Region),
            ("10010519491231002X", Region),
            ("11010519490231002X", BirthDate),
            ("110105194912310021", Checksum),
            ("一二三四五六七八九十一二三四五六七八", Characters),
        ] {
            assert_eq!(IdNumber::parse(input), Err(error), "{input}");
        }
    }

    #[test]
    fn a_name_holds_no_invisible_character() {
        assert!(PersonName::parse("张\u{200B}三").is_err());
        assert!(PersonName::parse("买买提·艾力").is_ok());
    }

    #[test]
    fn nothing_personal_prints() {
        let id = IdNumber::parse("11010519491231002X").expect("valid");
        let phone = PhoneNumber::parse("13800138000").expect("valid");
        let name = PersonName::parse("张三").expect("valid");
        let shown = format!("{id} {id:?} {phone} {phone:?} {name} {name:?}");
        assert_eq!(shown, "110*************** 110*************** 138******** 138******** 张* 张*");
    }

    #[test]
    fn member_numbers_follow_their_years_rule() {
        let holds = |number: &str, joined: &str| {
            LeagueNumber::parse(number, YearMonth::parse(joined).expect("month")).is_some()
        };
        assert!(holds("201811000001", "2018-05"));
        assert!(holds("201711000001", "2018-05"));
        assert!(!holds("201611000001", "2018-05"));
        assert!(holds("202211000001", "2022-05"));
        assert!(!holds("202111000001", "2022-05"));
        assert!(holds("201511000001", "2015-05"));
        assert!(!holds("20151100000", "2015-05"));
        assert!(holds("2015161234567890", "2016-05"));
        assert!(holds("2016171234567890", "2017-05"));
        assert!(!holds("2017181234567890", "2017-05"));
        assert!(!holds("2016171234567890", "2020-05"));
        assert!(!holds("20221100000X", "2022-05"));
        assert!(!LeagueNumber::required(YearMonth::parse("2016-12").expect("month")));
        assert!(LeagueNumber::required(YearMonth::parse("2017-01").expect("month")));
    }

    #[test]
    fn months_are_read_strictly() {
        assert_eq!(YearMonth::parse("2018-05").map(|month| month.to_string()), Some("2018-05".into()));
        for bad in ["2018-13", "2018-00", "2018-5", "18-05", "2018/05", "+201-05", "2018-05-01", ""] {
            assert_eq!(YearMonth::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_digit_never_passes(position in 0usize..17, digit in 0u8..10) {
            let mut bytes = b"11010519491231002X".to_vec();
            prop_assume!(bytes[position] != b'0' + digit);
            bytes[position] = b'0' + digit;
            let text = String::from_utf8(bytes).expect("ASCII");
            prop_assert!(IdNumber::parse(&text).is_err());
        }

        #[test]
        fn no_input_panics(input in "\\PC{0,30}") {
            IdNumber::parse(&input).ok();
            prop_assert!(PhoneNumber::parse(&input).is_none_or(|phone| phone.expose().len() == 11));
            let month = YearMonth::parse("2018-05").expect("month");
            prop_assert!(YearMonth::parse(&input).is_none_or(|month| month.to_string().len() == 7));
            prop_assert!(LeagueNumber::parse(&input, month).is_none_or(|number| number.expose().len() >= 12));
        }
    }
}
