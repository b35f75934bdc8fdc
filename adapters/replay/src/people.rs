//! Made-up people: those that a tree of fixtures lists, and those that a recording makes.
//!
//! A made-up ID number has the region `110199`, which GB/T 2260 has never given out, and a checksum that holds; a made-up
//! mobile number begins with `161`, which is given to no carrier. Nobody real has either, and both are known at sight.

use crate::load::{FixtureError, read_toml};
use hmac::{Hmac, KeyInit, Mac};
use league_contract::identity::{IdNumber, LeagueNumber};
use serde::Deserialize;
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Region of made-up ID numbers: in Beijing's first prefecture, a county that is none.
const REGION: &str = "110199";
/// Prefix of made-up mobile numbers.
const CARRIER: &str = "161";

const SURNAMES: [&str; 16] = [
    "欧阳", "司马", "上官", "诸葛", "慕容", "令狐", "宇文", "皇甫", "东方", "南宫", "西门", "公孙", "轩辕",
    "尉迟", "长孙", "夏侯",
];
const GIVEN: [&str; 32] = [
    "样例", "示范", "虚构", "模拟", "假设", "试验", "演练", "范本", "样本", "拟名", "代称", "化名", "无名",
    "某人", "甲乙", "明轩", "天佑", "雅琴", "文博", "欣悦", "志远", "佳音", "景行", "知行", "云帆", "向阳",
    "初晴", "望舒", "清扬", "长庚", "飞白", "采薇",
];

/// The people of a tree of fixtures who are made up though they bear no sign of it (`people.toml`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// ID numbers.
    id_numbers: BTreeSet<String>,
    /// Mobile numbers.
    phones: BTreeSet<String>,
    /// Names.
    names: BTreeSet<String>,
}

impl People {
    /// Reads `people.toml` of a tree; without one nobody is listed.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn load(root: &Path) -> Result<Self, FixtureError> {
        let path = root.join("people.toml");
        if path.exists() { read_toml(&path) } else { Ok(Self::default()) }
    }

    /// Whether nobody real has this ID number.
    #[must_use]
    pub fn made_up_id_number(&self, number: &str) -> bool {
        let number = number.to_ascii_uppercase();
        number.starts_with(REGION) || self.id_numbers.contains(&number)
    }

    /// Whether nobody real has this mobile number.
    #[must_use]
    pub fn made_up_phone(&self, number: &str) -> bool {
        number.starts_with(CARRIER) || self.phones.contains(number)
    }

    /// Whether a name is listed, or one that recordings give.
    #[must_use]
    pub fn made_up_name(&self, name: &str) -> bool {
        let given = |surname: &&str| name.strip_prefix(*surname).is_some_and(|rest| GIVEN.contains(&rest));
        self.names.contains(name) || SURNAMES.iter().any(given)
    }
}

/// What a value of a person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    IdNumber,
    Phone,
    Name,
    LeagueNumber,
}

/// Gives parts to people: the same person has the same part throughout a recording, and no part leads back to the
/// person, since the key is thrown away.
pub(crate) struct Cast {
    key: [u8; 32],
    parts: BTreeMap<(Role, String), String>,
}

impl Cast {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self { key, parts: BTreeMap::new() }
    }

    /// Another ID number: of the same year and sex, born on another day of the same month or before, so that whoever
    /// was old enough still is.
    pub(crate) fn id_number(&mut self, real: &IdNumber) -> String {
        let born = real.birth_date();
        let sex = real.expose().as_bytes()[16] % 2;
        self.part(Role::IdNumber, real.expose(), |dice| {
            let month = 1 + dice.below(born.month().unsigned_abs().into());
            let day = 1 + (u64::from(born.day().unsigned_abs()) + dice.below(27)) % 28;
            let sequence = dice.below(500) * 2 + u64::from(sex);
            checked(&format!("{REGION}{:04}{month:02}{day:02}{sequence:03}", born.year()))
        })
    }

    /// Another mobile number.
    pub(crate) fn phone(&mut self, real: &str) -> String {
        self.part(Role::Phone, real, |dice| format!("{CARRIER}{:08}", dice.below(100_000_000)))
    }

    /// Another name.
    pub(crate) fn name(&mut self, real: &str) -> String {
        self.part(Role::Name, real, |dice| format!("{}{}", dice.of(&SURNAMES), dice.of(&GIVEN)))
    }

    /// Another member development number; its year, and Shandong's form, stay.
    pub(crate) fn league_number(&mut self, real: &LeagueNumber) -> String {
        let real = real.expose();
        let kept = if real.len() == 16 { 6 } else { 4 };
        self.part(Role::LeagueNumber, real, |dice| {
            let rest: String = (kept..real.len()).map(|_| char::from(b'0' + dice.digit())).collect();
            format!("{}{rest}", &real[..kept])
        })
    }

    fn part(&mut self, role: Role, real: &str, make: impl Fn(&mut Dice) -> String) -> String {
        let key = (role, real.to_owned());
        if let Some(part) = self.parts.get(&key) {
            return part.clone();
        }
        let taken: BTreeSet<&String> =
            self.parts.iter().filter(|((known, _), _)| *known == role).map(|(_, part)| part).collect();
        let mut dice = Dice::new(&self.key, role, real);
        let mut part = make(&mut dice);
        for _ in 0..64 {
            if part != real && !taken.contains(&part) {
                break;
            }
            part = make(&mut dice);
        }
        self.parts.insert(key, part.clone());
        part
    }
}

/// The ID number with its check character (GB 11643).
fn checked(body: &str) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = body.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{body}{}", char::from(b"10X98765432"[sum as usize % 11]))
}

/// Numbers that follow from a key and a value, and from nothing else.
struct Dice {
    mac: Hmac<Sha256>,
    throws: u32,
}

impl Dice {
    fn new(key: &[u8; 32], role: Role, real: &str) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
        Self { mac: mac.chain_update([role as u8]).chain_update(real), throws: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.throws += 1;
        let digest = self.mac.clone().chain_update(self.throws.to_be_bytes()).finalize().into_bytes();
        let first = digest.iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        first % bound.max(1)
    }

    fn digit(&mut self) -> u8 {
        self.below(10).to_le_bytes()[0]
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.below(list.len() as u64)).unwrap_or_default();
        list.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use league_contract::identity::YearMonth;

    #[test]
    fn a_part_is_plausible_and_known_as_made_up() {
        let mut cast = Cast::new([1; 32]);
        let nobody = People::default();
        let mut seen = BTreeSet::new();
        for year in 1980..2010 {
            for (month, sequence) in [(1, 1), (6, 122), (12, 3)] {
                let real = IdNumber::parse(&checked(&format!("320102{year}{month:02}17{sequence:03}")))
                    .expect("valid");
                assert!(!nobody.made_up_id_number(real.expose()));
                let part = cast.id_number(&real);
                let read = IdNumber::parse(&part).expect("its checksum holds");
                assert!(nobody.made_up_id_number(&part));
                assert_eq!(read.gender(), real.gender());
                assert_eq!(read.birth_date().year(), real.birth_date().year());
                assert!(YearMonth::of(read.birth_date()) <= YearMonth::of(real.birth_date()));
                assert_ne!(read.birth_date(), real.birth_date());
                assert_eq!(cast.id_number(&real), part, "the same person, the same part");
                assert!(seen.insert(part), "no part is given twice");
            }
        }
    }

    #[test]
    fn names_and_numbers_have_their_forms() {
        let mut cast = Cast::new([2; 32]);
        let nobody = People::default();
        assert!(nobody.made_up_name(&cast.name("张三")) && !nobody.made_up_name("张三"));
        let phone = cast.phone("13800138000");
        assert!(nobody.made_up_phone(&phone) && phone.len() == 11, "{phone}");
        for (number, joined) in [("201811000001", "2018-05"), ("2015161234567890", "2016-05")] {
            let joined = YearMonth::parse(joined).expect("a month");
            let real = LeagueNumber::parse(number, joined).expect("valid");
            let part = cast.league_number(&real);
            assert!(part != number && LeagueNumber::parse(&part, joined).is_some(), "{part}");
        }
        let names: BTreeSet<String> = (0..200).map(|n| cast.name(&format!("人{n}"))).collect();
        assert_eq!(names.len(), 200);
    }

    #[test]
    fn another_key_gives_another_part() {
        let [one, other] = [3, 4].map(|key| Cast::new([key; 32]).phone("13800138000"));
        assert_ne!(one, other);
    }
}
