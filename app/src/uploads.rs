//! Small files that come with a form: read whole, bounded, and only after the form's token.

use leptos::server_fn::codec::MultipartData;
use subtle::ConstantTimeEq as _;

use crate::components::CSRF_FIELD;
use crate::error::PortalError;
use crate::visit::visit;

/// What a form with one file holds.
/// May hold a key and its password: it is never printed.
#[derive(Default)]
pub(crate) struct Upload {
    fields: Vec<(String, String)>,
    pub(crate) file: Vec<u8>,
    /// There was more than is taken.
    pub(crate) too_large: bool,
}

impl Upload {
    /// The value of a field; empty when it was not sent.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// Reads a form of ours: its token first, then fields, and at most `most` bytes of the file in
    /// the field `file`.
    pub(crate) async fn read(
        data: MultipartData,
        file: &str,
        most: usize,
    ) -> Result<Self, PortalError> {
        let mut parts = data.into_inner().ok_or(PortalError::BadRequest)?;
        let mut upload = Self::default();
        let mut trusted = false;
        let broken = |_| PortalError::BadRequest;
        while let Some(mut part) = parts.next_field().await.map_err(broken)? {
            let name = part.name().unwrap_or_default().to_owned();
            match name.as_str() {
                CSRF_FIELD => trusted = is_token(&part.text().await.map_err(broken)?),
                // The gate leaves the token of such a post to us: it comes before everything else.
                _ if !trusted => return Err(PortalError::Stale),
                name if name == file => {
                    while let Some(bytes) = part.chunk().await.map_err(broken)? {
                        upload.too_large |= upload.file.len() + bytes.len() > most;
                        // Read to its end, or the browser never sees the answer.
                        if !upload.too_large {
                            upload.file.extend_from_slice(&bytes);
                        }
                    }
                }
                _ if upload.fields.len() < 16 => {
                    let value = part.text().await.map_err(broken)?;
                    upload.fields.push((name, value));
                }
                _ => return Err(PortalError::BadRequest),
            }
        }
        if trusted {
            Ok(upload)
        } else {
            Err(PortalError::Stale)
        }
    }
}

/// Whether this is the token of the session's forms.
pub(crate) fn is_token(token: &str) -> bool {
    let expected = visit().csrf.clone();
    !expected.is_empty() && bool::from(token.as_bytes().ct_eq(expected.as_bytes()))
}
