//! Where a list's columns are, and whether a row can be used.

use super::lines::Record;
use super::{ImportError, Mode, Reason, Refusal};
use crate::facts::{Id, RowFacts, VERBATIM, writing};
use crate::name::fold;

/// The longest name in characters.
const LONGEST_NAME: usize = 200;
/// The longest identifier or kind in characters.
const LONGEST_WORD: usize = 64;
/// The most kinds: more is a column of something else.
const MOST_KINDS: usize = 1000;

const PROVINCE: &str = "province_code";
const ID: &str = "org_id";
const NAME: &str = "full_name";
const KIND: &str = "kind";
const PARENT: &str = "parent_org_id";
const GONE: &str = "gone";

/// Where the columns are.
pub(super) struct Columns {
    count: usize,
    province: usize,
    id: usize,
    name: usize,
    kind: usize,
    parent: Option<usize>,
    gone: Option<usize>,
    /// The key of the row before, in memory that is used again.
    key: Vec<u16>,
    /// The kind of the row before and its number.
    last_kind: (String, u64),
}

/// A row that can be used.
pub(super) struct Checked<'a> {
    pub(super) province: &'a str,
    pub(super) gone: bool,
    pub(super) facts: RowFacts<'a>,
    pub(super) key: &'a [u16],
}

impl Columns {
    pub(super) fn of(header: &Record<'_>, mode: Mode) -> Result<Self, ImportError> {
        let place = |name: &str| {
            let named =
                |index: &usize| header.field(*index).trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            (0..header.len()).find(named)
        };
        let needed = |name: &'static str| place(name).ok_or(ImportError::NoColumn(name));
        for name in [PROVINCE, ID, NAME, KIND, PARENT, GONE] {
            let named =
                |index: &usize| header.field(*index).trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            if (0..header.len()).filter(named).count() > 1 {
                return Err(ImportError::ColumnTwice(name));
            }
        }
        let gone = place(GONE);
        if gone.is_some() && mode == Mode::Full {
            return Err(ImportError::ChangesAsFull);
        }
        Ok(Self {
            count: header.len(),
            province: needed(PROVINCE)?,
            id: needed(ID)?,
            name: needed(NAME)?,
            kind: needed(KIND)?,
            parent: place(PARENT),
            gone,
            key: Vec::new(),
            last_kind: (String::new(), 0),
        })
    }

    /// Province and identifier of a row that can't be used, where they can be read all the same.
    pub(super) fn key<'a>(
        &self,
        record: &Record<'a>,
        known: Option<&dyn Fn(&str) -> bool>,
    ) -> Option<(&'a str, &'a str)> {
        let text = |index: usize| {
            let field = (index < record.len()).then(|| std::str::from_utf8(record.field(index)).ok())?;
            field.map(str::trim).filter(|text| !text.is_empty())
        };
        let province =
            text(self.province).filter(|code| is_code(code) && known.is_none_or(|known| known(code)));
        province.zip(text(self.id))
    }

    /// A row that can be used, or why it can't.
    pub(super) fn check<'a>(
        &'a mut self,
        record: &Record<'a>,
        known: Option<&dyn Fn(&str) -> bool>,
        kinds: &mut Vec<String>,
    ) -> Result<Checked<'a>, Refusal> {
        let refuse =
            |column, zh: String, en: String| Refusal { line: record.line, column, reason: Reason { zh, en } };
        if record.len() != self.count {
            let (here, all) = (record.len(), self.count);
            return Err(refuse(
                "",
                format!("有 {here} 列，表头有 {all} 列"),
                format!("{here} columns, the header has {all}"),
            ));
        }
        let field = |index, column| {
            let text = std::str::from_utf8(record.field(index)).map(str::trim);
            let text = text.map_err(|_| refuse(column, "不是 UTF-8 编码".into(), "not UTF-8".into()))?;
            if controls(text) {
                return Err(refuse(column, "含有控制字符".into(), "contains control characters".into()));
            }
            Ok(text)
        };
        let province = field(self.province, PROVINCE)?;
        if !is_code(province) {
            return Err(refuse(PROVINCE, "省级代码应为六位数字".into(), "not six digits".into()));
        }
        if !known.is_none_or(|known| known(province)) {
            return Err(refuse(
                PROVINCE,
                format!("没有代码为 {province} 的省级单位"),
                format!("no province has the code {province}"),
            ));
        }
        let word = |index, column| {
            let text = field(index, column)?;
            if text.len() > LONGEST_WORD && text.chars().count() > LONGEST_WORD {
                return Err(refuse(
                    column,
                    format!("超过 {LONGEST_WORD} 个字符"),
                    format!("over {LONGEST_WORD} characters"),
                ));
            }
            Ok(text)
        };
        let id = word(self.id, ID)?;
        if id.is_empty() {
            return Err(refuse(ID, "组织标识为空".into(), "empty".into()));
        }
        let gone = self.gone.map(|gone| word(gone, GONE)).transpose()?.unwrap_or_default();
        let gone = says_yes(gone).ok_or_else(|| {
            let (zh, en) = ("应为 1（已撤销）、0 或空", "must be 1 (it is gone), 0 or empty");
            refuse(GONE, zh.into(), en.into())
        })?;
        let parent = self.parent.map(|parent| word(parent, PARENT)).transpose()?.unwrap_or_default();
        let name = field(self.name, NAME)?;
        self.key.clear();
        fold::fold_into(name, &mut self.key);
        if let Some((zh, en)) = name_fault(name, &self.key).filter(|_| !(gone && name.is_empty())) {
            return Err(refuse(NAME, zh, en));
        }
        let kind = word(self.kind, KIND)?;
        if self.last_kind.0 != kind {
            let number = number_of(kind, kinds)
                .ok_or_else(|| refuse(KIND, "组织类别过多".into(), "too many different kinds".into()))?;
            self.last_kind = (kind.to_owned(), number);
        }
        let writing = writing(name, &self.key);
        let verbatim = if writing == VERBATIM { name } else { "" };
        let facts =
            RowFacts { writing, id: Id::of(id), parent: Id::of(parent), kind: self.last_kind.1, verbatim };
        Ok(Checked { province, gone, facts, key: &self.key })
    }
}

fn controls(text: &str) -> bool {
    // The others are of two bytes, the first of which is C2.
    let low = text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == 0x7F));
    low || memchr::memchr(0xC2, text.as_bytes()).is_some() && text.chars().any(char::is_control)
}

fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is wrong with a name, in Chinese and English.
fn name_fault(name: &str, key: &[u16]) -> Option<(String, String)> {
    let (zh, en) = if key.is_empty() {
        ("组织全称为空".to_owned(), "empty".to_owned())
    } else if key.len() == 1 {
        ("组织全称只有一个字".to_owned(), "a single character".to_owned())
    } else if name.len() > LONGEST_NAME && name.chars().count() > LONGEST_NAME {
        (format!("组织全称超过 {LONGEST_NAME} 个字符"), format!("over {LONGEST_NAME} characters"))
    } else if name.chars().any(|c| fold::invisible(c) && !c.is_whitespace()) {
        // No profile carries one, and nobody can tell such a name from another.
        ("含有不可见字符".to_owned(), "contains characters that can't be seen".to_owned())
    } else {
        return None;
    };
    Some((zh, en))
}

/// Nothing where it says neither.
fn says_yes(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text {
        "" => Some(false),
        _ if is(["1", "true", "yes", "是"]) => Some(true),
        _ if is(["0", "false", "no", "否"]) => Some(false),
        _ => None,
    }
}

/// A kind's number from 1, or 0 for none; a new one where it is new, unless there are too many.
fn number_of(kind: &str, kinds: &mut Vec<String>) -> Option<u64> {
    if kind.is_empty() {
        return Some(0);
    }
    let at = kinds.iter().position(|known| known == kind).or_else(|| {
        (kinds.len() < MOST_KINDS).then(|| {
            kinds.push(kind.to_owned());
            kinds.len() - 1
        })
    })?;
    Some(at as u64 + 1)
}
