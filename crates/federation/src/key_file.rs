//! A key with its certificate in one file, as Windows exports them (PKCS #12: `.pfx`, `.p12`).

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error;
use signpost_model::Secret;

use crate::certificate::KeyProblem;
use crate::{Certificate, CertificateProblem, SigningKey};

/// The most bytes that are looked at: a key with a long chain of certificates has fewer.
pub const MAX_KEY_FILE: usize = 16 * 1024;

/// Opens a key file: its RSA key, and the certificate that belongs to the key. Other certificates
/// of the file are those above it, and nobody asks for them.
///
/// A file says itself how dear its password is to check, within bounds that still allow for much
/// work and memory: one at a time, and away from what has to answer.
pub fn open(file: &[u8], password: &Secret) -> Result<(SigningKey, Certificate), KeyFileProblem> {
    if file.len() > MAX_KEY_FILE {
        return Err(KeyFileProblem::TooLarge);
    }
    let archive = Pkcs12Archive::from_pkcs12(file, password.expose()).map_err(problem_of)?;
    let mut problem = KeyFileProblem::NoKey;
    for bag in &archive.keys {
        let key = match SigningKey::from_pkcs8(bag.key.as_der()) {
            Ok(key) => key,
            Err(why) => {
                problem = KeyFileProblem::Key(why);
                continue;
            }
        };
        problem = KeyFileProblem::NoCertificate;
        for bag in &archive.certs {
            match Certificate::from_der(bag.cert.as_der()) {
                Ok(certificate) if key.matches(&certificate) => return Ok((key, certificate)),
                Ok(_) => {}
                Err(why) => problem = KeyFileProblem::Certificate(why),
            }
        }
    }
    Err(problem)
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn problem_of(error: Error) -> KeyFileProblem {
    match error {
        // Without a checksum a wrong password shows in what it makes of the contents.
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => {
            KeyFileProblem::WrongPassword
        }
        Error::UnsupportedEncryptionScheme
        | Error::UnsupportedMacAlgorithm
        | Error::UnsupportedContentType
        | Error::UnsupportedCertificateType
        | Error::InvalidParameters => KeyFileProblem::Unsupported,
        _ => KeyFileProblem::NotAKeyFile,
    }
}

/// Why a key file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileProblem {
    #[error("This is not a PKCS #12 file.")]
    NotAKeyFile,
    #[error("This is too large to be a key file.")]
    TooLarge,
    #[error("The file does not open with this password.")]
    WrongPassword,
    #[error("The file is locked in a way that is not known here. Export it anew with AES-256.")]
    Unsupported,
    #[error("There is no private key in this file. Export the certificate together with its key.")]
    NoKey,
    #[error("The certificate of the key is not in this file.")]
    NoCertificate,
    #[error("{0}")]
    Key(KeyProblem),
    #[error("{0}")]
    Certificate(CertificateProblem),
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &[u8] = include_bytes!("../tests/fixtures/signing-key.p12");
    const LEGACY: &[u8] = include_bytes!("../tests/fixtures/signing-key-legacy.pfx");
    const NO_KEY: &[u8] = include_bytes!("../tests/fixtures/without-key.p12");
    const OTHER: &[u8] = include_bytes!("../tests/fixtures/elliptic-key.p12");
    const PEM: &str = include_str!("../tests/fixtures/signing-certificate.pem");

    fn tried(file: &[u8], password: &str) -> Result<Certificate, KeyFileProblem> {
        open(file, &Secret::new(password)).map(|(_, certificate)| certificate)
    }

    #[test]
    fn a_file_opens_whoever_locked_it_and_however_long_ago() {
        let expected = Certificate::parse(PEM).unwrap();
        for file in [MODERN, LEGACY] {
            let (key, certificate) = open(file, &Secret::new("ein Paßwort")).unwrap();
            assert_eq!(certificate, expected);
            assert!(key.matches(&certificate));
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let right = "ein Paßwort";
        for (file, password, problem) in [
            (MODERN, "another", KeyFileProblem::WrongPassword),
            (LEGACY, "", KeyFileProblem::WrongPassword),
            (NO_KEY, right, KeyFileProblem::NoKey),
            (OTHER, right, KeyFileProblem::Key(KeyProblem::NotAKey)),
            (PEM.as_bytes(), right, KeyFileProblem::NotAKeyFile),
            (b"", right, KeyFileProblem::NotAKeyFile),
            (
                &MODERN[..MODERN.len() - 1],
                right,
                KeyFileProblem::NotAKeyFile,
            ),
            (&[0x30; MAX_KEY_FILE + 1], right, KeyFileProblem::TooLarge),
        ] {
            assert_eq!(tried(file, password), Err(problem));
        }
    }

    #[test]
    fn a_damaged_file_gives_no_other_key() {
        let expected = Certificate::parse(PEM).unwrap();
        for at in (0..MODERN.len()).step_by(29) {
            let mut file = MODERN.to_vec();
            file[at] ^= 0x41;
            if let Ok(certificate) = tried(&file, "ein Paßwort") {
                assert_eq!(certificate, expected, "byte {at}");
            }
        }
    }
}
