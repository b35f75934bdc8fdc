//! A whole list as a file, page by page: no more of it is in memory than one page.

use crate::routing::Routes;
use crate::store::{Cursor, Filter, Sort, Store, StoreError};
use crate::view::TransferView;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// So many transfers are in memory at a time.
const ROWS: u32 = 500;

/// What an export is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For spreadsheets: UTF-8 with a mark, so that Chinese names are read right.
    Csv,
    /// For programs: a transfer a line, as the interface shows it.
    Jsonl,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Jsonl => "application/x-ndjson",
        }
    }

    /// A file's name.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "transfers.csv",
            Self::Jsonl => "transfers.jsonl",
        }
    }
}

/// The columns of the CSV file.
const HEADER: [&str; 22] = [
    "request_id",
    "system",
    "state",
    "held_by",
    "held_reason",
    "name",
    "id_number",
    "phone",
    "source",
    "province_code",
    "province",
    "destination",
    "sent_name",
    "reason",
    "receipt_no",
    "attempts",
    "error_code",
    "error",
    "error_en",
    "next_attempt_at",
    "created_at",
    "updated_at",
];

/// An export under way. What comes in meanwhile may be in it, or not; what was there is, once.
pub struct Export {
    store: Store,
    routes: Arc<Routes>,
    filter: Filter,
    sort: Sort,
    format: Format,
    after: Option<Cursor>,
    begun: bool,
    ended: bool,
    /// How many transfers were written.
    pub written: u64,
    /// How many were left out since they are damaged; the log names each.
    pub unreadable: u64,
}

impl Export {
    /// Begins one.
    #[must_use]
    pub const fn new(store: Store, routes: Arc<Routes>, filter: Filter, sort: Sort, format: Format) -> Self {
        let (after, begun, ended) = (None, false, false);
        Self { store, routes, filter, sort, format, after, begun, ended, written: 0, unreadable: 0 }
    }

    /// The next piece of the file; nothing at its end. Each has a transaction of its own: an export holds up nobody.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let mut tx = self.store.read("export").await?;
        let page = tx.list(&self.filter, self.sort, self.after, ROWS).await?;
        drop(tx);
        let mut out = Vec::new();
        if !self.begun && self.format == Format::Csv {
            out.extend_from_slice("\u{FEFF}".as_bytes());
            write_csv(&mut out, HEADER);
        }
        self.begun = true;
        for stored in &page.rows {
            self.written += 1;
            write(&mut out, self.format, &TransferView::new(stored, &self.routes));
        }
        self.unreadable += u64::try_from(page.unreadable.len()).unwrap_or(u64::MAX);
        self.after = page.next;
        self.ended = page.next.is_none();
        Ok(Some(out))
    }
}

fn write(out: &mut Vec<u8>, format: Format, view: &TransferView) {
    match format {
        Format::Csv => write_csv(out, cells(view)),
        Format::Jsonl => {
            // A view is plain data: it can't fail to be written, and memory takes it.
            drop(serde_json::to_writer(&mut *out, view));
            out.push(b'\n');
        }
    }
}

fn write_csv<T: AsRef<str>>(out: &mut Vec<u8>, cells: impl IntoIterator<Item = T>) {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    // Memory takes it.
    drop(writer.write_record(cells.into_iter().map(|cell| harmless(cell.as_ref()))));
    drop(writer.flush());
}

/// A spreadsheet takes what begins so for a formula, wherever it came from.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

fn cells(view: &TransferView) -> [String; HEADER.len()] {
    let error = view.last_error.as_ref();
    let held = view.held.as_ref();
    let or = |text: Option<&String>| text.cloned().unwrap_or_default();
    [
        view.request_id.clone(),
        view.system.clone(),
        view.state.clone(),
        or(held.map(|held| &held.by)),
        or(held.map(|held| &held.reason)),
        view.member.name.clone(),
        view.member.id_number.clone(),
        view.member.phone.clone(),
        view.source.full_name.clone(),
        view.destination.province_code.clone(),
        view.destination.province.clone(),
        view.destination.full_name.clone(),
        or(view.destination.sent_name.as_ref()),
        view.reason.clone(),
        or(view.receipt_no.as_ref()),
        view.attempts.to_string(),
        or(error.map(|error| &error.code)),
        or(error.map(|error| &error.zh)),
        or(error.map(|error| &error.en)),
        view.next_attempt_at.map(|at| at.to_string()).unwrap_or_default(),
        view.created_at.to_string(),
        view.updated_at.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(harmless(cell), format!("'{cell}"));
        }
        for cell in ["", "张*", "a=b", "'=1", "110***************"] {
            assert_eq!(harmless(cell), cell);
        }
        let mut out = Vec::new();
        write_csv(&mut out, ["=1", "a,\"b\"", "两\n行"]);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), "'=1,\"a,\"\"b\"\"\",\"两\n行\"\r\n");
    }
}
