//! Provinces and prefectures that names begin with.

use super::fold::{self, units};
use super::level::without_prefix;
use super::university;
use std::sync::LazyLock;

const PLACES: &str = include_str!("../../data/places.txt");
const CORPS: [u16; 8] = units("新疆生产建设兵团");
const CORPS_CODE: &str = "990006";
const XINJIANG: &str = "650000";
/// 广州市场: a market, not the city.
const MARKET: u16 = units::<1>("场")[0];

const LONGEST_COUNTY: usize = 15;

/// A province's names.
pub(crate) struct Province {
    code: &'static str,
    name: Vec<u16>,
    short: Vec<u16>,
    prefectures: Vec<Vec<u16>>,
}

static PROVINCES: LazyLock<Vec<Province>> = LazyLock::new(|| {
    let lines = PLACES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| province(line.split(' '))).collect()
});

fn province(mut words: impl Iterator<Item = &'static str>) -> Option<Province> {
    let (code, name) = (words.next()?, words.next()?);
    let short = ["壮族自治区", "维吾尔自治区", "回族自治区", "自治区", "省", "市"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let prefectures = words.map(fold::fold).collect();
    Some(Province { code, name: fold::fold(name), short: fold::fold(short), prefectures })
}

/// The code of the province that the beginning of a name says: its own name, one of its prefectures, or a university
/// that is there. `None` where it says none, and where it is unsure: 海南区 is a district of Inner Mongolia, 北京路小学
/// can be anywhere, and a company may call itself after any place.
#[must_use]
pub fn province_named(full_name: &str) -> Option<&'static str> {
    let key = fold::fold(full_name);
    let stem = without_prefix(&key);
    if stem.starts_with(&CORPS) {
        return Some(CORPS_CODE);
    }
    let followed = |rest: &[u16]| rest.first() != Some(&MARKET);
    for province in PROVINCES.iter() {
        if stem.strip_prefix(province.name.as_slice()).is_some_and(followed) {
            return sure(province, &stem[province.name.len()..]);
        }
        // 广州市, or 广东广州市.
        for rest in [Some(stem), stem.strip_prefix(province.short.as_slice())].into_iter().flatten() {
            let prefecture = |name: &Vec<u16>| rest.strip_prefix(name.as_slice()).is_some_and(followed);
            if province.prefectures.iter().any(prefecture) {
                return sure(province, rest);
            }
        }
    }
    university::province_of(stem)
}

/// Whether a name has somewhere the name of a province, in short or in full, or of one of its prefectures.
#[must_use]
pub fn mentions(full_name: &str, code: &str) -> bool {
    const CITY: [u16; 1] = units("市");
    let key = fold::fold(full_name);
    let has = |part: &[u16]| part.len() > 1 && key.windows(part.len()).any(|window| window == part);
    let city = |name: &[u16]| has(name.strip_suffix(CITY.as_slice()).unwrap_or(name));
    Province::of(code)
        .is_some_and(|province| has(&province.short) || province.prefectures.iter().any(|name| city(name)))
}

/// The Corps' units lie in Xinjiang, and their names may begin with its name alone.
fn sure(province: &Province, rest: &[u16]) -> Option<&'static str> {
    const CORPS_CITIES: [&[u16]; 12] = [
        &units::<4>("石河子市"),
        &units::<4>("阿拉尔市"),
        &units::<5>("图木舒克市"),
        &units::<4>("五家渠市"),
        &units::<3>("北屯市"),
        &units::<4>("铁门关市"),
        &units::<3>("双河市"),
        &units::<5>("可克达拉市"),
        &units::<3>("昆玉市"),
        &units::<4>("胡杨河市"),
        &units::<3>("新星市"),
        &units::<3>("白杨市"),
    ];
    let within = province.prefectures.iter().any(|prefecture| rest.starts_with(prefecture));
    let corps = CORPS_CITIES.iter().any(|city| rest.starts_with(city));
    let unsure = corps || province.code == XINJIANG && !within;
    (!unsure).then_some(province.code)
}

/// Whether a province's name stands here, in short or in full.
pub(crate) fn begins_with_province(stem: &[u16]) -> bool {
    PROVINCES.iter().any(|province| stem.starts_with(&province.short))
}

impl Province {
    /// The one of a code.
    pub(crate) fn of(code: &str) -> Option<&'static Self> {
        PROVINCES.iter().find(|province| province.code == code)
    }

    /// How many units of a body are the province's name, and how many after them are one of its prefectures.
    pub(crate) fn lead(&self, body: &[u16]) -> (usize, usize) {
        let named = if body.starts_with(&self.name) { self.name.len() } else { 0 };
        let rest = &body[named..];
        let begins = |name: &&Vec<u16>| name.first() == rest.first() && rest.starts_with(name);
        (named, self.prefectures.iter().find(begins).map_or(0, Vec::len))
    }

    /// A body whose province or prefecture stands behind its county, with them before it: 天河区广州市 becomes 广州市天河区.
    pub(crate) fn in_order(&self, body: &[u16]) -> Option<Vec<u16>> {
        let (first, rest) = body.split_at(self.lead(body).0);
        let places = self.prefectures.iter().chain([&self.name]);
        // A county's name has two characters at least.
        let behind = |name: &Vec<u16>| {
            let at =
                rest.windows(name.len()).take(LONGEST_COUNTY).position(|window| window == name.as_slice())?;
            (at >= 2).then(|| [first, name, &rest[..at], &rest[at + name.len()..]].concat())
        };
        places.into_iter().find_map(behind)
    }
}
