//! Ways to change a signed message, for clients that must notice each.

/// From the first `from` to the last `to`, both included.
pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap();
    let end = text.rfind(to).unwrap() + to.len();
    &text[start..end]
}

fn assertion(xml: &str) -> &str {
    between(xml, "<saml:Assertion", "</saml:Assertion>")
}

fn signature(xml: &str) -> &str {
    between(xml, "<ds:Signature ", "</ds:Signature>")
}

pub(crate) fn without_signature(xml: &str) -> String {
    xml.replace(signature(xml), "")
}

/// Another digest, of the right length.
pub(crate) fn with_other_digest(xml: &str) -> String {
    let value = between(xml, "<ds:DigestValue>", "</ds:DigestValue>");
    let zeros = format!("<ds:DigestValue>{}=</ds:DigestValue>", "A".repeat(43));
    xml.replace(value, &zeros)
}

/// A signature value with its first letters changed.
pub(crate) fn with_other_signature_value(xml: &str) -> String {
    let tag = "<ds:SignatureValue>";
    let start = xml.find(tag).unwrap() + tag.len();
    let other = if xml[start..].starts_with("AAAA") {
        "BBBB"
    } else {
        "AAAA"
    };
    format!("{}{other}{}", &xml[..start], &xml[start + 4..])
}

/// The assertion about Bob that somebody without the key can make, under another id.
fn forged(xml: &str) -> String {
    without_signature(assertion(xml))
        .replace("alice@", "bob@")
        .replace("ID=\"_", "ID=\"_x")
}

/// A change of a message.
pub(crate) type Change = fn(&str) -> String;

/// Where a forged assertion can stand so that one reader takes it and another verifies the true one.
pub(crate) const WRAPPINGS: [(&str, Change); 5] = [
    ("forged with the same id before the signed one", |xml| {
        let forged = forged(xml).replace("ID=\"_x", "ID=\"_");
        xml.replace(assertion(xml), &format!("{forged}{}", assertion(xml)))
    }),
    ("forged before the signed one", |xml| {
        xml.replace(
            assertion(xml),
            &format!("{}{}", forged(xml), assertion(xml)),
        )
    }),
    ("forged after the signed one", |xml| {
        xml.replace(
            assertion(xml),
            &format!("{}{}", assertion(xml), forged(xml)),
        )
    }),
    (
        "signed one inside of the signature of the forged one",
        |xml| {
            let own = assertion(xml);
            let object = format!("<ds:Object>{own}</ds:Object></ds:Signature>");
            let holder = signature(own).replace("</ds:Signature>", &object);
            let forged = own
                .replace(signature(own), &holder)
                .replacen("ID=\"_", "ID=\"_x", 1)
                .replacen("alice@", "bob@", 1);
            xml.replace(own, &forged)
        },
    ),
    (
        "signed one hidden in an extension before the forged one",
        |xml| {
            let own = assertion(xml);
            let hidden = format!("<x:hidden xmlns:x=\"urn:x\">{own}</x:hidden>");
            xml.replace(own, &format!("{hidden}{}", forged(xml)))
        },
    ),
];
