//! `signpost serve`: opens the data, starts what belongs together, and stops it in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};
use app::identity::Providers;
use app::passwords::Passwords;
use app::portal::{Portal, PortalSettings, Practice};
use axum_server::Handle;
use signpost_app as app;
use signpost_model::random::random_text;
use signpost_model::{Clock as _, Random, Timestamp};
use signpost_store::{DatabaseSettings, MasterKey, Sealer, Store, TokenHash, setup};
use tokio::sync::Notify;

use crate::ambient::{SystemClock, SystemRandom};
use crate::config::{DataArgs, Http, ServeArgs};
use crate::worker::{self, Presence};
use crate::{cleaning, mailer, memory, practice, readings, router, tls};

/// How long requests under way may take to end when the server is told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The first of January 2026: this program is younger.
const BUILT_AFTER_MS: i64 = 1_767_225_600_000;

/// Runs until it is told to stop.
pub async fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let http = args.http().context("settings that need changing:\n")?;
    memory::keep_private();
    check_clock(SystemClock.now())?;
    let store = open_store(&args.data).await?;
    let practice = practice::start(args).await?;
    let portal = build_portal(store, &http, practice);
    announce(&portal, args).await?;
    if !args.no_worker {
        let presence = Presence::claim(&args.data.data_dir, portal.random.as_ref());
        tokio::spawn(worker::run(portal.clone(), presence));
        tokio::spawn(readings::run(portal.clone()));
    }
    tokio::spawn(cleaning::run(portal.clone()));
    tokio::spawn(mailer::run(portal.clone()));
    let router = router::build(portal, http.trusted_proxies.clone());
    listen(&http, router).await
}

/// Refuses a clock that cannot be right: tokens and sessions would be valid for nobody, or for ever.
fn check_clock(now: Timestamp) -> anyhow::Result<()> {
    let earliest = Timestamp::from_millis(BUILT_AFTER_MS);
    if now < earliest || now > earliest.plus_days(100 * 365) {
        bail!("the clock of this machine shows {now}: set it right, then start again");
    }
    Ok(())
}

/// Opens and migrates the database, and makes the folder and the master key at first start.
pub async fn open_store(data: &DataArgs) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&data.data_dir)
        .with_context(|| format!("failed to create the folder {}", data.data_dir.display()))?;
    let key = master_key(data)?;
    let settings = DatabaseSettings::new(data.database_url());
    let store = Store::open(&settings, Sealer::new(&key))
        .await
        .context("failed to open the database")?;
    store
        .migrate()
        .await
        .context("failed to bring the database up to date")?;
    Ok(store)
}

/// The master key, made at first start.
pub fn master_key(data: &DataArgs) -> anyhow::Result<MasterKey> {
    if let Some(text) = &data.master_key {
        return MasterKey::from_base64(text.0.expose())
            .context("SIGNPOST_MASTER_KEY is not 32 bytes in base64");
    }
    let path = data.master_key_path();
    if path.exists() {
        return MasterKey::from_file(&path)
            .with_context(|| format!("failed to read the master key {}", path.display()));
    }
    let key = MasterKey::generate(&SystemRandom);
    key.write_new(&path)
        .with_context(|| format!("failed to write the master key {}", path.display()))?;
    tracing::info!(file = %path.display(), "made a master key; keep a copy of it apart from the data");
    Ok(key)
}

/// The portal of this process.
pub fn build_portal(store: Store, http: &Http, practice: Option<Practice>) -> Portal {
    Portal {
        store,
        clock: Arc::new(SystemClock),
        graph_clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        passwords: Passwords::default(),
        settings: Arc::new(PortalSettings {
            public_url: http.public_url.clone(),
            practice,
        }),
        set_up: Arc::new(AtomicBool::new(false)),
        providers: Providers::default(),
        worker: Arc::new(Notify::new()),
        mailer: Arc::new(Notify::new()),
    }
}

/// Prints where the portal is and, until an owner exists, the code to make one with.
#[expect(
    clippy::print_stdout,
    reason = "the person who starts the portal needs both"
)]
async fn announce(portal: &Portal, args: &ServeArgs) -> anyhow::Result<()> {
    let code = match &args.setup_code {
        Some(code) => code.0.expose().to_owned(),
        None => setup_code(portal.random.as_ref()),
    };
    let mut tx = portal.store.write().await?;
    let hash = TokenHash::of(app::pages::setup::CODE_PURPOSE, &code);
    let needed = setup::set_code(&mut tx, &hash, portal.clock.now()).await?;
    tx.commit().await?;
    println!("Signpost is at {}", portal.settings.public_url);
    if needed {
        println!("Setup code: {code}");
    }
    if let Some(practice) = &portal.settings.practice {
        println!("Practice tenant: {}", practice.page);
    }
    Ok(())
}

fn setup_code(random: &dyn Random) -> String {
    // Without letters and digits that look alike: people type it. 16 of 31 are 79 bits.
    let text = random_text(random, b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ", 20);
    text.as_bytes()
        .chunks(5)
        .filter_map(|chunk| std::str::from_utf8(chunk).ok())
        .collect::<Vec<_>>()
        .join("-")
}

async fn listen(http: &Http, router: axum::Router) -> anyhow::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    tokio::spawn(stop_on_signal(handle.clone()));
    match &http.tls {
        Some((cert, key)) => {
            let tls =
                tls::from_files(cert, key).context("failed to read the TLS certificate or key")?;
            axum_server::bind_rustls(http.listen, tls)
                .handle(handle)
                .serve(service)
                .await
        }
        None => {
            axum_server::bind(http.listen)
                .handle(handle)
                .serve(service)
                .await
        }
    }
    .with_context(|| format!("failed to listen on {}", http.listen))
}

async fn stop_on_signal(handle: Handle<SocketAddr>) {
    shutdown_signal().await;
    tracing::info!("stopping");
    handle.graceful_shutdown(Some(SHUTDOWN_GRACE));
}

/// Waits for Ctrl+C or the service manager's word.
pub async fn shutdown_signal() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_is_refused() {
        assert!(check_clock(Timestamp::from_millis(1_795_000_000_000)).is_ok());
        for wrong in [0, 1_000_000_000_000, i64::MAX, i64::MIN] {
            assert!(
                check_clock(Timestamp::from_millis(wrong)).is_err(),
                "{wrong}"
            );
        }
    }
}
