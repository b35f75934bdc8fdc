//! A document as text, before it is a value.

use super::Parsed;
use league_contract::{Problem, ProblemCode};

/// Reads JSON as a document.
///
/// # Errors
/// One `malformed` problem with line and column, without the text.
pub fn parse(bytes: impl AsRef<[u8]>) -> Parsed {
    let text = std::str::from_utf8(bytes.as_ref()).map_err(|_| vec![not_utf8()])?;
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        vec![Problem::new(
            ProblemCode::Malformed,
            format!("不是有效的 JSON（第 {line} 行第 {column} 列）"),
            format!("not valid JSON (line {line}, column {column})"),
        )]
    })
}

pub(super) fn not_utf8() -> Problem {
    Problem::new(ProblemCode::Malformed, "不是 UTF-8 文本", "the text is not UTF-8")
}
