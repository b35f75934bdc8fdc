//! The weaker equivalence: names without the League's prefix, the class of their suffix, and one way to write the
//! numbers of classes, grades and years.

use super::fold::{SHORT_PREFIX, units};
use super::place;

/// What kind of organization a name's ending says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rank {
    /// 团支部, 支部委员会, 支部
    Branch,
    /// 团委, 委员会
    Committee,
    /// 团总支, 总支部委员会, 总支部
    GeneralBranch,
    /// 团工委, 工作委员会
    WorkCommittee,
}

impl Rank {
    fn mark(self) -> u16 {
        match self {
            Self::Branch => 0xE001,
            Self::Committee => 0xE002,
            Self::GeneralBranch => 0xE003,
            Self::WorkCommittee => 0xE004,
        }
    }
}

/// Class 1 is this plus 1: marks stand where no character is assigned.
pub(crate) const CLASS: u16 = 0xE100;
/// Year 2024 is this plus 24.
pub(crate) const YEAR: u16 = 0xE200;
/// 高一, 七年级
pub(crate) const GRADE: u16 = 0xE300;
/// 第一
pub(crate) const ORDINAL: u16 = 0xE400;
/// The number that a unit is, as a digit, in Chinese, or in a mark.
pub(crate) fn number_in(unit: u16) -> Option<u16> {
    match unit & MARK {
        CLASS | YEAR | GRADE | ORDINAL => Some(unit & !MARK),
        _ => digit(unit).or_else(|| numeral(unit)),
    }
}

/// Whether a unit is a mark.
pub(crate) fn is_mark(unit: u16) -> bool {
    (CLASS..ORDINAL + 0x100).contains(&unit)
}

/// What is left when a mark's number is taken away.
pub(crate) const MARK: u16 = 0xFF00;

/// Longest first, so that 总支部委员会 is not taken for 委员会.
const SUFFIXES: [(&[u16], Rank); 14] = [
    (&units::<6>("总支部委员会"), Rank::GeneralBranch),
    (&units::<6>("团支部委员会"), Rank::Branch),
    (&units::<5>("工作委员会"), Rank::WorkCommittee),
    (&units::<5>("支部委员会"), Rank::Branch),
    (&units::<4>("团总支部"), Rank::GeneralBranch),
    (&units::<3>("委员会"), Rank::Committee),
    (&units::<3>("团总支"), Rank::GeneralBranch),
    (&units::<3>("总支部"), Rank::GeneralBranch),
    (&units::<3>("团支部"), Rank::Branch),
    (&units::<3>("团工委"), Rank::WorkCommittee),
    (&units::<2>("总支"), Rank::GeneralBranch),
    (&units::<2>("支部"), Rank::Branch),
    (&units::<2>("团委"), Rank::Committee),
    (&units::<2>("工委"), Rank::WorkCommittee),
];

const LEAGUE: u16 = units::<1>("团")[0];
const CLASS_WORD: u16 = units::<1>("班")[0];
const YEAR_CLASS: u16 = units::<1>("级")[0];
const YEAR_LEAVING: u16 = units::<1>("届")[0];
const YEAR_WORD: u16 = units::<1>("年")[0];
const NTH: u16 = units::<1>("第")[0];
const SENIOR: u16 = units::<1>("高")[0];
const JUNIOR: u16 = units::<1>("初")[0];
const ZERO: u16 = units::<1>("零")[0];
const ROUND: [u16; 2] = units("〇○");
const TEN: u16 = units::<1>("十")[0];
const ONE_TO_NINE: [u16; 9] = units("一二三四五六七八九");
const OPEN: u16 = 0x28;
const CLOSE: u16 = 0x29;
const DASH: u16 = 0x2D;

/// A name's parts for comparing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Levelled {
    /// The name between prefix and suffix, numbers as marks.
    pub(crate) body: Vec<u16>,
    /// What the suffix says.
    pub(crate) rank: Option<Rank>,
    /// Whether there was a prefix.
    pub(crate) prefixed: bool,
}

impl Levelled {
    /// Levels a key.
    pub(crate) fn of(key: &[u16]) -> Self {
        let mut levelled = Self::default();
        levelled.set(key);
        levelled
    }

    /// Levels another key, in the same memory.
    pub(crate) fn set(&mut self, key: &[u16]) {
        let stem = without_prefix(key);
        self.prefixed = stem.len() < key.len();
        let (stem, rank) = without_suffix(stem);
        self.rank = rank;
        self.body.clear();
        number(stem, &mut self.body);
    }

    /// One array that is equal for all spellings that are alike.
    pub(crate) fn into_units(mut self) -> Vec<u16> {
        self.body.extend(self.rank.map(Rank::mark));
        self.body
    }

    /// A number of all spellings that are alike, the same in every version of a file's format.
    pub(crate) fn hash(&self) -> u64 {
        let rank = self.rank.map_or(0, Rank::mark);
        let mut hash = 0x9E37_79B9_7F4A_7C15_u64;
        for chunk in self.body.chunks(4) {
            let word = chunk.iter().fold(1, |word: u64, &unit| word << 16 | u64::from(unit));
            hash = mix(hash ^ word);
        }
        mix(hash ^ u64::from(rank))
    }
}

fn mix(x: u64) -> u64 {
    let wide =
        u128::from(x ^ 0xA076_1D64_78BD_642F) * u128::from(0xE703_7ED1_A0B4_28DB_u64 ^ x.rotate_left(32));
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let mixed = wide as u64 ^ (wide >> 64) as u64;
    mixed
}

/// The name after 共青团, or after 团 where a province follows, however often they stand there.
pub(crate) fn without_prefix(key: &[u16]) -> &[u16] {
    let mut rest = key;
    loop {
        let next = match rest.strip_prefix(&SHORT_PREFIX) {
            Some(stem) => stem,
            None => match rest.split_first() {
                Some((&LEAGUE, stem)) if place::begins_with_province(stem) => stem,
                _ => return rest,
            },
        };
        if next.is_empty() {
            return rest;
        }
        rest = next;
    }
}

/// Stands for a suffix at the end of a key in a file: half of a surrogate pair, which no text ends with.
const ENDING: u16 = 0xD800;

/// A key without its suffix, and one unit for that suffix, with 班 before it or not.
pub(crate) fn pack(key: &[u16]) -> Option<(&[u16], u16)> {
    let (number, rest) =
        (0..).zip(&SUFFIXES).find_map(|(n, (suffix, _))| Some((n, key.strip_suffix(*suffix)?)))?;
    let class = rest.strip_suffix(&[CLASS_WORD]);
    Some((class.unwrap_or(rest), ENDING + number * 2 + u16::from(class.is_some())))
}

/// Puts the suffix in the place of the unit that stands for it, and says where it begins, and that unit.
pub(crate) fn unpack(units: &mut Vec<u16>) -> Option<(usize, u16)> {
    let Some(&ending @ 0xD800..=0xDBFF) = units.last() else { return None };
    units.pop();
    let stem = units.len();
    if ending & 1 == 1 {
        units.push(CLASS_WORD);
    }
    if let Some((suffix, _)) = SUFFIXES.get(usize::from((ending - ENDING) / 2)) {
        units.extend_from_slice(suffix);
    }
    Some((stem, ending))
}

/// The name before its suffix, unless it is all suffix.
pub(crate) fn without_suffix(stem: &[u16]) -> (&[u16], Option<Rank>) {
    let known = SUFFIXES.iter().find_map(|(suffix, rank)| Some((stem.strip_suffix(*suffix)?, *rank)));
    match known {
        Some((rest, rank)) if !rest.is_empty() => (rest, Some(rank)),
        _ => (stem, None),
    }
}

/// What the suffixes of a kind begin with; those of all kinds where there is none.
pub(crate) fn beginnings(rank: Option<Rank>) -> Vec<u16> {
    let of_kind = |known: &&(&'static [u16], Rank)| rank.is_none_or(|rank| rank == known.1);
    let mut all: Vec<u16> =
        SUFFIXES.iter().filter(of_kind).filter_map(|(suffix, _)| suffix.first().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn digit(unit: u16) -> Option<u16> {
    (0x30..=0x39).contains(&unit).then(|| unit - 0x30)
}

fn numeral(unit: u16) -> Option<u16> {
    ONE_TO_NINE.iter().position(|&n| n == unit).and_then(|n| u16::try_from(n + 1).ok())
}

/// 1 to 99 in Chinese at the beginning, and how many units it takes.
fn chinese(at: &[u16]) -> Option<(u16, usize)> {
    let first = at.first().copied()?;
    if first == TEN {
        return Some(at.get(1).copied().and_then(numeral).map_or((10, 1), |ones| (10 + ones, 2)));
    }
    let first = numeral(first)?;
    if at.get(1) != Some(&TEN) {
        return Some((first, 1));
    }
    Some(at.get(2).copied().and_then(numeral).map_or((first * 10, 2), |ones| (first * 10 + ones, 3)))
}

/// A number of one or two digits, or in Chinese, at the beginning.
fn small(at: &[u16]) -> Option<(u16, usize)> {
    let digits = at.iter().take_while(|unit| digit(**unit).is_some()).count();
    match digits {
        0 => chinese(at),
        1 | 2 => Some((value(&at[..digits]), digits)),
        _ => None,
    }
}

fn value(digits: &[u16]) -> u16 {
    digits.iter().filter_map(|unit| digit(*unit)).fold(0, |n, d| n * 10 + d)
}

/// 1班, 01班, 一班, (1)班, (1班) at the beginning: the number and the length.
fn class(at: &[u16]) -> Option<(u16, usize)> {
    let open = usize::from(at.first() == Some(&OPEN));
    let (n, length) = small(&at[open..])?;
    let rest = &at[open + length..];
    match (open, rest) {
        (0, [CLASS_WORD, ..]) => Some((n, length + 1)),
        (1, [CLOSE, CLASS_WORD, ..] | [CLASS_WORD, CLOSE, ..]) => Some((n, length + 3)),
        _ => None,
    }
}

/// 2024 or 24, 二〇二四 or 二四 at the beginning, and the length.
fn year(at: &[u16]) -> Option<(u16, usize)> {
    let one =
        |unit: u16| digit(unit).or_else(|| numeral(unit)).or_else(|| ROUND.contains(&unit).then_some(0));
    let length = at.iter().take_while(|unit| one(**unit).is_some() || **unit == ZERO).take(5).count();
    if length > 4 {
        return None;
    }
    let n = at[..length].iter().fold(0, |n, unit| n * 10 + one(*unit).unwrap_or(0));
    match (length, n) {
        (4, 2000..=2099) => Some((n - 2000, 4)),
        (2, 0..=99) => Some((n, 2)),
        _ => None,
    }
}

/// Copies with the numbers of classes, grades, years and ordinals as marks.
fn number(stem: &[u16], out: &mut Vec<u16>) {
    let mut at = 0;
    while let Some(&unit) = stem.get(at) {
        let before = at.checked_sub(1).map(|i| stem[i]);
        let taken = if numeric(unit) { mark(&stem[at..], before, out) } else { 0 };
        if taken == 0 {
            out.push(if ROUND.contains(&unit) { ZERO } else { unit });
            at += 1;
        }
        at += taken;
    }
}

/// Whether a number that is levelled may begin here.
fn numeric(unit: u16) -> bool {
    match unit {
        OPEN | 0x30..=0x39 => true,
        0x2E80.. => unit == TEN || ONE_TO_NINE.contains(&unit) || ROUND.contains(&unit),
        _ => false,
    }
}

/// Writes the mark of a number that begins here, and says how many units it took; 0 where none does.
fn mark(at: &[u16], before: Option<u16>, out: &mut Vec<u16>) -> usize {
    let in_run = before.is_some_and(|unit| digit(unit).is_some()) && digit(at[0]).is_some();
    if in_run {
        return 0;
    }
    if matches!(before, Some(SENIOR | JUNIOR))
        && let Some(n) = numeral(at[0]).or_else(|| digit(at[0])).filter(|n| (1..=6).contains(n))
        && let Some(&next) = at.get(1)
        && (next == OPEN
            || next == YEAR_WORD
            || (numeric(next) && !(digit(at[0]).is_some() && digit(next).is_some())))
    {
        out.push(GRADE + n);
        return 1;
    }
    if let Some((n, length)) = class(at) {
        out.push(CLASS + n);
        return length;
    }
    if let Some((n, length)) = year(at)
        && (matches!(at.get(length), Some(&(YEAR_CLASS | YEAR_LEAVING))) || length == 4 && bare_year(at))
    {
        out.push(YEAR + n);
        return length;
    }
    if let Some(length) = year_and_class(at, out) {
        return length;
    }
    match (small(at), before) {
        (Some((n, length)), _) if at.get(length) == Some(&YEAR_WORD) => {
            out.push(GRADE + n);
            length
        }
        (Some((n, length)), Some(NTH)) => {
            out.push(ORDINAL + n);
            length
        }
        _ => 0,
    }
}

/// 2024 in digits, though no 级 follows: it may have been left out.
fn bare_year(at: &[u16]) -> bool {
    let run = at.iter().take_while(|unit| digit(**unit).is_some()).count();
    run == 4
        && (2015..=2035).contains(&value(&at[..4]))
        && at.get(4).is_some_and(|next| *next != YEAR_WORD && *next != CLASS_WORD)
}

/// 2401班, 241班, 24-1班, 24一班, 24(1)班, and 2401 at the end: a year and a class.
fn year_and_class(at: &[u16], out: &mut Vec<u16>) -> Option<usize> {
    let run = at.iter().take_while(|unit| digit(**unit).is_some()).count();
    let year = value(at.get(..2)?);
    if run < 2 || !(15..=35).contains(&year) {
        return None;
    }
    let (class, length) = match (run, at.get(run)) {
        (2, Some(&DASH)) => class(&at[3..]).map(|(n, length)| (n, length + 3))?,
        (2, _) => class(&at[2..]).map(|(n, length)| (n, length + 2))?,
        // 202511班: 届 was left out.
        (5 | 6, Some(&CLASS_WORD)) if year == 20 && (15..=35).contains(&value(&at[2..4])) => {
            out.extend([YEAR + value(&at[2..4]), CLASS + value(&at[4..run])]);
            return Some(run + 1);
        }
        (3 | 4, Some(&CLASS_WORD)) => (value(&at[2..run]), run + 1),
        (4, next) if !matches!(next, Some(&(YEAR_CLASS | YEAR_LEAVING | YEAR_WORD))) => {
            let class = value(&at[2..4]);
            if year == 20 && (15..=35).contains(&class) || class == 0 {
                return None;
            }
            (class, 4)
        }
        _ => return None,
    };
    out.extend([YEAR + year, CLASS + class]);
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{alike, fold::fold};

    fn same(names: &[&str]) {
        for name in names {
            assert_eq!(alike(name), alike(names[0]), "{name} and {}", names[0]);
        }
    }

    fn other(left: &str, right: &str) {
        assert_ne!(alike(left), alike(right), "{left} and {right}");
    }

    #[test]
    fn ways_to_write_a_class_are_alike() {
        same(&[
            "中国共产主义青年团甲大学2024级软件工程1班支部委员会",
            "甲大学24级软件工程一班团支部",
            "共青团甲大学２０２４级软件工程（1）班支部",
            "甲大学二〇二四级软件工程01班团支部",
            "甲大学二○二四级软件工程(一)班团支部",
        ]);
        same(&[
            "甲大学计科2401班团支部",
            "甲大学计科24-1班团支部",
            "甲大学计科241班支部委员会",
            "甲大学计科24一班团支部",
        ]);
        same(&["甲中学高一(2)班团支部", "甲中学高1（2）班支部委员会", "甲中学高一二班团支部"]);
        same(&["甲中学七年级3班团支部", "甲中学7年级三班团支部"]);
        same(&["第一中学团委", "第1中学委员会", "共青团第一中学委员会"]);
        same(&["高三十二班团支部", "高三12班团支部"]);
    }

    #[test]
    fn what_is_another_organization_is_not_alike() {
        other("甲大学2024级软件工程1班团支部", "甲大学2023级软件工程1班团支部");
        other("甲大学2024级软件工程1班团支部", "甲大学2024级软件工程11班团支部");
        other("甲团支部", "甲团委");
        other("甲团总支", "甲团支部");
        other("甲团工委", "甲团委");
        other("甲支部委员会", "甲委员会");
        other("团结村团支部", "结村团支部");
        other("高一班团支部", "高二班团支部");
    }

    #[test]
    fn classes_of_suffixes() {
        let of = |name: &str| Levelled::of(&fold(name)).rank;
        for name in ["甲团支部", "甲支部委员会", "甲支部"] {
            assert_eq!(of(name), Some(Rank::Branch), "{name}");
        }
        for name in ["甲团总支", "甲总支部委员会", "甲总支部"] {
            assert_eq!(of(name), Some(Rank::GeneralBranch), "{name}");
        }
        assert_eq!((of("甲团委"), of("甲委员会")), (Some(Rank::Committee), Some(Rank::Committee)));
        assert_eq!(
            (of("甲团工委"), of("甲工作委员会")),
            (Some(Rank::WorkCommittee), Some(Rank::WorkCommittee))
        );
        assert_eq!((of("团支部"), of("甲")), (None, None));
    }

    #[test]
    fn a_key_is_packed_and_unpacked() {
        for (suffix, _) in &SUFFIXES {
            for stem in ["甲", "甲1班", "班", ""] {
                let key: Vec<u16> = fold(stem).into_iter().chain(suffix.iter().copied()).collect();
                let (rest, ending) = pack(&key).expect("a suffix");
                let mut units: Vec<u16> = rest.iter().copied().chain([ending]).collect();
                unpack(&mut units);
                assert_eq!(units, key);
            }
        }
        let mut plain = fold("甲乙𠮷");
        unpack(&mut plain);
        assert_eq!(plain, fold("甲乙𠮷"));
    }
}
