//! Hostile requests, saved and generated: none is taken for something that it is not.
//!
//! The saved ones stand in `hostile/`; what becomes of each is in one snapshot, so that a parser
//! that grows more lenient shows in the difference. `crates/federation/fuzz` starts from them too.

#![expect(clippy::unwrap_used, reason = "a test fails where it happens")]

#[path = "oracle/mod.rs"]
mod oracle;

use std::fmt::Debug;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// The files of a folder by name.
fn saved(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hostile")
        .join(folder);
    let mut files: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    assert!(files.len() > 50);
    files
}

/// One line about what became of an input, without the long values in it.
fn line<T: Debug, E: Debug>(outcome: &Result<T, E>) -> String {
    let text = match outcome {
        Ok(taken) => format!("{taken:?}"),
        Err(rejection) => format!("refused: {rejection:?}"),
    };
    match text.char_indices().nth(330) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[test]
fn saved_documents_are_taken_or_refused_as_noted() {
    let lines = saved("xml")
        .into_iter()
        .map(|(name, xml)| format!("{name}\n    {}\n", line(&oracle::saml_document(&xml))));
    insta::assert_snapshot!("documents", lines.collect::<String>());
}

#[test]
fn saved_queries_are_taken_or_refused_as_noted() {
    let lines = saved("query").into_iter().map(|(name, query)| {
        let text = String::from_utf8(query.clone()).unwrap();
        if name.starts_with("wsfed") {
            format!("{name}\n    {}\n", line(&oracle::wsfed(&text)))
        } else {
            let redirect = line(&oracle::saml_form(&query, true));
            let post = line(&oracle::saml_form(&query, false));
            format!("{name}\n    redirect: {redirect}\n    post: {post}\n")
        }
    });
    insta::assert_snapshot!("queries", lines.collect::<String>());
}

/// Words that requests are made of, and words that break things.
const WORDS: &[&str] = &[
    "<",
    ">",
    "/>",
    "</",
    "\"",
    "'",
    "&",
    "&amp;",
    "&#60;",
    "&#0;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?x?>",
    "<!DOCTYPE x>",
    "\0",
    "\n",
    " ",
    "\u{feff}",
    "\u{200b}",
    " ID=\"_b\"",
    " xmlns=\"urn:x\"",
    " xmlns:samlp=\"urn:x\"",
    " Version=\"2.0\"",
    " ForceAuthn=\"true\"",
    " IsPassive=\"1\"",
    " Destination=\"https://evil.example/\"",
    " AssertionConsumerServiceURL=\"https://evil.example/\"",
    " AssertionConsumerServiceIndex=\"0\"",
    "urn:federation:MicrosoftOnline",
    "<Issuer xmlns=\"urn:oasis:names:tc:SAML:2.0:assertion\">",
    "</Issuer>",
    "</samlp:AuthnRequest>",
];

/// Saved documents with pieces cut out, doubled, moved and put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), any::<Index>(), select(WORDS), 0..4_u8);
    let documents = |is_meant: fn(&str, usize) -> bool| {
        let meant = saved("xml")
            .into_iter()
            .filter(|(name, xml)| is_meant(name, xml.len()));
        select(meant.map(|(_, xml)| xml).collect::<Vec<_>>())
    };
    let document = prop_oneof![
        documents(|_, length| length < 2_000),
        documents(|name, _| name.starts_with("good")),
    ];
    (document, prop::collection::vec(edit, 1..3)).prop_map(|(mut xml, edits)| {
        for (from, to, word, kind) in edits {
            let (from, to) = (from.index(xml.len() + 1), to.index(xml.len() + 1));
            let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 40));
            let piece = xml[from..to].to_vec();
            match kind {
                0 => drop(xml.drain(from..to)),
                1 => drop(xml.splice(to..to, piece)),
                2 => {
                    // At the end of a name or value, where a word may fit.
                    let ends = xml[from..].iter().position(|b| b" >".contains(b));
                    let at = from + ends.unwrap_or_default();
                    drop(xml.splice(at..at, word.bytes()));
                }
                _ => drop(xml.splice(from..to, word.bytes())),
            }
        }
        xml
    })
}

/// Documents of the right words in any order: most are nearly right.
fn assembled() -> impl Strategy<Value = String> {
    let attribute = select(vec![
        "ID=\"_a\"",
        "ID=\"_b\"",
        "x:ID=\"_c\"",
        "Version=\"2.0\"",
        "Destination=\"\"",
        "ForceAuthn=\"1\"",
        "AssertionConsumerServiceIndex=\"0\"",
        "AssertionConsumerServiceURL=\"https://login.microsoftonline.com/login.srf\"",
        "xmlns:y=\"urn:y\"",
    ]);
    let issuer = select(vec![
        "<a:Issuer>urn:federation:MicrosoftOnline</a:Issuer>",
        "<a:Issuer> urn:federation:MicrosoftOnline </a:Issuer>",
        "<a:Issuer><![CDATA[urn:federation:MicrosoftOnline]]></a:Issuer>",
        "<a:Issuer>urn:federation:<!-- -->MicrosoftOnline</a:Issuer>",
        "<a:Issuer>urn:federation:Microsoft&#79;nline</a:Issuer>",
        "<Issuer>urn:federation:MicrosoftOnline</Issuer>",
        "<a:Issuer/>",
        "",
    ]);
    let more = select(vec![
        "<p:NameIDPolicy/>",
        "<p:RequestedAuthnContext><a:AuthnContextClassRef>x</a:AuthnContextClassRef></p:RequestedAuthnContext>",
        "<p:Extensions><a:Issuer>urn:evil</a:Issuer></p:Extensions>",
        "<a:Issuer>urn:evil</a:Issuer>",
        "text",
        "<!-- -->",
    ]);
    let name = select(vec!["p:AuthnRequest", "p:LogoutRequest", "a:AuthnRequest"]);
    (
        name,
        prop::collection::vec(attribute, 0..4),
        issuer,
        prop::collection::vec(more, 0..3),
    )
        .prop_map(|(name, mut attributes, issuer, more)| {
            for needed in ["ID=\"_first\"", "Version=\"2.0\""] {
                let start = &needed[..3];
                if !attributes.iter().any(|one| one.starts_with(start)) {
                    attributes.push(needed);
                }
            }
            format!(
                "<{name} xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
                 xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" xmlns:x=\"urn:x\" {}>\
                 {issuer}{}</{name}>",
                attributes.join(" "),
                more.concat()
            )
        })
}

const NAMES: &[&str] = &[
    "wa",
    "wtrealm",
    "wctx",
    "wreply",
    "wfresh",
    "wauth",
    "prompt",
    "username",
    "login_hint",
    "wresult",
    "WA",
    "wctx[]",
    "",
    "%77a",
];
const SAML_NAMES: &[&str] = &[
    "RelayState",
    "SAMLRequest",
    "SAMLResponse",
    "samlrequest",
    "SigAlg",
    "Signature",
    "username",
    "login_hint",
    "",
];
const VALUES: &[&str] = &[
    "wsignin1.0",
    "wsignout1.0",
    "wsignoutcleanup1.0",
    "urn%3afederation%3aMicrosoftOnline",
    "https%3A%2F%2Flogin.microsoftonline.com%2Flogin.srf",
    "https%3A%2F%2Flogin.microsoftonline.com.evil.example%2F",
    "https%3A%2F%2Flogin.microsoftonline.com%2Fx",
    "0",
    "-1",
    "login",
    "alice%40contoso.example",
    "%00",
    "%0D%0A",
    "%FF",
    "%",
    "+",
    "",
];

fn pairs(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let value = prop_oneof![
        4 => select(VALUES).prop_map(str::to_owned),
        1 => "\\PC{0,20}".prop_map(|text| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()),
        1 => "[ -~]{0,20}",
    ];
    let pair = (select(names), value).prop_map(|(name, value)| format!("{name}={value}"));
    prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join("&"))
}

fn wsfed_query() -> impl Strategy<Value = String> {
    let start = select(vec![
        "wa=wsignin1.0&wtrealm=urn%3afederation%3aMicrosoftOnline",
        "wa=wsignout1.0",
        "",
    ]);
    (start, pairs(NAMES)).prop_map(|(start, pairs)| format!("{start}&{pairs}"))
}

/// A query or form with a right request, or none, and anything beside it.
fn saml_form() -> impl Strategy<Value = String> {
    let files: Vec<String> = saved("query")
        .into_iter()
        .filter(|(name, _)| name.ends_with("-good") && name.starts_with("saml"))
        .map(|(_, query)| String::from_utf8(query).unwrap())
        .map(|query| query.split('&').next().unwrap().to_owned())
        .chain([String::new()])
        .collect();
    (select(files), pairs(SAML_NAMES)).prop_map(|(start, pairs)| format!("{start}&{pairs}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn damaged_documents_steer_nothing(xml in damaged()) {
        let _ = oracle::saml_document(&xml);
    }

    #[test]
    fn documents_are_read_alike_by_two_parsers(xml in assembled()) {
        let _ = oracle::saml_document(xml.as_bytes());
    }

    #[test]
    fn bytes_are_no_documents(xml in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(oracle::saml_document(&xml).is_err());
    }

    #[test]
    fn forms_steer_nothing(form in prop::collection::vec(any::<u8>(), 0..300), is_redirect: bool) {
        let _ = oracle::saml_form(&form, is_redirect);
    }

    #[test]
    fn forms_with_a_right_request_keep_their_state(form in saml_form(), is_redirect: bool) {
        let _ = oracle::saml_form(form.as_bytes(), is_redirect);
    }

    #[test]
    fn queries_steer_nothing(query in wsfed_query()) {
        let _ = oracle::wsfed(&query);
    }
}

/// The generators above are worth something only if part of what they make is taken.
#[test]
fn the_generators_reach_what_is_taken() {
    let mut runner = TestRunner::deterministic();
    let (damaged, assembled) = (damaged(), assembled());
    let (form, query) = (saml_form(), wsfed_query());
    let mut taken = [0; 4];
    for _ in 0..500 {
        let xml = damaged.new_tree(&mut runner).unwrap().current();
        taken[0] += usize::from(oracle::saml_document(&xml).is_ok());
        let xml = assembled.new_tree(&mut runner).unwrap().current();
        taken[1] += usize::from(oracle::saml_document(xml.as_bytes()).is_ok());
        let form = form.new_tree(&mut runner).unwrap().current();
        taken[2] += usize::from(oracle::saml_form(form.as_bytes(), true).is_ok());
        let query = query.new_tree(&mut runner).unwrap().current();
        taken[3] += usize::from(oracle::wsfed(&query).is_ok());
    }
    assert!(taken.iter().all(|taken| *taken >= 5), "{taken:?}");
}
