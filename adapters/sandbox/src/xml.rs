//! Writing XML, and what both XML partners ask of a document before they read it.

use quick_xml::escape::escape;
use roxmltree::{Document, ParsingOptions};

/// A document under construction; its elements share one prefix.
pub(crate) struct Writer {
    prefix: &'static str,
    pub(crate) text: String,
}

impl Writer {
    /// `prefix` is empty, or ends in a colon.
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, text: String::new() }
    }

    pub(crate) fn leaf(&mut self, name: &str, value: &str) {
        let prefix = self.prefix;
        self.text += &format!("<{prefix}{name}>{}</{prefix}{name}>", escape(value));
    }

    pub(crate) fn maybe(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.leaf(name, value);
        }
    }

    pub(crate) fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        let prefix = self.prefix;
        self.text += &format!("<{prefix}{name}>");
        inside(self);
        self.text += &format!("</{prefix}{name}>");
    }
}

/// `text/xml; charset=UTF-8`
pub(crate) fn is_xml(content_type: &str) -> bool {
    content_type.to_ascii_lowercase().replace([' ', '"'], "") == "text/xml;charset=utf-8"
}

/// Parses a document that declares UTF-8 or nothing and has no DOCTYPE and no processing instruction.
pub(crate) fn parse(body: &[u8]) -> Result<Document<'_>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "须为 UTF-8")?;
    let declaration =
        text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")).map_or("", |(inside, _)| inside);
    let declared =
        declaration.split_once("encoding").map(|(_, rest)| rest.trim_matches([' ', '=', '"', '\'']));
    if declared.is_some_and(|name| !name.to_ascii_lowercase().starts_with("utf-8")) {
        return Err("XML 声明的字符集须为 UTF-8".into());
    }
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| format!("不是合法的 XML：{error}"))?;
    if document.descendants().any(|node| node.is_pi()) {
        return Err("不允许处理指令".into());
    }
    Ok(document)
}
