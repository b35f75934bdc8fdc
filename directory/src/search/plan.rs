//! What the words of a search ask of a name.

use crate::name::{fold, sound, university};

/// One word: a name has it in one of several ways.
#[derive(Debug)]
pub(super) struct Word(pub(super) Vec<Way>);

/// One way to have a word.
#[derive(Debug)]
pub(super) enum Way {
    /// All of these texts are in the name.
    Texts(Vec<Vec<u16>>),
    /// These letters, 0 to 25, are the initials of characters in a row.
    Initials(Vec<u32>),
}

/// The words of a search in a province: a short form of one of its universities stands for the name, and may be
/// glued to what comes before or after.
pub(super) fn plan(code: &str, words: &str) -> Vec<Word> {
    let units = |word: &str| fold::fold(word).into_iter().map(fold::lower).collect::<Vec<u16>>();
    words.split_whitespace().map(units).filter(|word| !word.is_empty()).map(|text| word(code, text)).collect()
}

fn word(code: &str, text: Vec<u16>) -> Word {
    let mut ways = Vec::new();
    let glued = |rest: &[u16]| rest.len() != 1;
    let stem = text.strip_prefix(&fold::SHORT_PREFIX).unwrap_or(&text);
    let prefix = &text[..text.len() - stem.len()];
    for (length, full) in university::at_start(code, stem) {
        if glued(&stem[length..]) && !stem.starts_with(full) {
            ways.push(Way::Texts(texts([full, prefix, &stem[length..]])));
        }
    }
    for (length, full) in university::at_end(code, stem) {
        let before = &stem[..stem.len() - length];
        if glued(before) && !before.is_empty() {
            ways.push(Way::Texts(texts([full, prefix, before])));
        }
    }
    let letters: Option<Vec<u32>> = text.iter().map(|unit| letter(*unit)).collect();
    if let Some(letters) = letters.filter(|letters| letters.len() > 1) {
        ways.push(Way::Initials(letters));
    }
    ways.insert(0, Way::Texts(vec![text]));
    Word(ways)
}

fn letter(unit: u16) -> Option<u32> {
    (0x61..=0x7A).contains(&unit).then(|| u32::from(unit) - 0x61)
}

/// Those that say something, in lower case.
fn texts(parts: [&[u16]; 3]) -> Vec<Vec<u16>> {
    let lower = |part: &[u16]| part.iter().map(|&unit| fold::lower(unit)).collect();
    parts.into_iter().filter(|part| !part.is_empty()).map(lower).collect()
}

impl Word {
    /// Whether a key has the word.
    pub(super) fn is_in(&self, key: &[u16]) -> bool {
        self.0.iter().any(|way| match way {
            Way::Texts(texts) => texts.iter().all(|text| find(key, text).is_some()),
            Way::Initials(letters) => {
                let heard = |window: &[u16]| {
                    window.iter().zip(letters).all(|(unit, letter)| sound::initials(*unit) >> letter & 1 == 1)
                };
                key.windows(letters.len()).any(heard)
            }
        })
    }
}

/// Where a text ends in a key whose letters count as lower case.
pub(super) fn find(key: &[u16], text: &[u16]) -> Option<usize> {
    let (&first, rest) = text.split_first()?;
    let starts = key.get(..=key.len().checked_sub(text.len())?)?;
    let follows =
        |at: usize| key[at + 1..].iter().zip(rest).all(|(unit, wanted)| fold::lower(*unit) == *wanted);
    let mut from = 0;
    // Nothing is lowered to a Chinese character but itself.
    let caseless = (0x2E80..0xA640).contains(&first);
    loop {
        let next = if caseless {
            starts[from..].iter().position(|unit| *unit == first)?
        } else {
            starts[from..].iter().position(|unit| fold::lower(*unit) == first)?
        };
        if follows(from + next) {
            return Some(from + next + text.len());
        }
        from += next + 1;
    }
}
