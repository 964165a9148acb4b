//! The practice tenant: beside the portal, started before it and saved in the data folder, or in
//! a process of its own.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use app::portal::Practice;
use serde::Deserialize;
use signpost_app as app;
use signpost_practice_tenant::{Options, PracticeTenant, Throttle};
use tokio::net::TcpListener;
use url::Url;

use crate::config::{ElsewhereArgs, ServeArgs};
use crate::serve::shutdown_signal;

/// The practice tenant's file in the data folder.
const STATE_FILE: &str = "practice-tenant.json";

/// How long one elsewhere may take to say what to connect with.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the practice tenant, or finds the one elsewhere, when the settings ask for it.
pub async fn start(args: &ServeArgs) -> anyhow::Result<Option<Practice>> {
    if !args.practice {
        return find_elsewhere(&args.elsewhere).await;
    }
    let tenant = PracticeTenant::new(Options {
        state_file: Some(state_file(&args.data.data_dir)),
        ..Options::default()
    });
    let listener = TcpListener::bind(args.practice_listen)
        .await
        .with_context(|| {
            format!(
                "failed to start the practice tenant on {}",
                args.practice_listen
            )
        })?;
    let base = format!("http://{}", listener.local_addr()?);
    let credentials = tenant
        .credentials()
        .context("the practice tenant has no registration")?;
    let throttled = tenant.throttle() == Throttle::Documented;
    // Now, so that a restart finds the same ids even if nothing changes until then.
    tenant
        .save()
        .context("failed to save the practice tenant")?;
    tokio::spawn(async move {
        if let Err(error) = tenant.serve(listener, shutdown_signal()).await {
            tracing::error!(%error, "the practice tenant stopped");
        }
    });
    Ok(Some(Practice {
        page: format!("{base}/_practice/"),
        authority: base.clone(),
        graph: base,
        tenant_id: credentials.tenant_id,
        client_id: credentials.client_id,
        secret: credentials.secret,
        domain: credentials.domain,
        throttled,
    }))
}

/// Finds the practice tenant in another process, when the settings name one.
pub async fn find_elsewhere(args: &ElsewhereArgs) -> anyhow::Result<Option<Practice>> {
    if let Some(problem) = args.problem() {
        anyhow::bail!("settings that need changing:\n- {problem}");
    }
    match &args.practice_url {
        Some(url) => find(url).await.map(Some),
        None => Ok(None),
    }
}

fn state_file(folder: &Path) -> std::path::PathBuf {
    folder.join(STATE_FILE)
}

/// What a practice tenant says about itself.
#[derive(Deserialize)]
struct Found {
    tenant_id: String,
    client_id: String,
    secret: String,
    domains: Vec<FoundDomain>,
    throttle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundDomain {
    id: String,
    is_initial: bool,
    is_verified: bool,
}

/// Asks a practice tenant in another process what to connect with.
async fn find(url: &Url) -> anyhow::Result<Practice> {
    let asked = async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        let answer = client
            .get(url.join("/_practice/credentials")?)
            .send()
            .await?;
        anyhow::Ok(answer.error_for_status()?.json::<Found>().await?)
    };
    let found = asked
        .await
        .with_context(|| format!("no practice tenant answers at {url}"))?;
    let usual = |domain: &&FoundDomain| domain.is_verified && !domain.is_initial;
    let domain = found.domains.iter().find(usual);
    let base = url.as_str().trim_end_matches('/').to_owned();
    Ok(Practice {
        page: format!("{base}/_practice/"),
        authority: base.clone(),
        graph: base,
        tenant_id: found.tenant_id,
        client_id: found.client_id,
        secret: found.secret,
        domain: domain.map(|domain| domain.id.clone()).unwrap_or_default(),
        throttled: found.throttle == Throttle::Documented.key(),
    })
}
