//! Update Settings: checks shapes, then the connection, and saves what may be saved.
//!
//! Licenses and Actions are saved in every case. The connection is saved unless its shape is
//! wrong or Microsoft refused it; when Microsoft does not answer, it is saved as not checked.

use leptos::prelude::*;
use signpost_model::connection::{
    ConnectionProblem, ConnectionProblemKind, ConnectionSettings, CredentialKind, Findings,
};
use signpost_model::{Application, ApplicationId, Author, Cloud, Policy, Role, Secret};
use signpost_store::connections::{self, Connection, ConnectionUpdate};
use signpost_store::licenses::NewGrant;
use signpost_store::{Write, applications, licenses, policies};
use subtle::ConstantTimeEq;

use super::actions::read_policy;
use super::licenses::read_grants;
use super::words::{shape_of_client, shape_of_domain, shape_of_secret, shape_of_tenant, told};
use super::{REFUSAL_KEY, Stored};
use crate::connection_check::{Checked, check};
use crate::connector::{Connector, ConnectorProblem, Credential, stored_credential};
use crate::error::PortalError;
use crate::forms::{Answer, FormErrors, Posted, Refusal, internal, respond, session};
use crate::pages::applications::{STALE, id_of_form, version_of_form};
use crate::permissions::Judgement;
use crate::portal::{Portal, portal};
use crate::urls;
use crate::visit::{Notice, require, visit};

/// The practice tenant is chosen where none runs.
pub const NO_PRACTICE: &str =
    "This server runs no practice tenant. Start it with --practice, or choose another cloud.";

/// Checks and saves the whole form.
#[server(prefix = "/api", endpoint = "applications/update-settings")]
pub async fn update_settings() -> Result<(), PortalError> {
    respond(async move {
        require(Role::Administrator)?;
        let (portal, posted) = (portal()?, Posted::current());
        let id = id_of_form(&posted)?;
        let form = PostedForm::read(&portal, &posted, id).await?;
        if form.stored.application.version != version_of_form(&posted)? {
            return form.stale(&portal, id).await;
        }
        let back = urls::application_provisioning(id);
        let (settings, new_secret) = match form.connection.clone() {
            Ok(connection) => connection,
            Err(errors) => {
                form.save(&portal, id, None).await?;
                return Err(form.errors_after(errors).refuse(back));
            }
        };
        let secret = match form
            .secret(&portal, id, &settings, new_secret.as_ref())
            .await?
        {
            Ok(secret) => secret,
            Err(errors) => {
                form.save(&portal, id, None).await?;
                return Err(form.errors_after(errors).refuse(back));
            }
        };
        let checked = match check(&Connector::of(&portal), &settings, &secret).await {
            Ok(checked) => checked,
            Err(problem) => {
                form.save(&portal, id, None).await?;
                return Err(form.errors_after(unusable(problem)).refuse(back));
            }
        };
        form.finish(&portal, id, &settings, new_secret.as_ref(), &checked)
            .await
    })
    .await
}

fn unusable(problem: ConnectorProblem) -> FormErrors {
    match problem {
        ConnectorProblem::NoPracticeTenant => FormErrors::field("cloud", NO_PRACTICE),
        ConnectorProblem::TenantId => FormErrors::field(
            "tenant_id",
            "Enter the tenant ID as 32 letters and digits with dashes",
        ),
        ConnectorProblem::ClientId => FormErrors::field(
            "client_id",
            "Enter the client ID as 32 letters and digits with dashes",
        ),
        ConnectorProblem::Certificate => FormErrors::field(
            "secret",
            "The stored certificate cannot be used. Enter a secret's Value instead",
        ),
        ConnectorProblem::SetUp => {
            FormErrors::field("cloud", "This machine's TLS certificates cannot be read")
        }
    }
}

type NewConnection = (ConnectionSettings, Option<Secret>);

/// The posted form beside what is stored.
#[derive(Debug)]
struct PostedForm {
    stored: Stored,
    connection: Result<NewConnection, FormErrors>,
    policy: Option<Policy>,
    grants: Option<Vec<NewGrant>>,
    /// What is wrong with licenses and actions.
    rest: FormErrors,
}

impl PostedForm {
    async fn read(
        portal: &Portal,
        posted: &Posted,
        id: ApplicationId,
    ) -> Result<Self, PortalError> {
        let mut read = portal.store.read().await?;
        let stored = Stored::load(&mut read, id).await?;
        let mut rest = FormErrors::new();
        let (products, granted) = (&stored.products, &stored.grants);
        let mut wrong = FormErrors::new();
        let grants = read_grants(&mut read, posted, products, granted, &mut wrong).await?;
        let grants = grants.filter(|_| wrong.is_empty());
        rest.fields.extend(wrong.fields);
        let policy = read_policy(posted, &mut rest).map(|policy| Policy {
            drift: stored.policy.drift.clone(),
            deletes_since: stored.policy.deletes_since,
            adoption: stored.policy.adoption,
            ..policy
        });
        Ok(Self {
            connection: read_connection(portal, posted),
            stored,
            policy,
            grants,
            rest,
        })
    }

    /// What to sign in with: the new secret, or what is stored.
    async fn secret(
        &self,
        portal: &Portal,
        id: ApplicationId,
        settings: &ConnectionSettings,
        new: Option<&Secret>,
    ) -> Result<Result<Credential, FormErrors>, PortalError> {
        if let Some(new) = new {
            return Ok(Ok(Credential::Secret(new.clone())));
        }
        let known = self.stored.connection.as_ref();
        if known.is_some_and(|known| known.settings.cloud != settings.cloud) {
            return Ok(Err(FormErrors::field(
                "secret",
                "Enter the secret's Value again: it goes to another cloud now",
            )));
        }
        let mut read = portal.store.read().await?;
        let kind = known.map_or(CredentialKind::Secret, |known| known.credential);
        let stored = stored_credential(&portal.store, &mut read, id, kind).await?;
        Ok(stored.ok_or_else(|| {
            FormErrors::field(
                "secret",
                "Enter the secret's Value from the app registration",
            )
        }))
    }

    /// The errors of the connection, then those of the rest.
    fn errors_after(&self, mut errors: FormErrors) -> FormErrors {
        errors.fields.extend(self.rest.fields.clone());
        errors
    }

    /// Saves what the check allows, and says what it found.
    async fn finish(
        self,
        portal: &Portal,
        id: ApplicationId,
        settings: &ConnectionSettings,
        secret: Option<&Secret>,
        checked: &Checked,
    ) -> Result<Answer, Refusal> {
        let back = urls::application_provisioning(id);
        let stored = self.stored.connection.as_ref();
        let unchanged =
            secret.is_none() && stored.is_some_and(|stored| stored.settings == *settings);
        if checked.is_refused() && !unchanged {
            self.save(portal, id, None).await?;
            let errors = refused(checked, settings, id).await?;
            return Err(self.errors_after(errors).refuse(back));
        }
        let same_tenant = stored.filter(|stored| {
            stored.settings.cloud == settings.cloud
                && stored
                    .settings
                    .tenant_id
                    .eq_ignore_ascii_case(&settings.tenant_id)
        });
        let findings = merged(checked, same_tenant);
        let update = ConnectionUpdate {
            settings,
            secret,
            state: checked.state,
            findings: &findings,
        };
        let connection = NewFindings { update, checked };
        self.save(portal, id, Some(connection)).await?;
        portal.worker.notify_one();
        if checked.is_refused() {
            // The stored credential itself stopped working: it stays, and the page says why.
            let errors = refused(checked, settings, id).await?;
            return Err(self.errors_after(errors).refuse(back));
        }
        if !self.rest.is_empty() {
            return Err(self.rest.refuse(back));
        }
        Ok(Answer::to(back).notice(notice(checked, settings)))
    }

    /// Saves Licenses and Actions, and the connection when there is one to save.
    async fn save(
        &self,
        portal: &Portal,
        id: ApplicationId,
        connection: Option<NewFindings<'_>>,
    ) -> Result<(), Refusal> {
        let now = portal.clock.now();
        let author = visit().author();
        let version = self.stored.application.version;
        let back = urls::application_provisioning(id);
        let mut tx = portal.store.write().await?;
        begin(&mut tx, id, version, portal, &back).await?;
        let random = portal.random.as_ref();
        if let Some(NewFindings { update, checked }) = connection {
            let sealer = portal.store.sealer();
            connections::save(&mut tx, sealer, random, id, update, &author, now).await?;
            if let Some(products) = &checked.products {
                licenses::set_products(&mut tx, id, products).await?;
            }
        }
        self.save_rest(&mut tx, portal, id, &author).await?;
        tx.commit().await?;
        portal.worker.notify_one();
        Ok(())
    }

    async fn save_rest(
        &self,
        tx: &mut Write,
        portal: &Portal,
        id: ApplicationId,
        author: &Author,
    ) -> Result<(), Refusal> {
        let now = portal.clock.now();
        if let Some(policy) = &self.policy {
            policies::set_policy(tx, id, policy, author, now).await?;
        }
        if let Some(grants) = &self.grants {
            licenses::set_grants(tx, portal.random.as_ref(), id, grants, author, now).await?;
        }
        Ok(())
    }

    /// An older form: harmless when it says what is stored already, as the second of two clicks
    /// does.
    async fn stale(self, portal: &Portal, id: ApplicationId) -> Result<Answer, Refusal> {
        let back = urls::application_provisioning(id);
        if self.says_what_is_stored(portal, id).await? {
            return Ok(Answer::to(back).notice(Notice::success("Settings saved.")));
        }
        Err(FormErrors::summary(STALE).refuse(back))
    }

    async fn says_what_is_stored(
        &self,
        portal: &Portal,
        id: ApplicationId,
    ) -> Result<bool, PortalError> {
        let (Ok((settings, secret)), Some(policy)) = (&self.connection, &self.policy) else {
            return Ok(false);
        };
        let known = self.stored.connection.as_ref();
        if known.is_none_or(|known| known.settings != *settings) || *policy != self.stored.policy {
            return Ok(false);
        }
        if let Some(grants) = &self.grants {
            let mut wanted = grants.clone();
            let mut stored: Vec<NewGrant> = self
                .stored
                .grants
                .iter()
                .map(|grant| NewGrant {
                    sku_id: grant.sku_id.clone(),
                    group_id: grant.group_id,
                    by_group: grant.by_group,
                    disabled_plans: grant.disabled_plans.clone(),
                })
                .collect();
            wanted.sort();
            stored.sort();
            if wanted != stored {
                return Ok(false);
            }
        }
        let Some(secret) = secret else {
            return Ok(true);
        };
        let mut read = portal.store.read().await?;
        let stored = connections::open_secret(&mut read, portal.store.sealer(), id).await?;
        Ok(stored.is_some_and(|stored| {
            stored
                .expose()
                .as_bytes()
                .ct_eq(secret.expose().as_bytes())
                .into()
        }))
    }
}

/// A connection to save, with the check that allows it.
#[derive(Debug, Clone, Copy)]
struct NewFindings<'a> {
    update: ConnectionUpdate<'a>,
    checked: &'a Checked,
}

async fn begin(
    tx: &mut Write,
    id: ApplicationId,
    version: i64,
    portal: &Portal,
    back: &str,
) -> Result<Application, Refusal> {
    applications::begin_change(tx, id, version, portal.clock.now())
        .await
        .map_err(|error| crate::pages::applications::or_stale(error, back))
}

/// The connection in the form, or what is wrong with its shape.
fn read_connection(portal: &Portal, posted: &Posted) -> Result<NewConnection, FormErrors> {
    if posted.first("do") == "practice" {
        let Some(practice) = &portal.settings.practice else {
            return Err(FormErrors::field("cloud", NO_PRACTICE));
        };
        let settings = ConnectionSettings {
            cloud: Cloud::Practice,
            domain: practice.domain.clone(),
            tenant_id: practice.tenant_id.clone(),
            client_id: practice.client_id.clone(),
        };
        return Ok((settings, Some(Secret::new(practice.secret.clone()))));
    }
    let mut errors = FormErrors::new();
    let cloud = posted.first("cloud").parse::<Cloud>().ok();
    let cloud =
        cloud.filter(|cloud| *cloud != Cloud::Practice || portal.settings.practice.is_some());
    if cloud.is_none() {
        errors.add("cloud", "Choose a cloud");
    }
    let mut text = |name: &str, shape: fn(&str) -> Result<(), &'static str>| {
        let value = posted.first(name).trim().to_ascii_lowercase();
        if let Err(words) = shape(&value) {
            errors.add(name, words);
        }
        value
    };
    let domain = text("domain", shape_of_domain);
    let tenant_id = text("tenant_id", shape_of_tenant);
    let client_id = text("client_id", shape_of_client);
    let secret = posted.first("secret").trim();
    if let Err(words) = shape_of_secret(secret) {
        errors.add("secret", words);
    }
    match cloud {
        Some(cloud) if errors.is_empty() => {
            let settings = ConnectionSettings {
                cloud,
                domain,
                tenant_id,
                client_id,
            };
            Ok((settings, (!secret.is_empty()).then(|| Secret::new(secret))))
        }
        _ => Err(errors),
    }
}

/// The refusal as the form's error; code and id wait in the session for *Details for support*.
async fn refused(
    checked: &Checked,
    settings: &ConnectionSettings,
    id: ApplicationId,
) -> Result<FormErrors, PortalError> {
    let problem = checked
        .findings
        .problem
        .clone()
        .unwrap_or(ConnectionProblem {
            kind: ConnectionProblemKind::Refused,
            code: None,
            correlation_id: None,
        });
    let told = told(&problem, settings, &checked.findings.granted);
    session()?
        .insert(REFUSAL_KEY, (id, problem))
        .await
        .map_err(|error| internal(&error))?;
    Ok(FormErrors::field(told.field.unwrap_or("cloud"), told.text))
}

/// What was found, with what was known before where this check could not look.
pub fn merged(checked: &Checked, before: Option<&Connection>) -> Findings {
    let mut findings = checked.findings.clone();
    let Some(before) = before.map(|before| &before.findings) else {
        return findings;
    };
    if findings.granted.is_empty() {
        let unreachable = findings
            .problem
            .as_ref()
            .is_some_and(|problem| problem.kind != ConnectionProblemKind::NoConsent);
        if unreachable {
            findings.granted = before.granted.clone();
        }
    }
    if findings.domains.is_empty() {
        findings.domains = before.domains.clone();
    }
    if findings.tenant_name.is_empty() {
        findings.tenant_name = before.tenant_name.clone();
    }
    findings
}

fn notice(checked: &Checked, settings: &ConnectionSettings) -> Notice {
    let findings = &checked.findings;
    if let Some(problem) = &findings.problem {
        let words = told(problem, settings, &findings.granted).text;
        return Notice::warning(match problem.kind {
            ConnectionProblemKind::Unreachable | ConnectionProblemKind::Throttled => {
                format!("Settings saved, not checked. {words}")
            }
            _ => format!("Settings saved. {words}"),
        });
    }
    let loaded = checked.products.as_ref().map_or(0, Vec::len);
    let loaded =
        signpost_model::text::count(i64::try_from(loaded).unwrap_or(0), "license", "licenses");
    Notice::success(format!(
        "Settings saved. Connected to {}. {}, {loaded} loaded.",
        findings.tenant_name,
        Judgement::of(&findings.granted).sentence()
    ))
}
