//! A WS-Federation query.

#![no_main]

#[expect(dead_code, reason = "each target asks one parser")]
#[path = "../../tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = oracle::wsfed(&String::from_utf8_lossy(input));
});
