//! The door through which randomness comes in, and the shapes that are drawn from it.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use rand::{RngCore, SeedableRng};

use crate::Secret;

/// A source of unguessable bytes.
pub trait Random: fmt::Debug + Send + Sync {
    /// Fills `bytes` with fresh random ones.
    fn fill(&self, bytes: &mut [u8]);
}

/// A text of `length` characters, each drawn evenly from `alphabet`.
pub fn random_text(random: &dyn Random, alphabet: &[u8], length: usize) -> String {
    // Bytes past the last whole multiple of the alphabet are drawn again: no letter is likelier.
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0u8; 64];
        random.fill(&mut bytes);
        for byte in bytes {
            if text.len() < length && usize::from(byte) < fair {
                text.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
            }
        }
    }
    text
}

/// A password for a new account that nobody ever sees: 32 characters of all four classes.
pub fn random_password(random: &dyn Random) -> Secret {
    const LETTERS: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    // The fixed end satisfies every "three of four classes" rule without weakening the rest.
    Secret::new(format!("{}aA7!", random_text(random, LETTERS, 28)))
}

/// A token for links, cookies and forms: 32 characters of base 36, over 160 bits.
pub fn random_token(random: &dyn Random) -> String {
    random_text(random, b"0123456789abcdefghijklmnopqrstuvwxyz", 32)
}

/// Draws the same bytes for the same seed: for tests and the practice data.
#[derive(Debug)]
pub struct SeededRandom(Mutex<rand::rngs::StdRng>);

impl SeededRandom {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(rand::rngs::StdRng::seed_from_u64(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_four_classes_and_never_repeat() {
        let random = SeededRandom::new(3);
        let (one, two) = (random_password(&random), random_password(&random));
        assert_ne!(one.expose(), two.expose());
        assert_eq!(one.expose().len(), 32);
        assert!(one.expose().chars().any(|c| c.is_ascii_digit()));
        assert!(one.expose().chars().any(|c| c.is_ascii_punctuation()));
    }
}
