//! A SAML 2.0 query or form as it is: parameters, base64, inflating.

#![no_main]

#[expect(dead_code, reason = "each target asks one parser")]
#[path = "../../tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = oracle::saml_form(input, true);
    let _ = oracle::saml_form(input, false);
});
