//! The XML of a SAML 2.0 request, by both bindings.

#![no_main]

#[expect(dead_code, reason = "each target asks one parser")]
#[path = "../../tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = oracle::saml_document(input);
});
