//! Universities, where they are, and the short forms that people type.

use super::fold::{self, units};
use std::collections::HashMap;
use std::sync::LazyLock;

const UNIVERSITIES: &str = include_str!("../../data/universities.txt");
/// 附属中学 and 分校, 校区 may be in another province.
const ATTACHED: [&[u16]; 4] = [&units::<1>("附"), &units::<1>("("), &units::<2>("分校"), &units::<2>("校区")];
const SHORTEST: usize = 2;

struct University {
    code: &'static str,
    name: Vec<u16>,
    aliases: Vec<Vec<u16>>,
}

/// A province's short forms, and which of [`Table::all`] each stands for.
type Aliases = HashMap<Vec<u16>, Vec<usize>>;

struct Table {
    all: Vec<University>,
    aliases: HashMap<&'static str, Aliases>,
    longest: usize,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let all: Vec<University> =
        UNIVERSITIES.lines().filter(|line| !line.starts_with('#')).flat_map(line).collect();
    let mut aliases: HashMap<&'static str, Aliases> = HashMap::new();
    for (i, university) in all.iter().enumerate() {
        for alias in &university.aliases {
            aliases.entry(university.code).or_default().entry(alias.clone()).or_default().push(i);
        }
    }
    let longest = all.iter().flat_map(|university| &university.aliases).map(Vec::len).max().unwrap_or(0);
    Table { all, aliases, longest }
});

fn line(line: &'static str) -> impl Iterator<Item = University> {
    let mut words = line.split_whitespace();
    let code = words.next().unwrap_or_default();
    words.map(move |word| {
        let (name, aliases) = word.split_once('=').unwrap_or((word, ""));
        let aliases = aliases.split('/').filter(|alias| !alias.is_empty()).map(fold::fold).collect();
        University { code, name: fold::fold(name), aliases }
    })
}

impl Table {
    fn bearers<'a>(&'a self, aliases: &'a Aliases, alias: &[u16]) -> impl Iterator<Item = &'a [u16]> {
        let all: &[usize] = aliases.get(alias).map_or(&[], Vec::as_slice);
        all.iter().filter_map(|&i| self.all.get(i)).map(|university| university.name.as_slice())
    }
}

/// Short forms that a text of a province begins with: their length, and the full name; longest first.
pub(crate) fn at_start(code: &str, text: &[u16]) -> Vec<(usize, &'static [u16])> {
    pieces(code, text, |n| &text[..n])
}

/// Short forms that a text of a province ends with.
pub(crate) fn at_end(code: &str, text: &[u16]) -> Vec<(usize, &'static [u16])> {
    pieces(code, text, |n| &text[text.len() - n..])
}

fn pieces<'a>(
    code: &str,
    text: &'a [u16],
    piece: impl Fn(usize) -> &'a [u16],
) -> Vec<(usize, &'static [u16])> {
    let table: &'static Table = &TABLE;
    let Some(aliases) = table.aliases.get(code) else { return Vec::new() };
    let mut found = Vec::new();
    for n in (SHORTEST..=table.longest.min(text.len())).rev() {
        found.extend(table.bearers(aliases, piece(n)).map(|name| (n, name)));
    }
    found
}

/// The short forms of the university whose full name a text of a province begins with, and that name's length.
pub(crate) fn short_forms(code: &str, text: &[u16]) -> Option<(usize, &'static [Vec<u16>])> {
    let here = TABLE.all.iter().filter(|university| university.code == code);
    let named = here.filter(|university| text.starts_with(&university.name));
    named
        .max_by_key(|university| university.name.len())
        .map(|found| (found.name.len(), found.aliases.as_slice()))
}

/// The province of the university that a text begins with; `None` for what is attached to it and may be elsewhere.
pub(crate) fn province_of(text: &[u16]) -> Option<&'static str> {
    let named = TABLE.all.iter().filter(|university| text.starts_with(&university.name));
    let found = named.max_by_key(|university| university.name.len())?;
    let rest = &text[found.name.len()..];
    let attached = ATTACHED.iter().any(|word| rest.windows(word.len()).take(5).any(|window| window == *word));
    (!attached).then_some(found.code)
}
