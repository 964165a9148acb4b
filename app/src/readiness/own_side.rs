//! Our own public side: opened as Microsoft and people's browsers would, by its configured
//! address and no other.

mod tls;

use std::time::Duration;

use signpost_model::{ApplicationId, Cloud};
use signpost_store::connections::Connection;
use signpost_sync::readiness::{MetadataFact, OwnSide, Read, TlsFact};

use crate::error::PortalError;
use crate::forms::internal;
use crate::identity::{Addresses, current_certificate};
use crate::portal::Portal;

/// The longest our own address may take.
const LONGEST: Duration = Duration::from_secs(5);

/// Metadata is a few kilobytes; whoever else answers there is not read to the end.
const MOST_BYTES: usize = 256 * 1024;

/// Opens our own metadata address. `authorities` are trusted beside the machine's own, as DER.
pub(super) async fn look(
    portal: &Portal,
    connection: &Connection,
    id: ApplicationId,
    authorities: &[Vec<u8>],
) -> Result<OwnSide, PortalError> {
    let public_url = portal.settings.public_url.clone();
    let cloud = connection.settings.cloud;
    let addresses = Addresses::of(portal, cloud, id);
    let own_side = |metadata, tls| OwnSide {
        public_url: public_url.clone(),
        metadata,
        tls,
        clock_offset_ms: Read::Failed("Microsoft was not asked.".to_owned()),
    };
    let nothing = |why: &str| own_side(Read::Failed(why.to_owned()), Read::Known(None));
    if public_url.is_empty() {
        return Ok(nothing("This process serves no pages."));
    }
    let secure = public_url.starts_with("https://");
    if cloud != Cloud::Practice && !secure {
        return Ok(nothing("The portal has no https address yet."));
    }
    let own = current_certificate(portal, id, &connection.settings.domain).await?;
    let opened = open(&addresses.metadata, authorities, portal).await?;
    let metadata = match &opened.body {
        Ok(body) => Read::Known(MetadataFact {
            names_issuer: body.contains(&format!("entityID=\"{}\"", addresses.issuer)),
            has_certificate: body.contains(own.as_str()),
        }),
        Err(why) => Read::Failed(why.clone()),
    };
    let tls = match (opened.tls, opened.body) {
        (Some(shown), _) => Read::Known(Some(shown)),
        (None, Err(why)) if secure => Read::Failed(why),
        (None, _) => Read::Known(None),
    };
    Ok(own_side(metadata, tls))
}

struct Opened {
    /// What was served, or why nothing was.
    body: Result<String, String>,
    /// The certificate that was shown, whether or not it was accepted.
    tls: Option<TlsFact>,
}

async fn open(
    address: &str,
    authorities: &[Vec<u8>],
    portal: &Portal,
) -> Result<Opened, PortalError> {
    let (config, seen) = match tls::watched(authorities) {
        Ok(watched) => watched,
        Err(why) => {
            return Ok(Opened {
                body: Err(why),
                tls: None,
            });
        }
    };
    let client = reqwest::Client::builder()
        .timeout(LONGEST)
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(config)
        .no_proxy()
        .build()
        .map_err(|error| internal(&error))?;
    let answer = read(&client, address).await;
    let host = url::Url::parse(address)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    let tls = seen.fact(&host, portal.clock.now());
    let body = match &tls {
        // The certificate's own check says more.
        Some(TlsFact {
            problem: Some(_), ..
        }) => Err("Its certificate is not accepted: see TLS certificate.".to_owned()),
        _ => answer,
    };
    Ok(Opened { body, tls })
}

async fn read(client: &reqwest::Client, address: &str) -> Result<String, String> {
    let answer = client.get(address).send().await;
    let mut answer = answer.map_err(|error| why(&error))?;
    if !answer.status().is_success() {
        let status = answer.status().as_u16();
        return Err(format!("The address answers with status {status}."));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| why(&error))? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err("Something else answers there.".to_owned());
        }
        body.extend_from_slice(&piece);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
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
    format!("It could not be reached ({words}).")
}
