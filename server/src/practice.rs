//! The practice tenant beside the portal: started before it, saved in the data folder.

use std::path::Path;

use anyhow::Context;
use app::portal::Practice;
use signpost_app as app;
use signpost_practice_tenant::{Options, PracticeTenant};
use tokio::net::TcpListener;

use crate::config::ServeArgs;
use crate::serve::shutdown_signal;

/// The practice tenant's file in the data folder.
const STATE_FILE: &str = "practice-tenant.json";

/// Starts the practice tenant when the settings ask for one, and says how it is reached.
pub async fn start(args: &ServeArgs) -> anyhow::Result<Option<Practice>> {
    if !args.practice {
        return Ok(None);
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
    }))
}

fn state_file(folder: &Path) -> std::path::PathBuf {
    folder.join(STATE_FILE)
}
