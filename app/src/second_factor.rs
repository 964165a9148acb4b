//! The second factor: time-based codes (RFC 6238), and recovery codes for a lost device.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use signpost_model::random::random_text;
use signpost_model::{Author, OperatorId, Random, Secret, Timestamp};
use signpost_store::{Sealer, TokenHash, Write, factors};
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, TOTP};

/// What every authenticator app knows: six digits of SHA-1, new every 30 seconds.
const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
/// Clocks may differ by one step.
const SKEW_STEPS: i64 = 1;

/// Recovery codes that an operator gets at once.
pub const RECOVERY_CODES: usize = 10;

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new seed: 160 bits as base32, the way people type it into an app.
pub fn new_seed(random: &dyn Random) -> Secret {
    Secret::new(random_text(random, BASE32, 32))
}

/// The time step of which `code` is the code now; `None` when it is none.
pub fn step_of(seed: &Secret, code: &str, now: Timestamp) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = totp_rs::Secret::Encoded(seed.expose().to_owned())
        .to_bytes()
        .ok()?;
    let totp = TOTP::new(Algorithm::SHA1, DIGITS, 0, STEP_SECONDS, bytes).ok()?;
    let current = now.as_millis() / 1_000 / i64::try_from(STEP_SECONDS).ok()?;
    let mut found = None;
    for step in current - SKEW_STEPS..=current + SKEW_STEPS {
        let expected = totp.generate(u64::try_from(step).ok()? * STEP_SECONDS);
        if bool::from(expected.as_bytes().ct_eq(digits.as_bytes())) {
            found = Some(step);
        }
    }
    found
}

/// What the QR code says to an authenticator app.
fn enrolment_address(seed: &Secret, organisation: &str, email: &str) -> String {
    let issuer = match organisation {
        "" => "Signpost".to_owned(),
        name => format!("Signpost {name}"),
    };
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    format!(
        "otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
        escape(email),
        seed.expose(),
        issuer = escape(&issuer),
    )
}

/// The QR code as the address of a picture; `None` when the names are too long for one.
pub fn qr_code(seed: &Secret, organisation: &str, email: &str) -> Option<String> {
    let address = enrolment_address(seed, organisation, email);
    let code = QrCode::with_error_correction_level(address, EcLevel::M).ok()?;
    let picture = code
        .render::<svg::Color<'_>>()
        .min_dimensions(224, 224)
        .dark_color(svg::Color("#000000"))
        .light_color(svg::Color("#ffffff"))
        .build();
    Some(format!(
        "data:image/svg+xml;base64,{}",
        STANDARD.encode(picture)
    ))
}

/// Fresh recovery codes, as they are shown: four groups of four, 80 bits each.
pub fn new_recovery_codes(random: &dyn Random) -> Vec<String> {
    // 32 letters and digits, none of which look alike.
    const LETTERS: &[u8] = b"23456789abcdefghjklmnpqrstuvwxyz";
    (0..RECOVERY_CODES)
        .map(|_| {
            let code = random_text(random, LETTERS, 16);
            let groups: Vec<&str> = [0, 4, 8, 12]
                .iter()
                .filter_map(|at| code.get(*at..at + 4))
                .collect();
            groups.join("-")
        })
        .collect()
}

/// What is stored of a recovery code, however it was typed.
pub fn recovery_hash(code: &str) -> TokenHash {
    let plain: String = code
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(64)
        .collect();
    TokenHash::of("recovery code", &plain)
}

/// What proves a second factor.
#[derive(Clone)]
pub enum Proof {
    /// The code of an app.
    Code(String),
    /// One of the codes for when the app is lost.
    Recovery(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

/// Uses up a proof: `false` when it is wrong or was used before.
pub async fn accept(
    tx: &mut Write,
    sealer: &Sealer,
    operator: OperatorId,
    proof: &Proof,
    author: &Author,
    now: Timestamp,
) -> signpost_store::Result<bool> {
    match proof {
        Proof::Recovery(code) => {
            factors::use_recovery_code(tx, operator, &recovery_hash(code), author, now).await
        }
        Proof::Code(code) => {
            let seeds = factors::find_seeds(tx, sealer, operator).await?;
            let step = seeds.confirmed.and_then(|seed| step_of(&seed, code, now));
            match step {
                Some(step) => factors::use_totp_step(tx, operator, step).await,
                None => Ok(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use signpost_model::random::SeededRandom;

    use super::*;

    /// RFC 6238, appendix B: the seed is the text 12345678901234567890.
    #[test]
    fn codes_are_those_of_the_standard() {
        let seed = Secret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (20_000_000_000, "353130"),
        ] {
            let now = Timestamp::from_millis(seconds * 1_000);
            assert_eq!(step_of(&seed, code, now), Some(seconds / 30), "{code}");
            let later = now.plus_millis(120_000);
            assert_eq!(step_of(&seed, code, later), None, "{code}");
        }
    }

    #[test]
    fn a_code_may_be_typed_with_a_space_but_not_in_part() {
        let seed = Secret::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let now = Timestamp::from_millis(59_000);
        assert_eq!(step_of(&seed, " 287 082", now), Some(1));
        for wrong in ["", "28708", "2870820", "287083", "٢٨٧٠٨٢"] {
            assert_eq!(step_of(&seed, wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn recovery_codes_are_recognised_however_they_are_typed() {
        let codes = new_recovery_codes(&SeededRandom::new(1));
        assert_eq!(codes.len(), RECOVERY_CODES);
        let typed = format!(" {} ", codes[0].to_uppercase().replace('-', " "));
        assert!(recovery_hash(&typed) == recovery_hash(&codes[0]));
        assert!(recovery_hash(&codes[1]) != recovery_hash(&codes[0]));
    }

    #[test]
    fn the_picture_is_an_address_that_the_policy_allows() {
        let seed = new_seed(&SeededRandom::new(1));
        let picture = qr_code(&seed, "Contoso", "ada@contoso.example").unwrap();
        assert!(picture.starts_with("data:image/svg+xml;base64,"));
        assert!(
            enrolment_address(&seed, "Contoso & Sons", "ada@contoso.example").starts_with(
                "otpauth://totp/Signpost%20Contoso%20%26%20Sons:ada%40contoso%2Eexample?secret="
            )
        );
    }
}
