//! Reading XML by namespace, strictly and within bounds; and writing it.
//!
//! The partners' documents are small and are signed over their bytes. So a whole document is read into a tree of
//! [`Element`]s, each of which knows the bytes that it came from ([`Element::span`]), and everything that two readers
//! might understand in two ways is refused: DOCTYPE, processing instructions, entities of one's own, undeclared
//! prefixes, duplicate attributes, bytes that do not fit the declared encoding. The bounds ([`MAX_DEPTH`],
//! [`MAX_NODES`]) hold before anything is kept, so that hostile input costs no more than an honest document.
//!
//! The crate knows nothing of leagues or partners.

mod element;
mod error;
mod read;
mod source;
mod write;

pub use element::{Attribute, Element};
pub use error::XmlError;
pub use read::{MAX_DEPTH, MAX_NODES, parse};
pub use source::Encoding;
pub use write::Writer;
