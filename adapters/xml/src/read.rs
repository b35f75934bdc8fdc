//! From text to a tree.

use crate::source::{Source, is_xml_char};
use crate::{Attribute, Element, Encoding, XmlError};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, QName, ResolveResult};
use quick_xml::{NsReader, XmlVersion, escape};
use std::sync::Arc;

/// How deep elements may nest.
pub const MAX_DEPTH: usize = 32;

/// How many elements and attributes a document may have, together.
pub const MAX_NODES: usize = 20_000;

/// How many attributes an element may have, namespace declarations included.
const MAX_ATTRIBUTES: usize = 32;

/// How many namespace declarations may hold at one place, and how long a namespace may be: every element keeps its own
/// copy.
const MAX_BINDINGS: usize = 64;
const MAX_NAMESPACE_BYTES: usize = 128;

/// Reads a whole document. Its declaration decides which of the accepted encodings it is in; none means UTF-8.
///
/// # Errors
/// [`XmlError`], the first rule that is broken.
pub fn parse(raw: &[u8], encodings: &[Encoding]) -> Result<Element, XmlError> {
    let source = Source::decode(raw, encodings)?;
    let mut reader = NsReader::from_str(&source.text);
    reader.config_mut().check_comments = true;
    reader.resolver_mut().set_max_namespace_bindings(MAX_BINDINGS);
    let mut tree =
        Tree { source: &source, open: Vec::new(), namespace: Arc::default(), root: None, nodes: 0 };
    loop {
        let from = offset(&reader);
        let event = reader.read_event().map_err(|error| {
            let of_names = matches!(error, quick_xml::Error::Namespace(_));
            if of_names { XmlError::Namespace } else { XmlError::NotWellFormed }
        })?;
        match event {
            Event::Start(tag) => tree.open(&tag, reader.resolver(), from)?,
            Event::Empty(tag) => {
                tree.open(&tag, reader.resolver(), from)?;
                tree.close(offset(&reader));
            }
            Event::End(_) => tree.close(offset(&reader)),
            Event::Text(text) if text.contains("]]>") => return Err(XmlError::NotWellFormed),
            Event::Text(text) => tree.text(&text.xml10_content())?,
            Event::CData(text) => tree.inside()?.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => tree.inside()?.text.push_str(&resolve(&reference)?),
            Event::Comment(_) => {}
            // `Source` has read it.
            Event::Decl(_) if from == 0 => {}
            Event::Decl(_) | Event::PI(_) => return Err(XmlError::ProcessingInstruction),
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Eof => break,
        }
    }
    if tree.open.is_empty() { tree.root.ok_or(XmlError::Root) } else { Err(XmlError::NotWellFormed) }
}

fn offset(reader: &NsReader<&[u8]>) -> usize {
    // The whole document is in memory, so its offsets fit.
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

struct Tree<'a> {
    source: &'a Source<'a>,
    /// The elements that have begun and not ended, outermost first.
    open: Vec<Element>,
    /// The namespace of the last element that began: most are of the same.
    namespace: Arc<str>,
    root: Option<Element>,
    nodes: usize,
}

impl Tree<'_> {
    fn open(
        &mut self,
        tag: &BytesStart<'_>,
        resolver: &NamespaceResolver,
        from: usize,
    ) -> Result<(), XmlError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::Root);
        }
        if self.open.len() == MAX_DEPTH {
            return Err(XmlError::TooDeep);
        }
        let attributes = attributes(tag, resolver)?;
        self.nodes += 1 + attributes.len();
        if self.nodes > MAX_NODES {
            return Err(XmlError::TooMany);
        }
        let namespace = namespace(resolver.resolve_element(tag.name()).0)?;
        if *self.namespace != *namespace {
            self.namespace = namespace.into();
        }
        self.open.push(Element {
            namespace: self.namespace.clone(),
            name: local_name(tag.name())?,
            attributes,
            text: String::new(),
            children: Vec::new(),
            span: self.source.raw_offset(from)..0,
        });
        Ok(())
    }

    /// The innermost element ends before this offset. The reader has matched the tags.
    fn close(&mut self, to: usize) {
        let Some(mut element) = self.open.pop() else { return };
        element.span.end = self.source.raw_offset(to - 1) + 1;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        let blank = text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        match self.inside() {
            Ok(element) => element.text.push_str(text),
            Err(_) if blank => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn inside(&mut self) -> Result<&mut Element, XmlError> {
        self.open.last_mut().ok_or(XmlError::Root)
    }
}

fn attributes(tag: &BytesStart<'_>, resolver: &NamespaceResolver) -> Result<Vec<Attribute>, XmlError> {
    let mut seen: Vec<&str> = Vec::new();
    let mut read: Vec<Attribute> = Vec::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| XmlError::NotWellFormed)?;
        if seen.contains(&attribute.key.0) {
            return Err(XmlError::DuplicateAttribute);
        }
        if seen.len() == MAX_ATTRIBUTES {
            return Err(XmlError::TooMany);
        }
        seen.push(attribute.key.0);
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| XmlError::Entity)?;
        if attribute.value.contains('<') {
            return Err(XmlError::NotWellFormed);
        }
        if !value.chars().all(is_xml_char) {
            return Err(XmlError::Character);
        }
        let name = local_name(attribute.key)?;
        if attribute.key.as_namespace_binding().is_some() {
            // The resolver takes the value as it stands, so it must stand for itself; and a prefix is never unbound.
            let unbinds = value.is_empty() && attribute.key.prefix().is_some();
            if value != attribute.value || value.len() > MAX_NAMESPACE_BYTES || unbinds {
                return Err(XmlError::Namespace);
            }
            continue;
        }
        let namespace = namespace(resolver.resolve_attribute(attribute.key).0)?;
        if read.iter().any(|other| other.name == name && other.namespace == namespace) {
            return Err(XmlError::DuplicateAttribute);
        }
        read.push(Attribute { namespace: namespace.to_owned(), name, value: value.into_owned() });
    }
    Ok(read)
}

fn namespace(resolved: ResolveResult<'_>) -> Result<&str, XmlError> {
    match resolved {
        ResolveResult::Bound(Namespace(namespace)) => Ok(namespace),
        ResolveResult::Unbound => Ok(""),
        ResolveResult::Unknown(_) => Err(XmlError::Namespace),
    }
}

/// The local part of a name whose parts are both names.
fn local_name(name: QName<'_>) -> Result<String, XmlError> {
    let (local, prefix) = name.decompose();
    let parts = [Some(local.as_ref()), prefix.as_ref().map(AsRef::as_ref)];
    let holds = parts.into_iter().flatten().all(is_name);
    holds.then(|| local.as_ref().to_owned()).ok_or(XmlError::Name)
}

/// `NCName`, with Unicode's letters in place of the standard's ranges.
fn is_name(part: &str) -> bool {
    let mut chars = part.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// A character reference, or one of the five entities of XML itself.
fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) if is_xml_char(c) => Ok(c.to_string()),
        Ok(Some(_)) | Err(_) => Err(XmlError::Character),
        Ok(None) => escape::resolve_xml_entity(reference).map(str::to_owned).ok_or(XmlError::Entity),
    }
}
