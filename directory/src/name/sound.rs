//! How characters sound: homophones, and the initials that people type for a name.

use std::sync::LazyLock;

const PINYIN: &str = include_str!("../../data/pinyin.txt");
const FIRST: u16 = 0x4E00;
const LAST: u16 = 0x9FFF;
/// Second readings that stand in names of places and bodies: 重庆, 厦门, 长治.
const OTHERS: &str = "c重长朝曾称 x厦校行系省降巷解莘畜 l乐六 s单盛石什宿召 z藏传朝长重 d都调 k会 j校系车贾 y尉乐 h行华 n那 t洞台";

/// The syllable of each character from [`FIRST`]; 0 for none.
static SYLLABLES: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let mut table = vec![0; usize::from(LAST - FIRST) + 1];
    for (number, _, all) in readings() {
        for character in all {
            table[usize::from(character)] = number;
        }
    }
    table
});

/// The initials of each character from [`FIRST`], a bit for each letter.
static INITIALS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut table = vec![0; usize::from(LAST - FIRST) + 1];
    for (_, initial, all) in readings() {
        for character in all {
            table[usize::from(character)] |= bit(initial);
        }
    }
    for group in OTHERS.split(' ') {
        let mut all = group.chars();
        let initial = all.next().unwrap_or('a');
        for place in all.filter_map(place) {
            table[usize::from(place)] |= bit(initial);
        }
    }
    table
});

fn place(c: char) -> Option<u16> {
    let unit = u16::try_from(u32::from(c)).ok()?;
    (FIRST..=LAST).contains(&unit).then(|| unit - FIRST)
}

fn bit(initial: char) -> u32 {
    let n = u32::from(initial).wrapping_sub(u32::from('a'));
    if n < 26 { 1 << n } else { 0 }
}

type Characters = Box<dyn Iterator<Item = u16>>;

/// Number, initial and characters of each syllable.
fn readings() -> impl Iterator<Item = (u16, char, Characters)> {
    let lines = PINYIN.lines().filter(|line| !line.starts_with('#'));
    (1..).zip(lines).filter_map(|(number, line)| {
        let (syllable, all) = line.split_once(' ')?;
        let all: Characters = Box::new(all.chars().filter_map(place));
        Some((number, syllable.chars().next()?, all))
    })
}

/// The syllable of each character, for [`syllable`].
pub(crate) fn syllables() -> &'static [u16] {
    &SYLLABLES
}

/// A number of how a character is read, without the tone; 0 where it has no reading.
#[inline]
pub(crate) fn syllable(syllables: &[u16], unit: u16) -> u16 {
    syllables.get(usize::from(unit.wrapping_sub(FIRST))).copied().unwrap_or(0)
}

/// The letters that may stand for a character, a bit each; a letter stands for itself.
pub(crate) fn initials(unit: u16) -> u32 {
    match unit {
        FIRST..=LAST => INITIALS[usize::from(unit - FIRST)],
        0x61..=0x7A => 1 << (unit - 0x61),
        0x41..=0x5A => 1 << (unit - 0x41),
        _ => 0,
    }
}
