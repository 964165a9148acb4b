//! Passwords: which are taken, and their hashes.

mod hashing;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use signpost_model::{Random, Secret};
use subtle::ConstantTimeEq;

use crate::error::PortalError;
use crate::forms::internal;
use hashing::{Hashing, Job};

/// OWASP's and ASVS' figures: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT_BYTES: usize = 32;

/// Checks that may wait for a thread; beyond it the answer is "busy", not a longer queue.
const MOST_WAITING: usize = 512;

/// The shortest password of an operator.
pub const SHORTEST: usize = 12;

/// The longest password that is hashed: bounds the work of one request.
pub const LONGEST: usize = 256;

/// Why a new password is not taken; `None` of the person's own words may be it.
pub fn check_new(password: &Secret, own_words: &[&str]) -> Result<(), String> {
    let text = password.expose();
    if text.chars().count() < SHORTEST {
        return Err(format!("Use at least {SHORTEST} characters"));
    }
    if text.len() > LONGEST {
        return Err(format!("Use at most {LONGEST} characters"));
    }
    let folded = signpost_model::text::fold(text);
    let own = own_words
        .iter()
        .any(|word| signpost_model::text::fold(word) == folded);
    let mut letters: Vec<char> = folded.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    if own || letters.len() < 5 || is_common(&folded) || is_known(&folded) {
        return Err("This password is too easy to guess. A few words in a row are good".to_owned());
    }
    Ok(())
}

/// What people choose when they have to: words, keys side by side, names of seasons and teams.
const COMMON: &str = include_str!("../data/common_passwords.txt");

/// Whether nothing is left of a password without words that everybody tries first and the digits
/// and signs around them. A few words in a row are not among them.
fn is_common(folded: &str) -> bool {
    let typed: Vec<char> = folded.chars().collect();
    let meant: Vec<char> = typed.iter().map(|letter| meant_by(*letter)).collect();
    let mut at = 0;
    while at < typed.len() {
        let word = COMMON
            .lines()
            .map(|word| word.chars().collect::<Vec<_>>())
            .filter(|word| typed[at..].starts_with(word) || meant[at..].starts_with(word))
            .map(|word| word.len())
            .max();
        at += match word {
            Some(length) => length,
            None if !typed[at].is_alphabetic() => 1,
            None => return false,
        };
    }
    true
}

/// Ten thousand passwords that leaked most often, and what is long of the next twenty thousand.
/// From zxcvbn's list, under its licence beside it.
static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../data/known_passwords.txt")
        .lines()
        .collect()
});

/// Whether it is one that leaked often, or one with digits and signs around it, or one twice.
fn is_known(folded: &str) -> bool {
    let is_one = |text: &str| {
        let meant: String = text.chars().map(meant_by).collect();
        KNOWN.contains(text) || KNOWN.contains(meant.as_str())
    };
    let inner = folded.trim_matches(|letter: char| !letter.is_alphabetic());
    if [folded, inner]
        .into_iter()
        .any(|text| text.len() >= 6 && is_one(unrepeated(text)))
    {
        return true;
    }
    // Digits and signs may belong to the word or be what somebody added.
    let first = folded.find(char::is_alphabetic).unwrap_or_default();
    let last = folded.trim_end_matches(|letter: char| !letter.is_alphabetic());
    (last.len()..=folded.len())
        .filter(|end| folded.is_char_boundary(*end))
        .any(|end| is_one(&folded[..end]) || is_one(folded.get(first..end).unwrap_or_default()))
}

/// The part that a text is made of by repeating it; the text itself when there is none.
fn unrepeated(text: &str) -> &str {
    let parts = (1..=text.len() / 2).filter(|length| text.is_char_boundary(*length));
    parts
        .map(|length| &text[..length])
        .find(|part| {
            text.len().is_multiple_of(part.len()) && part.repeat(text.len() / part.len()) == text
        })
        .unwrap_or(text)
}

/// The letter that a digit or sign stands for in `p@ssw0rd`.
const fn meant_by(letter: char) -> char {
    match letter {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

/// Hashes and checks passwords.
#[derive(Clone, Default)]
pub struct Passwords {
    /// Started by the first hash.
    hashing: Arc<OnceLock<Hashing>>,
    waiting: Arc<AtomicUsize>,
    hashed: Arc<AtomicU64>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

impl Passwords {
    /// How many hashes were made since the process began: the work that answers cost.
    pub fn hashed(&self) -> u64 {
        self.hashed.load(Ordering::Relaxed)
    }

    /// The hash of a new password, in PHC form.
    pub async fn hash(
        &self,
        password: &Secret,
        random: &dyn Random,
    ) -> Result<String, PortalError> {
        let mut salt = [0u8; 16];
        random.fill(&mut salt);
        let output = self.derive(password, salt.to_vec(), argon2()).await?;
        phc(&salt, &output).ok_or(PortalError::BadRequest)
    }

    /// Whether the password is the one of this hash. Without a hash the work is done all the
    /// same, so that the time tells nobody who exists.
    pub async fn verify(&self, password: &Secret, hash: Option<&str>) -> Result<bool, PortalError> {
        let stored = hash.and_then(parse);
        let (salt, argon2, expected) = match stored {
            Some(parts) => parts,
            None => (vec![0; 16], argon2(), Vec::new()),
        };
        let output = self.derive(password, salt, argon2).await?;
        Ok(!expected.is_empty() && bool::from(output.as_slice().ct_eq(&expected)))
    }

    async fn derive(
        &self,
        password: &Secret,
        salt: Vec<u8>,
        argon2: Argon2<'static>,
    ) -> Result<Vec<u8>, PortalError> {
        if password.expose().len() > LONGEST {
            return Err(PortalError::BadRequest);
        }
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= MOST_WAITING {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(PortalError::Busy);
        }
        let place = Waiting(Arc::clone(&self.waiting));
        self.hashed.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            argon2,
            password: password.clone(),
            salt,
            _place: place,
        };
        let derived = self.hashing()?.derive(job).await;
        derived
            .ok_or(PortalError::Busy)?
            .map_err(|_| PortalError::BadRequest)
    }

    fn hashing(&self) -> Result<&Hashing, PortalError> {
        if let Some(running) = self.hashing.get() {
            return Ok(running);
        }
        let started = Hashing::start().map_err(|error| internal(&error))?;
        // Of two that start at once one ends again, with its threads.
        Ok(self.hashing.get_or_init(|| started))
    }
}

/// A place in the queue, given back when its hash is made or not wanted any more.
#[derive(Default)]
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES)).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn parse(text: &str) -> Option<(Vec<u8>, Argon2<'static>, Vec<u8>)> {
    let hash = PasswordHash::new(text).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let mut salt = [0u8; 64];
    let salt = hash.salt?.decode_b64(&mut salt).ok()?.to_vec();
    let expected = hash.hash?.as_bytes().to_vec();
    (expected.len() == OUTPUT_BYTES && params.m_cost() <= 4 * MEMORY_KIB).then(|| {
        (
            salt,
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            expected,
        )
    })
}

fn phc(salt: &[u8], output: &[u8]) -> Option<String> {
    let salt_text = SaltString::encode_b64(salt).ok()?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2().params()).ok()?,
        salt: Some(Salt::from(&salt_text)),
        hash: Some(Output::new(output).ok()?),
    };
    Some(hash.to_string())
}

#[cfg(test)]
mod tests {
    use signpost_model::random::SeededRandom;

    use super::*;

    #[test]
    fn what_everybody_tries_first_is_no_password() {
        let refused = |text: &str| check_new(&Secret::new(text), &["ada@contoso.example"]).is_err();
        for text in [
            "Password1234",
            "P@ssw0rd2026!",
            "qwertyuiop123",
            "Welcome-Summer-2026",
            "aaaaaaaaaaaa1",
            "ADA@contoso.example",
            "short",
            "dragon2026!!!",
            "123456789987654321",
            "liverpoolliverpool",
            "!!Ch3lsea-1905",
            "1qaz2wsx3edc4rfv",
        ] {
            assert!(refused(text), "{text}");
        }
        for text in [
            "a few words in a row",
            "correct horse battery",
            "kestrel 41 lantern",
            "пароль из слов",
            "dragon kestrel lantern",
            "ööööäääüüüß straße",
        ] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn no_password_that_leaked_often_is_taken() {
        assert!(KNOWN.len() > 10_000);
        for known in KNOWN.iter().filter(|known| known.len() >= SHORTEST) {
            assert!(check_new(&Secret::new(*known), &[]).is_err(), "{known}");
        }
        // Long enough only by what everybody adds.
        for known in KNOWN.iter().filter(|known| known.len() >= 4) {
            let longer = format!("{known}2026!2026!");
            assert!(
                check_new(&Secret::new(longer.clone()), &[]).is_err(),
                "{longer}"
            );
        }
    }

    #[test]
    fn nothing_but_length_and_lists_is_asked_of_a_password() {
        for text in [
            "alllowercaseandlong",
            "no digits here at all",
            "ten words with only spaces and letters in one row",
            &"kestrel lantern ".repeat(16)[..LONGEST],
        ] {
            assert!(check_new(&Secret::new(text), &[]).is_ok(), "{text}");
        }
    }

    #[tokio::test]
    async fn only_the_password_itself_verifies() {
        let passwords = Passwords::default();
        let hash = passwords
            .hash(&Secret::new("correct horse battery"), &SeededRandom::new(1))
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(
            passwords
                .verify(&Secret::new("correct horse battery"), Some(&hash))
                .await,
            Ok(true)
        );
        assert_eq!(
            passwords.verify(&Secret::new("wrong"), Some(&hash)).await,
            Ok(false)
        );
        assert_eq!(
            passwords.verify(&Secret::new("wrong"), None).await,
            Ok(false)
        );
    }
}
