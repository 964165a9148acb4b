//! Secrets at rest: sealed with XChaCha20-Poly1305 under the master key, bound to their row.

use std::fmt;
use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use signpost_model::{Random, Secret};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::token::sha256_hex;
use crate::{Error, Result};

const NONCE_LENGTH: usize = 24;

/// The 32 bytes under which every secret of the database is sealed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// A new key.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// Reads a key from its text form.
    pub fn from_base64(text: &str) -> Result<Self> {
        let invalid =
            || Error::InvalidSettings("the master key must be 32 bytes in base64".to_owned());
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| invalid())?);
        let mut key = Self([0; 32]);
        if bytes.len() != key.0.len() {
            return Err(invalid());
        }
        key.0.copy_from_slice(&bytes);
        Ok(key)
    }

    /// Reads a key from a file that only its owner may read.
    pub fn from_file(path: &Path) -> Result<Self> {
        let failed = |source| Error::File {
            path: path.display().to_string(),
            source,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(path)
                .map_err(failed)?
                .permissions()
                .mode();
            if mode & 0o077 != 0 {
                return Err(Error::InvalidSettings(format!(
                    "{} can be read by others (mode {:03o}): run chmod 600 on it",
                    path.display(),
                    mode & 0o777
                )));
            }
        }
        Self::from_base64(&Zeroizing::new(
            std::fs::read_to_string(path).map_err(failed)?,
        ))
    }

    /// Writes the key to a new file that only its owner may read; never replaces one.
    pub fn write_new(&self, path: &Path) -> Result<()> {
        let failed = |source| Error::File {
            path: path.display().to_string(),
            source,
        };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(self.0)));
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)
    }

    /// Names the key without telling anything of it.
    fn id(&self) -> String {
        let mut id = sha256_hex(&[b"signpost master key id\0", &self.0]);
        id.truncate(8);
        id
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// Where a sealed value lives; it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowIdentity<'a> {
    pub table: &'a str,
    pub column: &'a str,
    pub id: &'a str,
}

impl fmt::Display for RowIdentity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.table, self.column, self.id)
    }
}

/// Seals and opens secrets under a master key.
#[derive(Clone)]
pub struct Sealer {
    key_id: String,
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    /// The sealer of this key.
    pub fn new(key: &MasterKey) -> Self {
        Self {
            key_id: key.id(),
            cipher: XChaCha20Poly1305::new((&key.0).into()),
        }
    }

    /// Names the key that this sealer uses.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The secret as text for the column of this row: `v1.KEY.BASE64`.
    pub fn seal(
        &self,
        row: RowIdentity<'_>,
        secret: &Secret,
        random: &dyn Random,
    ) -> Result<String> {
        let mut bytes = vec![0; NONCE_LENGTH];
        random.fill(&mut bytes);
        let sealed = self
            .cipher
            .encrypt(
                XNonce::from_slice(&bytes),
                Payload {
                    msg: secret.expose().as_bytes(),
                    aad: row.to_string().as_bytes(),
                },
            )
            .map_err(|_| Error::Unsealable(row.to_string()))?;
        bytes.extend_from_slice(&sealed);
        Ok(format!("v1.{}.{}", self.key_id, STANDARD.encode(bytes)))
    }

    /// Opens what was sealed for the column of this row.
    pub fn open(&self, row: RowIdentity<'_>, sealed: &str) -> Result<Secret> {
        self.try_open(row, sealed)
            .ok_or_else(|| Error::Unsealable(row.to_string()))
    }

    fn try_open(&self, row: RowIdentity<'_>, sealed: &str) -> Option<Secret> {
        let (key_id, text) = sealed.strip_prefix("v1.")?.split_once('.')?;
        if key_id != self.key_id {
            return None;
        }
        let bytes = STANDARD.decode(text).ok()?;
        let (nonce, cipher_text) = bytes.split_at_checked(NONCE_LENGTH)?;
        let row = row.to_string();
        let payload = Payload {
            msg: cipher_text,
            aad: row.as_bytes(),
        };
        let opened = self
            .cipher
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()?;
        String::from_utf8(opened).ok().map(Secret::new)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signpost_model::random::SeededRandom;

    const ROW: RowIdentity<'_> = RowIdentity {
        table: "connections",
        column: "secret",
        id: "1",
    };

    #[test]
    fn a_sealed_secret_opens_in_its_own_row_only() {
        let random = SeededRandom::new(1);
        let sealer = Sealer::new(&MasterKey::generate(&random));
        let sealed = sealer.seal(ROW, &Secret::new("hunter2"), &random).unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(sealer.open(ROW, &sealed).unwrap().expose(), "hunter2");
        for other in [
            RowIdentity { id: "2", ..ROW },
            RowIdentity {
                column: "certificate",
                ..ROW
            },
            RowIdentity {
                table: "operators",
                ..ROW
            },
        ] {
            assert!(sealer.open(other, &sealed).is_err());
        }
    }

    #[test]
    fn an_altered_or_foreign_text_does_not_open() {
        let random = SeededRandom::new(1);
        let sealer = Sealer::new(&MasterKey::generate(&random));
        let other = Sealer::new(&MasterKey::generate(&random));
        let sealed = sealer.seal(ROW, &Secret::new("hunter2"), &random).unwrap();
        assert!(other.open(ROW, &sealed).is_err());
        assert!(sealer.open(ROW, &sealed.replace("v1.", "v2.")).is_err());
        assert!(sealer.open(ROW, &sealed[..sealed.len() - 8]).is_err());
        assert!(sealer.open(ROW, "").is_err());
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::generate(&SeededRandom::new(1));
        key.write_new(&path).unwrap();
        assert!(key.write_new(&path).is_err());
        assert_eq!(MasterKey::from_file(&path).unwrap().id(), key.id());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refusal = MasterKey::from_file(&path).unwrap_err().to_string();
        assert!(refusal.contains("mode 640"), "{refusal}");
    }

    #[test]
    fn debug_shows_nothing_of_a_key() {
        let key = MasterKey::generate(&SeededRandom::new(1));
        assert_eq!(format!("{key:?}"), "MasterKey");
    }
}
