//! Why an import did not take place.

use super::Refusal;
use crate::directory::OpenError;
use std::io;

/// Why there is no new file. The file before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Another import writes the same file.
    #[error("another import to this file is under way: wait until it has ended")]
    Busy,
    /// The list is empty.
    #[error("the list is empty: its first line must name the columns")]
    Empty,
    /// The first line lacks a column.
    #[error("the first line of the list names no column {0} (it must be CSV with commas, in UTF-8)")]
    NoColumn(&'static str),
    /// The first line has a column twice.
    #[error("the first line of the list names the column {0} twice")]
    ColumnTwice(&'static str),
    /// A list of changes was given as a full one.
    #[error("the list has a column `gone`, so it is a list of changes: import it as a delta")]
    ChangesAsFull,
    /// There is nothing that could be changed.
    #[error("there is no list of {0} yet that could be changed: import its full list first")]
    NoListYet(String),
    /// A full list lacks much of what was there.
    #[error(
        "{gone} of {of} organizations of {province} are not in this list: was it cut off? If they are gone indeed, allow it"
    )]
    TooManyGone {
        /// Which province.
        province: String,
        /// How many are not in the list.
        gone: u64,
        /// Of how many.
        of: u64,
    },
    /// No row can be used.
    #[error("no row of the list can be used{}", .0.first().map(|first| format!(": line {}: {}", first.line, first.reason.en)).unwrap_or_default())]
    NothingUsable(Vec<Refusal>),
    /// The list names no organization.
    #[error("the list has no rows")]
    NoRows,
    /// A quotation mark without its end would hide all rows after it.
    #[error("line {0} of the list opens a quotation mark that is not closed")]
    OpenQuote(u64),
    /// No row is that long.
    #[error("line {0} of the list is longer than any row: this is no CSV, or it is damaged")]
    LongLine(u64),
    /// A file can't hold that many.
    #[error("the list is too large for one directory file")]
    TooLarge,
    /// The place of the new file has no file name.
    #[error("the place of the directory file has no file name")]
    NoFileName,
    /// The file before can't be read, so what it holds can't be kept.
    #[error("what is there can't be kept: move the directory file away, and import every list again")]
    Before(#[source] OpenError),
    /// Reading the list failed.
    #[error("the list can't be read")]
    Io(#[from] io::Error),
    /// Writing the file failed.
    #[error("the directory file can't be written")]
    Write(#[source] io::Error),
}

impl ImportError {
    /// What went wrong with files here is not the list's fault.
    pub(super) fn writing(self) -> Self {
        if let Self::Io(error) = self { Self::Write(error) } else { self }
    }

    /// Whether it is the list that must be mended, and not something here.
    #[must_use]
    pub const fn is_the_lists(&self) -> bool {
        !matches!(self, Self::Busy | Self::NoFileName | Self::Before(_) | Self::Io(_) | Self::Write(_))
    }

    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Busy => "另一次导入正在写同一个名录，请待其结束后再试".to_owned(),
            Self::Empty => "名单是空的：第一行应为列名".to_owned(),
            Self::NoColumn(name) => format!("名单第一行没有列 {name}（应为逗号分隔、UTF-8 编码的 CSV）"),
            Self::ColumnTwice(name) => format!("名单第一行有两个列 {name}"),
            Self::ChangesAsFull => "名单有 gone 列，是增量名单：请按增量导入".to_owned(),
            Self::NoListYet(province) => {
                format!("名录中还没有 {province} 的名单，无从增量更新：请先导入其完整名单")
            }
            Self::TooManyGone { province, gone, of } => {
                format!(
                    "{province} 原有 {of} 个组织，其中 {gone} 个不在这份名单里：名单是否不完整？确已撤销的，请明确允许"
                )
            }
            Self::NothingUsable(refusals) => {
                let first = refusals.first().map(|one| format!("：第 {} 行{}", one.line, one.reason.zh));
                format!("名单中没有一行可用{}", first.unwrap_or_default())
            }
            Self::NoRows => "名单中没有组织".to_owned(),
            Self::OpenQuote(line) => format!("名单第 {line} 行的引号没有结束"),
            Self::LongLine(line) => format!("名单第 {line} 行过长：不是 CSV，或已损坏"),
            Self::TooLarge => "名单过大，一个名录文件容纳不下".to_owned(),
            Self::NoFileName => "名录的路径没有文件名".to_owned(),
            Self::Before(error) => {
                format!("现有名录无法保留（{}）：请将其移走，再重新导入全部名单", error.zh())
            }
            Self::Io(error) => format!("无法读取名单：{error}"),
            Self::Write(error) => format!("无法写入名录文件：{error}"),
        }
    }
}
