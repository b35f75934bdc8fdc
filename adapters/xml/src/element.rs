//! What was read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// An element, with its namespace resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct Element {
    /// The namespace, empty where there is none. Elements of one share it.
    pub namespace: Arc<str>,
    /// The local name.
    pub name: String,
    /// The attributes in order, without the namespace declarations.
    pub attributes: Vec<Attribute>,
    /// The text directly inside, joined over children and comments, not trimmed.
    pub text: String,
    /// The child elements in order.
    pub children: Vec<Element>,
    /// Where it stands in the raw document: from the `<` of its start tag to the `>` of its end tag.
    pub span: Range<usize>,
}

/// An attribute, with its namespace resolved.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The namespace, empty without a prefix.
    pub namespace: String,
    /// The local name.
    pub name: String,
    /// The value, unescaped and normalized.
    pub value: String,
}

impl Element {
    /// Whether it is of this namespace and local name.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && *self.namespace == *namespace
    }

    /// The first child of that name.
    #[must_use]
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(namespace, name))
    }

    /// The children of that name, in order.
    pub fn children_named<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.is(namespace, name))
    }

    /// The trimmed text of the first child of that name.
    #[must_use]
    pub fn text_of(&self, namespace: &str, name: &str) -> Option<&str> {
        self.child(namespace, name).map(|child| child.text.trim())
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|it| it.name == name && it.namespace == namespace);
        found.map(|attribute| attribute.value.as_str())
    }

    /// How many elements of that name there are, itself and all below it counted.
    #[must_use]
    pub fn count_named(&self, namespace: &str, name: &str) -> usize {
        // The depth is bounded by `MAX_DEPTH`, so is the recursion.
        let below: usize = self.children.iter().map(|child| child.count_named(namespace, name)).sum();
        below + usize::from(self.is(namespace, name))
    }
}

// Texts and values may be personal: `Debug` shows names alone.
impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}> at {:?} with {:?}", self.name, self.span, self.children)
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}
