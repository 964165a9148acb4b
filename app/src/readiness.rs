//! Makes the readiness checks of an application: reads the tenant, our own records and our own
//! public side, judges them, and keeps what came out.

mod own_side;

use std::time::Duration;

use signpost_graph as graph;
use signpost_model::ApplicationId;
use signpost_model::connection::CredentialKind;
use signpost_model::readiness::{Area, Check, CheckKey};
use signpost_store::account_readings::{self, Phase, Registrations};
use signpost_store::connections::{self, Connection};
use signpost_store::{Store, Write, readiness, sign_on};
use signpost_sync::readiness::{
    AccountReading, Administrator, Facts, Gathered, NamesOutside, Read, assess, gather, secret_end,
};

use crate::connector::{Connector, Credential, stored};
use crate::error::PortalError;
use crate::portal::Portal;

/// The longest a look takes, whatever each call does.
const LONGEST: Duration = Duration::from_secs(25);

/// User names that are shown as examples.
const EXAMPLES: i64 = 5;

/// Makes every check and keeps how it came out; `None` while there is no connection.
pub async fn look(
    portal: &Portal,
    application: ApplicationId,
) -> Result<Option<Vec<Check>>, PortalError> {
    look_trusting(portal, application, &[]).await
}

/// The same; for the portal's own address these authorities (DER) are trusted as well as those of
/// this machine.
pub async fn look_trusting(
    portal: &Portal,
    application: ApplicationId,
    authorities: &[Vec<u8>],
) -> Result<Option<Vec<Check>>, PortalError> {
    let Some(facts) = facts(portal, application, authorities).await? else {
        return Ok(None);
    };
    let mut checks = assess(&facts);
    if portal.settings.public_url.is_empty() {
        // A worker of its own serves no pages: the portal's processes look at their side.
        checks.retain(|check| check.key == CheckKey::Clock || check.key.area() != Area::OwnSide);
    }
    let mut tx = portal.store.write().await?;
    readiness::save(&mut tx, application, &checks, facts.now).await?;
    note_findings(&mut tx, application, &facts).await?;
    tx.commit().await?;
    Ok(Some(checks))
}

/// Other pages show what is granted and when the credential ends: they learn of it, too.
async fn note_findings(
    tx: &mut Write,
    application: ApplicationId,
    facts: &Facts,
) -> Result<(), PortalError> {
    let Some(connection) = connections::find(tx, application).await? else {
        return Ok(());
    };
    // Another domain was connected while Microsoft was asked: this is not about it.
    if connection.settings.domain != facts.domain {
        return Ok(());
    }
    let mut findings = connection.findings.clone();
    if let Read::Known(granted) = &facts.granted {
        findings.granted.clone_from(granted);
    }
    if let Read::Known(Some(ends)) = &facts.credential_ends {
        findings.secret_expires_at = Some(*ends);
    }
    if findings != connection.findings {
        let (state, now) = (connection.state, facts.now);
        connections::save_findings(tx, application, state, &findings, now).await?;
    }
    Ok(())
}

async fn facts(
    portal: &Portal,
    id: ApplicationId,
    authorities: &[Vec<u8>],
) -> Result<Option<Facts>, PortalError> {
    let known = stored(&portal.store, &mut portal.store.read().await?, id).await?;
    let Some((connection, credential)) = known else {
        return Ok(None);
    };
    let now = portal.clock.now();
    let (gathered, own) = futures::join!(
        read_tenant(portal, &connection, &credential),
        own_side::look(portal, &connection, id, authorities),
    );
    let own = own?;
    let local = local(&portal.store, id, &gathered).await?;
    let credential_ends = match &credential {
        Credential::Secret(secret) => secret_end(
            &gathered.registration,
            &graph::SecretText::new(secret.expose()),
        ),
        Credential::Certificate { certificate, .. } => {
            let parsed = signpost_federation::Certificate::parse(certificate);
            Read::Known(parsed.ok().map(|certificate| certificate.not_after()))
        }
    };
    Ok(Some(Facts {
        now,
        domain: connection.settings.domain.clone(),
        practice: connection.settings.cloud == signpost_model::Cloud::Practice,
        features: local.features,
        granted: gathered.granted,
        probes: gathered.probes,
        credential: match credential {
            Credential::Secret(_) => CredentialKind::Secret,
            Credential::Certificate { .. } => CredentialKind::Certificate,
        },
        credential_ends,
        domains: gathered.domains,
        names: local.names,
        administrators: local.administrators,
        security_defaults: gathered.security_defaults,
        conditional_access: gathered.conditional_access,
        federation: gathered.federation,
        campaign: gathered.campaign,
        reading: local.reading,
        registrations: local.registrations,
        marks: local.marks,
        sign_on: local.sign_on,
        without_factor: local.without_factor,
        own: signpost_sync::readiness::OwnSide {
            clock_offset_ms: gathered.clock_offset_ms,
            ..own
        },
    }))
}

async fn read_tenant(
    portal: &Portal,
    connection: &Connection,
    credential: &Credential,
) -> Gathered {
    let settings = &connection.settings;
    let client = match Connector::of(portal).for_page(settings, credential) {
        Ok(client) => client,
        Err(problem) => {
            return Gathered::nothing(&format!("The connection cannot be used: {problem}."));
        }
    };
    let (Ok(client_id), Ok(domain)) = (settings.client_id.parse(), settings.domain.parse()) else {
        return Gathered::nothing("The connection’s values are not complete.");
    };
    let work = gather(&client, client_id, &domain);
    tokio::time::timeout(LONGEST, work)
        .await
        .unwrap_or_else(|_| Gathered::nothing("Microsoft did not answer in time."))
}

/// What our own records say.
struct Local {
    features: Vec<signpost_model::readiness::Feature>,
    names: NamesOutside,
    administrators: Read<Vec<Administrator>>,
    reading: AccountReading,
    registrations: Read<signpost_model::readiness::RegistrationTally>,
    marks: Vec<(
        signpost_model::readiness::HandMark,
        signpost_model::readiness::Marked,
    )>,
    sign_on: signpost_model::SignOnSettings,
    without_factor: i64,
}

async fn local(
    store: &Store,
    id: ApplicationId,
    gathered: &Gathered,
) -> Result<Local, PortalError> {
    let mut db = store.read().await?;
    let verified: Vec<String> = gathered
        .domains
        .known()
        .into_iter()
        .flatten()
        .filter(|domain| domain.verified)
        .map(|domain| domain.name.clone())
        .collect();
    let (users, outside, examples) =
        readiness::names_outside(&mut db, id, &verified, EXAMPLES).await?;
    let administrators = match gathered.administrators.clone() {
        Read::Known(mut all) => {
            let ids: Vec<String> = all.iter().map(|(id, _)| id.clone()).collect();
            let linked = readiness::linked_among(&mut db, id, &ids).await?;
            for (id, administrator) in &mut all {
                administrator.linked = linked.contains(id);
            }
            Read::Known(all.into_iter().map(|(_, one)| one).collect())
        }
        Read::Missing(permission) => Read::Missing(permission),
        Read::Failed(why) => Read::Failed(why),
    };
    let reading = account_readings::find(&mut db, id).await?;
    let registrations = match reading
        .as_ref()
        .and_then(|found| found.registrations.clone())
    {
        Some(Registrations::Known(tally)) => Read::Known(tally),
        Some(Registrations::Missing(permission)) => Read::Missing(permission),
        Some(Registrations::Failed(why)) => Read::Failed(why),
        None => Read::Failed("The accounts have not been read yet.".to_owned()),
    };
    Ok(Local {
        features: readiness::features(&mut db, id).await?,
        names: NamesOutside {
            users,
            outside,
            examples,
        },
        administrators,
        reading: reading_of(reading),
        registrations,
        marks: readiness::marks(&mut db, id).await?,
        sign_on: sign_on::find(&mut db, id).await?,
        without_factor: readiness::count_without_factor(&mut db, id).await?,
    })
}

fn reading_of(found: Option<account_readings::AccountReading>) -> AccountReading {
    let Some(found) = found else {
        return AccountReading::Never;
    };
    match (found.phase, found.finished_at) {
        (Phase::Failed, _) => AccountReading::Failed(found.failure.unwrap_or_default()),
        (Phase::Done, Some(at)) => AccountReading::Done {
            tally: found.tally,
            at,
        },
        _ => AccountReading::Running(found.tally),
    }
}
