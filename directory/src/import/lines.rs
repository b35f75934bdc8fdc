//! CSV records, one at a time, with the line each begins on.
//!
//! Own, because a directory must survive what a general reader takes in its stride: a quotation mark that is never closed
//! makes all lines after it one field, which would be hundreds of megabytes, and in a full import would look as if
//! all organizations after it were gone. Here a record has a length, and a quotation mark an end, or the import stops.

use std::io::{self, BufRead};
use std::ops::Range;

/// The longest record in bytes.
const LONGEST: usize = 64 * 1024;

/// Why a record can't be read.
#[derive(Debug)]
pub(super) enum Broken {
    /// The quotation mark opened in this line is not closed.
    Quote(u64),
    /// The record of this line is too long.
    Length(u64),
    /// The input can't be read.
    Io(io::Error),
}

/// Reads records.
pub(super) struct Lines<R> {
    input: R,
    /// The line that is read next.
    line: u64,
    text: Vec<u8>,
    unquoted: Vec<u8>,
    fields: Vec<Range<usize>>,
}

/// One record: its line and its fields.
pub(super) struct Record<'a> {
    pub(super) line: u64,
    text: &'a [u8],
    fields: &'a [Range<usize>],
}

impl<'a> Record<'a> {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field; empty where there is none.
    pub(super) fn field(&self, index: usize) -> &'a [u8] {
        self.fields.get(index).and_then(|range| self.text.get(range.clone())).unwrap_or_default()
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 1, text: Vec::new(), unquoted: Vec::new(), fields: Vec::new() }
    }

    /// Where the records come from.
    pub(super) fn input(&self) -> &R {
        &self.input
    }

    /// The next record that is not an empty line.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let begins = loop {
            let begins = self.line;
            self.text.clear();
            if !self.more(begins)? {
                return Ok(None);
            }
            if !self.text.is_empty() {
                break begins;
            }
        };
        if memchr::memchr(b'"', &self.text).is_none() {
            self.fields.clear();
            let mut from = 0;
            for comma in memchr::memchr_iter(b',', &self.text) {
                self.fields.push(from..comma);
                from = comma + 1;
            }
            self.fields.push(from..self.text.len());
            return Ok(Some(Record { line: begins, text: &self.text, fields: &self.fields }));
        }
        while !self.split() {
            // The field goes on in the next line.
            self.text.push(b'\n');
            if !self.more(begins)? {
                return Err(Broken::Quote(begins));
            }
        }
        Ok(Some(Record { line: begins, text: &self.unquoted, fields: &self.fields }))
    }

    /// Appends a line without its end.
    fn more(&mut self, begins: u64) -> Result<bool, Broken> {
        let from = self.text.len();
        loop {
            let input = match self.input.fill_buf() {
                Ok(input) => input,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Io(error)),
            };
            if input.is_empty() {
                break;
            }
            let end = memchr::memchr(b'\n', input);
            self.text.extend_from_slice(&input[..end.unwrap_or(input.len())]);
            let used = end.map_or(input.len(), |end| end + 1);
            self.input.consume(used);
            if self.text.len() > LONGEST {
                let quoted = memchr::memchr(b'"', &self.text).is_some();
                return Err(if quoted { Broken::Quote(begins) } else { Broken::Length(begins) });
            }
            if end.is_some() {
                self.line += 1;
                if self.text.len() > from && self.text.last() == Some(&b'\r') {
                    self.text.pop();
                }
                return Ok(true);
            }
        }
        // The last line may lack its end.
        if self.text.len() == from {
            return Ok(false);
        }
        self.line += 1;
        if self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        Ok(true)
    }

    /// Splits a record with quotation marks; `false` where one is still open.
    fn split(&mut self) -> bool {
        self.unquoted.clear();
        self.fields.clear();
        let mut rest = self.text.as_slice();
        loop {
            let from = self.unquoted.len();
            if let Some(quoted) = rest.strip_prefix(b"\"") {
                rest = quoted;
                loop {
                    let Some(mark) = memchr::memchr(b'"', rest) else { return false };
                    self.unquoted.extend_from_slice(&rest[..mark]);
                    rest = &rest[mark + 1..];
                    match rest.strip_prefix(b"\"") {
                        Some(after) => {
                            self.unquoted.push(b'"');
                            rest = after;
                        }
                        None => break,
                    }
                }
            }
            let comma = memchr::memchr(b',', rest);
            self.unquoted.extend_from_slice(&rest[..comma.unwrap_or(rest.len())]);
            self.fields.push(from..self.unquoted.len());
            match comma {
                Some(comma) => rest = &rest[comma + 1..],
                None => return true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The line and the fields of a record.
    type Read = (u64, Vec<Vec<u8>>);

    fn all(text: &[u8]) -> Result<Vec<Read>, Broken> {
        // A small buffer, so that lines lie across its ends.
        let mut lines = Lines::new(io::BufReader::with_capacity(7, text));
        let mut records = Vec::new();
        while let Some(record) = lines.next()? {
            let fields = (0..record.len()).map(|at| record.field(at).to_vec()).collect();
            records.push((record.line, fields));
        }
        Ok(records)
    }

    #[test]
    fn lines_are_counted_through_quoted_fields_and_empty_lines() {
        let lines: Vec<u64> =
            all(b"a,b\r\n\r\n\"x\ny\",2\n\n3,4").expect("records").iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 6]);
        assert!(matches!(all(b"a,b\n1,2\n\"x,2\n3,4\n"), Err(Broken::Quote(3))));
        // A mark within a field that does not begin with one is a character.
        assert_eq!(all("甲\"乙,1\n".as_bytes()).expect("a record")[0].1[0], "甲\"乙".as_bytes());
    }

    proptest! {
        #[test]
        fn what_a_writer_writes_is_read(rows in prop::collection::vec(prop::collection::vec("[a,\"\n甲 ]{0,6}", 2..5), 0..12)) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).expect("memory");
            }
            let read = all(&writer.into_inner().expect("memory")).expect("records");
            let read: Vec<Vec<String>> = read
                .into_iter()
                .map(|(_, fields)| fields.into_iter().map(|field| String::from_utf8(field).expect("UTF-8")).collect())
                .collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn any_bytes_end(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..300)) {
            let _read = all(&bytes);
        }
    }
}
