//! Our own public side: opened as Microsoft and people's browsers would, by its configured
//! address and no other.

use std::time::Duration;

use reqwest::tls::TlsInfo;
use signpost_federation::certificate;
use signpost_model::{ApplicationId, Cloud, Timestamp};
use signpost_store::connections::Connection;
use signpost_sync::readiness::{MetadataFact, OwnSide, Read};

use crate::error::PortalError;
use crate::forms::internal;
use crate::identity::{Addresses, current_certificate};
use crate::portal::Portal;

/// The longest our own address may take.
const LONGEST: Duration = Duration::from_secs(5);

/// Metadata is a few kilobytes; whoever else answers there is not read to the end.
const MOST_BYTES: usize = 256 * 1024;

/// Opens our own metadata address.
pub(super) async fn look(
    portal: &Portal,
    connection: &Connection,
    id: ApplicationId,
) -> Result<OwnSide, PortalError> {
    let public_url = portal.settings.public_url.clone();
    let cloud = connection.settings.cloud;
    let addresses = Addresses::of(portal, cloud, id);
    let unknown = || Read::Failed("Microsoft was not asked.".to_owned());
    let nothing = |why: &str| OwnSide {
        public_url: public_url.clone(),
        metadata: Read::Failed(why.to_owned()),
        tls_ends: Read::Known(None),
        clock_offset_ms: unknown(),
    };
    if public_url.is_empty() {
        return Ok(nothing("This process serves no pages."));
    }
    if cloud != Cloud::Practice && !public_url.starts_with("https://") {
        return Ok(nothing("The portal has no https address yet."));
    }
    let own = current_certificate(portal, id, &connection.settings.domain).await?;
    let opened = open(&addresses.metadata).await?;
    let (metadata, tls_ends) = match opened {
        Ok(opened) => (
            Read::Known(MetadataFact {
                names_issuer: opened
                    .body
                    .contains(&format!("entityID=\"{}\"", addresses.issuer)),
                has_certificate: opened.body.contains(&own),
            }),
            Read::Known(opened.certificate_ends),
        ),
        Err(why) => {
            let tls = if public_url.starts_with("https://") {
                Read::Failed(why.clone())
            } else {
                Read::Known(None)
            };
            (Read::Failed(why), tls)
        }
    };
    Ok(OwnSide {
        public_url,
        metadata,
        tls_ends,
        clock_offset_ms: unknown(),
    })
}

struct Opened {
    body: String,
    certificate_ends: Option<Timestamp>,
}

async fn open(address: &str) -> Result<Result<Opened, String>, PortalError> {
    let client = reqwest::Client::builder()
        .timeout(LONGEST)
        .redirect(reqwest::redirect::Policy::none())
        .tls_info(true)
        .no_proxy()
        .build()
        .map_err(|error| internal(&error))?;
    let mut response = match client.get(address).send().await {
        Ok(response) => response,
        Err(error) => return Ok(Err(why(&error))),
    };
    if !response.status().is_success() {
        return Ok(Err(format!(
            "The address answers with status {}.",
            response.status().as_u16()
        )));
    }
    let certificate_ends = response
        .extensions()
        .get::<TlsInfo>()
        .and_then(TlsInfo::peer_certificate)
        .and_then(certificate::ends_at);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MOST_BYTES => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Ok(Err("Something else answers there.".to_owned())),
            Ok(None) => break,
            Err(error) => return Ok(Err(why(&error))),
        }
    }
    Ok(Ok(Opened {
        body: String::from_utf8_lossy(&body).into_owned(),
        certificate_ends,
    }))
}

/// Why our address could not be opened, for people who run the server.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "It did not answer in time.".to_owned();
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut words = String::new();
    while let Some(error) = cause {
        words = error.to_string();
        cause = error.source();
    }
    if words.to_lowercase().contains("certificate") {
        return format!("Its certificate is not trusted ({words}).");
    }
    format!("It could not be reached ({words}).")
}
