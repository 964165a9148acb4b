//! A file arrives: kept piece by piece, so that its size does not matter.

use leptos::prelude::*;
use leptos::server_fn::codec::{MultipartData, MultipartFormData};
use signpost_import::{SAMPLE, check_mapping};
use signpost_model::{ImportId, Role};
use signpost_store::imports::{self, NewImport, keep_piece};

use super::details::Details;
use super::work::start_check;
use crate::components::CSRF_FIELD;
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Refusal, respond};
use crate::portal::{Portal, portal};
use crate::uploads::is_token;
use crate::urls;
use crate::visit::{require, visit};

/// The largest file.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// What is kept at once.
const PIECE: usize = 256 * 1024;
/// Characters of a file's name that are kept.
const LONGEST_NAME: usize = 200;

/// Takes a file and begins to check it.
#[server(prefix = "/api", endpoint = "import/check", input = MultipartFormData)]
pub async fn check_file(data: MultipartData) -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let mut parts = data.into_inner().ok_or(PortalError::BadRequest)?;
        let mut trusted = false;
        while let Some(mut part) = parts.next_field().await.map_err(|_| incomplete())? {
            match part.name() {
                Some(CSRF_FIELD) => {
                    let token = part.text().await.map_err(|_| incomplete())?;
                    trusted = is_token(&token);
                }
                // The gate leaves the token of such a post to us: it comes before the file.
                _ if !trusted => return Err(PortalError::Stale.into()),
                Some("file") => {
                    let name = file_name(part.file_name().unwrap_or_default());
                    let mut arriving = Arriving::new(name);
                    while let Some(bytes) = part.chunk().await.transpose() {
                        let Ok(bytes) = bytes else {
                            arriving.give_up(&portal()?).await?;
                            return Err(incomplete());
                        };
                        arriving.take(&portal()?, &bytes).await?;
                    }
                    return arriving.finish(&portal()?).await;
                }
                _ => {}
            }
        }
        if !trusted {
            return Err(PortalError::Stale.into());
        }
        Err(refused("Choose a file."))
    })
    .await
}

/// Checks the sample as if it had been chosen.
#[server(prefix = "/api", endpoint = "import/sample")]
pub async fn use_sample() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let portal = portal()?;
        let mut arriving = Arriving::new("people-200.csv".to_owned());
        arriving.take(&portal, SAMPLE.as_bytes()).await?;
        arriving.finish(&portal).await
    })
    .await
}

fn refused(text: impl Into<String>) -> Refusal {
    FormErrors::field("file", text).refuse(urls::IMPORT)
}

fn incomplete() -> Refusal {
    refused("The file did not arrive completely, or is larger than 64 MB. Try again, or split it.")
}

/// Only the last part of what browsers send, printable and short.
fn file_name(sent: &str) -> String {
    let name = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect();
    if name.trim().is_empty() {
        "file.csv".to_owned()
    } else {
        name
    }
}

/// A file on its way into the store.
struct Arriving {
    name: String,
    waiting: Vec<u8>,
    bytes: usize,
    /// Begun with the first piece, once it proved to be a table.
    begun: Option<(ImportId, Details)>,
    pieces: i64,
}

impl Arriving {
    const fn new(name: String) -> Self {
        Self {
            name,
            waiting: Vec::new(),
            bytes: 0,
            begun: None,
            pieces: 0,
        }
    }

    async fn take(&mut self, portal: &Portal, bytes: &[u8]) -> Result<(), Refusal> {
        self.bytes += bytes.len();
        if self.bytes > MOST_BYTES {
            self.give_up(portal).await?;
            return Err(refused("The file is larger than 64 MB. Split it."));
        }
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.keep(portal).await?;
        }
        Ok(())
    }

    /// Moves what waits into the store.
    async fn keep(&mut self, portal: &Portal) -> Result<(), Refusal> {
        let id = match &self.begun {
            Some((id, _)) => *id,
            None => self.begin(portal).await?,
        };
        let mut tx = portal.store.write().await?;
        keep_piece(&mut tx, id, self.pieces, &self.waiting).await?;
        tx.commit().await?;
        self.pieces += 1;
        self.waiting.clear();
        Ok(())
    }

    async fn begin(&mut self, portal: &Portal) -> Result<ImportId, Refusal> {
        let details =
            Details::guess(self.waiting.as_slice()).map_err(|error| refused(error.to_string()))?;
        let now = portal.clock.now();
        let new = NewImport {
            id: ImportId::mint(now, portal.random.as_ref()),
            file_name: self.name.clone(),
            mapping: details.to_json(),
        };
        let mut tx = portal.store.write().await?;
        imports::create(&mut tx, &new, &visit().author(), now).await?;
        tx.commit().await?;
        self.begun = Some((new.id, details));
        Ok(new.id)
    }

    async fn finish(mut self, portal: &Portal) -> Result<Answer, Refusal> {
        if !self.waiting.is_empty() || self.begun.is_none() {
            self.keep(portal).await?;
        }
        let Some((id, mut details)) = self.begun else {
            return Err(PortalError::BadRequest.into());
        };
        details.bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        let unclear = check_mapping(&details.mapping()).err();
        details.problem = unclear.map(|problem| problem.to_string());
        let mut tx = portal.store.write().await?;
        imports::describe(&mut tx, id, &details.to_json()).await?;
        tx.commit().await?;
        if details.problem.is_none() {
            start_check(portal, id, details);
        }
        Ok(Answer::to(urls::import(id)))
    }

    /// Leaves nothing that somebody could apply.
    async fn give_up(&mut self, portal: &Portal) -> Result<(), Refusal> {
        if let Some((id, _)) = self.begun.take() {
            let mut tx = portal.store.write().await?;
            imports::discard(&mut tx, id, &visit().author(), portal.clock.now()).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn a_file_keeps_its_own_name_only() {
        assert_eq!(file_name("C:\\Users\\ada\\people.csv"), "people.csv");
        assert_eq!(file_name("../../etc/pass\nwd"), "passwd");
        assert_eq!(file_name(" "), "file.csv");
    }
}
