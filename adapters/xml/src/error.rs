//! Why a document is refused.

/// Why a document is refused. The texts name rules, never anything of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// The declaration can't be read, or is not of XML 1.0.
    #[error("the XML declaration can't be read")]
    Declaration,
    /// The declared encoding is not among the accepted ones.
    #[error("the declared encoding is not accepted here")]
    EncodingNotAccepted,
    /// The bytes are not of the declared encoding.
    #[error("the bytes don't fit the declared encoding")]
    EncodingMismatch,
    /// A character that XML 1.0 can't hold, as such or by reference.
    #[error("a character that XML does not allow")]
    Character,
    /// Tags that don't match, something that never ends, a bare `&`, and the like.
    #[error("the document is not well-formed")]
    NotWellFormed,
    /// A name that is none.
    #[error("a name of an element or attribute is not valid")]
    Name,
    /// `<!DOCTYPE`.
    #[error("a DOCTYPE is not accepted")]
    Doctype,
    /// `<?...?>` other than the declaration at the very start.
    #[error("a processing instruction is not accepted")]
    ProcessingInstruction,
    /// An entity other than the five of XML itself.
    #[error("an unknown entity")]
    Entity,
    /// A prefix without a declaration, or a declaration that is not valid.
    #[error("a namespace is undeclared or not valid")]
    Namespace,
    /// The same attribute twice, by its name or by its namespace.
    #[error("an attribute stands twice")]
    DuplicateAttribute,
    /// Text or an element before or after the root, or no root.
    #[error("the document does not have exactly one root element")]
    Root,
    /// Deeper than [`crate::MAX_DEPTH`].
    #[error("the elements nest too deep")]
    TooDeep,
    /// More than [`crate::MAX_NODES`].
    #[error("too many elements and attributes")]
    TooMany,
}
