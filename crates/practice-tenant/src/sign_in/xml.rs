//! Reading messages strictly: what could be read in two ways is refused.

use uppsala::{Document, NodeId};

use super::refusal::{Code, Refused};

/// The most bytes of a message; a real one has about 8 KB.
const MAX_MESSAGE: usize = 128 * 1024;

/// Parses a message without document type, and so without entities.
pub(super) fn parse(text: &str) -> Result<Document<'_>, Refused> {
    if text.len() > MAX_MESSAGE {
        return Err(Refused::new(
            Code::SamlToken,
            "The message is longer than 128 KB.",
        ));
    }
    uppsala::parser::Parser::new()
        .with_forbid_dtd(true)
        .parse(text)
        .map_err(|error| {
            Refused::new(
                Code::SamlToken,
                format!("The message is not XML without a document type: {error}."),
            )
        })
}

/// An element and the tree it stands in.
#[derive(Clone, Copy)]
pub(super) struct At<'t, 'x> {
    tree: &'t Document<'x>,
    node: NodeId,
}

impl<'t, 'x> At<'t, 'x> {
    pub(super) fn root(tree: &'t Document<'x>) -> Option<Self> {
        let node = tree.document_element()?;
        Some(Self { tree, node })
    }

    pub(super) fn node(self) -> NodeId {
        self.node
    }

    pub(super) fn is(self, namespace: &str, name: &str) -> bool {
        self.tree
            .element(self.node)
            .is_some_and(|element| element.matches_name_ns(namespace, name))
    }

    pub(super) fn is_at(self, node: NodeId) -> bool {
        self.node == node
    }

    /// An attribute without a prefix; those of other namespaces are not meant by any SAML name.
    pub(super) fn attribute(self, name: &str) -> Option<&'t str> {
        let element = self.tree.element(self.node)?;
        let found = element.attributes.iter().find(|attribute| {
            attribute.name.namespace_uri.is_none() && attribute.name.local_name == name
        });
        found.map(|attribute| &*attribute.value)
    }

    pub(super) fn parent(self) -> Option<Self> {
        let node = self.tree.parent(self.node)?;
        Some(Self { node, ..self })
    }

    pub(super) fn children(self, namespace: &str, name: &str) -> Vec<Self> {
        let found = self
            .tree
            .child_elements_by_name_ns(self.node, namespace, name);
        found
            .into_iter()
            .map(|node| Self { node, ..self })
            .collect()
    }

    /// The names of all child elements, in order.
    pub(super) fn child_names(self) -> Vec<&'t str> {
        self.tree
            .children_iter(self.node)
            .filter_map(|node| self.tree.element(node))
            .map(|element| &*element.name.local_name)
            .collect()
    }

    /// The only child of that name.
    pub(super) fn only(self, namespace: &str, name: &str) -> Result<Self, Refused> {
        match self.children(namespace, name).as_slice() {
            [only] => Ok(*only),
            [] => Err(shape(format!("{name} is missing."))),
            many => Err(shape(format!(
                "{name} is there {} times, and must be there once.",
                many.len()
            ))),
        }
    }

    /// Elements of that name anywhere below, and this one itself.
    pub(super) fn everywhere(self, namespace: &str, name: &str) -> Vec<Self> {
        let own = self.is(namespace, name).then_some(self);
        let below = self
            .tree
            .descendants(self.node)
            .into_iter()
            .filter(|node| *node != self.node)
            .map(|node| Self { node, ..self })
            .filter(|at| at.is(namespace, name));
        own.into_iter().chain(below).collect()
    }

    /// The text of an element that holds nothing else: a comment would split it, and readers differ
    /// on which part they take.
    pub(super) fn text(self) -> Result<&'t str, Refused> {
        let children: Vec<NodeId> = self.tree.children_iter(self.node).collect();
        let text = match children.as_slice() {
            [] => Some(""),
            [only] => self.tree.text_content(*only),
            _ => None,
        };
        text.ok_or_else(|| {
            let name = self
                .tree
                .element(self.node)
                .map_or("", |element| &element.name.local_name);
            shape(format!(
                "{name} holds more than text, such as a comment in the middle of it."
            ))
        })
    }
}

fn shape(because: String) -> Refused {
    Refused::new(Code::SamlToken, because)
}

impl std::fmt::Debug for At<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("At").field(&self.node).finish()
    }
}
