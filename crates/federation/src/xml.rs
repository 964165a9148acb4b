//! XML that is canonical by construction.
//!
//! What is signed is hashed in exclusive canonical form. A tree that can only be written in that
//! form needs no canonicaliser, and so has none to disagree with: no self-closing tags, namespaces
//! declared where they are first used, attributes in order, the four escapes and no more.
//! <https://www.w3.org/TR/xml-exc-c14n/>

/// A namespace and the prefix we write it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Namespace {
    pub(crate) prefix: &'static str,
    pub(crate) uri: &'static str,
}

/// An element that is being put together.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    namespace: Namespace,
    name: &'static str,
    /// Declared here although only a value uses it, as in `xsi:type="fed:…"`.
    declared: Option<Namespace>,
    attributes: Vec<Attribute>,
    children: Vec<Node>,
}

#[derive(Debug, Clone)]
struct Attribute {
    namespace: Option<Namespace>,
    name: &'static str,
    value: String,
}

#[derive(Debug, Clone)]
enum Node {
    Element(Element),
    Text(String),
}

impl Element {
    pub(crate) const fn new(namespace: Namespace, name: &'static str) -> Self {
        Self {
            namespace,
            name,
            declared: None,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    pub(crate) fn attribute(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute {
            namespace: None,
            name,
            value: value.into(),
        });
        self
    }

    /// The type of an element whose schema type is derived; `value_namespace` is what it names.
    pub(crate) fn schema_type(mut self, value_namespace: Namespace, name: &str) -> Self {
        let value = format!("{}:{name}", value_namespace.prefix);
        self.declared = Some(value_namespace);
        self.attributes.push(Attribute {
            namespace: Some(XSI),
            name: "type",
            value,
        });
        self
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.children.push(Node::Text(text.into()));
        self
    }

    pub(crate) fn child(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    pub(crate) fn children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children
            .extend(children.into_iter().map(Node::Element));
        self
    }

    pub(crate) fn insert_child(&mut self, index: usize, child: Self) {
        self.children
            .insert(index.min(self.children.len()), Node::Element(child));
    }

    pub(crate) fn attribute_value(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|a| a.name == name)
            .map(|a| a.value.as_str())
    }

    /// The canonical form of this element standing alone.
    pub(crate) fn to_canonical(&self) -> Result<String, UnwritableText> {
        let mut text = String::with_capacity(4096);
        self.write(&mut text, &mut Vec::new())?;
        Ok(text)
    }

    fn write(&self, out: &mut String, in_scope: &mut Vec<Namespace>) -> Result<(), UnwritableText> {
        let outer = in_scope.len();
        out.push('<');
        self.push_name(out);
        let mut used = vec![self.namespace];
        used.extend(self.declared);
        used.extend(
            self.attributes
                .iter()
                .filter_map(|attribute| attribute.namespace),
        );
        used.sort_by_key(|namespace| namespace.prefix);
        used.dedup();
        for namespace in used {
            let known = in_scope
                .iter()
                .rev()
                .find(|known| known.prefix == namespace.prefix);
            if known != Some(&namespace) {
                in_scope.push(namespace);
                out.extend([" xmlns:", namespace.prefix, "=\""]);
                push_escaped(out, namespace.uri, Place::Attribute)?;
                out.push('"');
            }
        }
        let mut attributes: Vec<&Attribute> = self.attributes.iter().collect();
        attributes.sort_by_key(|a| (a.namespace.map_or("", |namespace| namespace.uri), a.name));
        for attribute in attributes {
            out.push(' ');
            if let Some(namespace) = attribute.namespace {
                out.extend([namespace.prefix, ":"]);
            }
            out.extend([attribute.name, "=\""]);
            push_escaped(out, &attribute.value, Place::Attribute)?;
            out.push('"');
        }
        out.push('>');
        for child in &self.children {
            match child {
                Node::Element(element) => element.write(out, in_scope)?,
                Node::Text(text) => push_escaped(out, text, Place::Text)?,
            }
        }
        in_scope.truncate(outer);
        out.push_str("</");
        self.push_name(out);
        out.push('>');
        Ok(())
    }

    fn push_name(&self, out: &mut String) {
        out.extend([self.namespace.prefix, ":", self.name]);
    }
}

/// A value holds a character that we never write: control characters are refused rather than
/// escaped, since XML 1.0 has no way to write most of them and verifiers differ on the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a value holds a control character")]
pub struct UnwritableText;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Attribute,
}

fn push_escaped(out: &mut String, text: &str, place: Place) -> Result<(), UnwritableText> {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' if place == Place::Text => out.push_str("&gt;"),
            '"' if place == Place::Attribute => out.push_str("&quot;"),
            _ if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {
                return Err(UnwritableText);
            }
            _ => out.push(c),
        }
    }
    Ok(())
}

pub(crate) const XSI: Namespace = Namespace {
    prefix: "xsi",
    uri: "http://www.w3.org/2001/XMLSchema-instance",
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: Namespace = Namespace {
        prefix: "a",
        uri: "urn:a",
    };
    const B: Namespace = Namespace {
        prefix: "b",
        uri: "urn:b",
    };

    #[test]
    fn namespaces_are_declared_where_they_are_first_used() {
        let tree = Element::new(A, "root")
            .attribute("z", "1")
            .attribute("b", "<\">&")
            .child(Element::new(B, "x").child(Element::new(A, "y").text("<\">&")))
            .child(Element::new(B, "x"));
        let expected = "<a:root xmlns:a=\"urn:a\" b=\"&lt;&quot;>&amp;\" z=\"1\">\
            <b:x xmlns:b=\"urn:b\"><a:y>&lt;\"&gt;&amp;</a:y></b:x>\
            <b:x xmlns:b=\"urn:b\"></b:x></a:root>";
        assert_eq!(tree.to_canonical().unwrap(), expected);
    }

    #[test]
    fn typed_elements_declare_the_namespace_of_their_type() {
        let tree = Element::new(A, "root")
            .schema_type(B, "T")
            .attribute("p", "q");
        let expected = "<a:root xmlns:a=\"urn:a\" xmlns:b=\"urn:b\" \
            xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" p=\"q\" xsi:type=\"b:T\">\
            </a:root>";
        assert_eq!(tree.to_canonical().unwrap(), expected);
    }

    #[test]
    fn control_characters_are_refused_everywhere() {
        for text in ["\0", "a\nb", "\r", "\t", "\u{1F}", "\u{85}", "\u{FFFE}"] {
            assert_eq!(
                Element::new(A, "x").text(text).to_canonical(),
                Err(UnwritableText)
            );
            let attribute = Element::new(A, "x").attribute("y", text);
            assert_eq!(attribute.to_canonical(), Err(UnwritableText));
        }
    }

    proptest! {
        #[test]
        fn a_parser_reads_back_what_was_meant(text in "\\PC{0,40}", value in "\\PC{0,40}") {
            let tree = Element::new(A, "x").attribute("y", value.as_str()).text(text.as_str());
            let Ok(written) = tree.to_canonical() else { return Ok(()) };
            let read = roxmltree::Document::parse(&written).unwrap();
            prop_assert_eq!(read.root_element().text().unwrap_or_default(), text);
            prop_assert_eq!(read.root_element().attribute("y"), Some(value.as_str()));
        }
    }
}
