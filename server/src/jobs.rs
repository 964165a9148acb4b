//! `signpost worker` and `signpost sync`: runs without the portal in the same process.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use app::identity::Providers;
use app::passwords::Passwords;
use app::portal::{Portal, PortalSettings};
use clap::Args;
use signpost_app as app;
use signpost_model::audit::Actor;
use signpost_model::run::{Run, RunMode, RunScope, RunState, Trigger};
use signpost_model::text::fold;
use signpost_model::{ApplicationId, Author};
use signpost_store::runs::{self, NewRun};
use signpost_store::{Store, applications};
use tokio::sync::Notify;

use crate::ambient::{SystemClock, SystemRandom};
use crate::config::{DataArgs, ElsewhereArgs, LogArgs};
use crate::practice::find_elsewhere;
use crate::readings;
use crate::serve::{open_store, shutdown_signal};
use crate::worker::{self, Presence};

/// How often the command looks whether its run has ended.
const PACE: std::time::Duration = std::time::Duration::from_millis(500);

/// A worker of its own, for installations with several processes on one PostgreSQL.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    practice: ElsewhereArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

/// One sync from the command line.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// The application's name or id.
    #[arg(long)]
    application: String,

    /// Makes the plan and stops: look at it and apply it in the portal.
    #[arg(long)]
    plan_only: bool,

    /// Reads the whole tenant and plans everyone, instead of what changed.
    #[arg(long)]
    everyone: bool,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    practice: ElsewhereArgs,

    #[command(flatten)]
    pub log: LogArgs,
}

/// Takes queued runs until it is told to stop. What is under way then is taken over.
pub async fn work(args: &WorkerArgs) -> anyhow::Result<()> {
    let portal = portal(&args.data, &args.practice).await?;
    let presence = Presence::claim(&args.data.data_dir, portal.random.as_ref());
    tokio::select! {
        () = worker::run(portal.clone(), presence) => {}
        () = readings::run(portal) => {}
        () = shutdown_signal() => tracing::info!("stopping"),
    }
    Ok(())
}

/// Queues a run and carries it out here, unless another worker is faster.
pub async fn sync(args: &SyncArgs) -> anyhow::Result<()> {
    let portal = portal(&args.data, &args.practice).await?;
    let presence = Presence::claim(&args.data.data_dir, portal.random.as_ref());
    let application = find_application(&portal.store, &args.application).await?;
    let new = NewRun {
        application_id: application,
        trigger: Trigger::CommandLine,
        scope: if args.everyone {
            RunScope::Everyone
        } else {
            RunScope::Changed
        },
        mode: if args.plan_only {
            RunMode::Preview
        } else {
            RunMode::Sync
        },
        only_user: None,
        request: None,
    };
    let author = Author {
        actor: Actor::CommandLine,
        address: None,
    };
    let mut tx = portal.store.write().await?;
    let now = portal.clock.now();
    let queued = runs::queue(&mut tx, portal.random.as_ref(), &new, &author, now).await?;
    let id = queued.run().id;
    tx.commit().await?;
    let ended = async {
        loop {
            let found = {
                let mut db = portal.store.read().await?;
                runs::find(&mut db, id).await?
            };
            match found {
                Some(run) if run.state.is_over() || run.state == RunState::AwaitingApproval => {
                    return anyhow::Ok(run);
                }
                Some(_) => tokio::time::sleep(PACE).await,
                None => bail!("the run is gone"),
            }
        }
    };
    let run = tokio::select! {
        ended = ended => ended?,
        () = worker::run(portal.clone(), presence) => bail!("the worker stopped"),
    };
    report(&run)
}

#[expect(clippy::print_stdout, reason = "the command answers its user")]
fn report(run: &Run) -> anyhow::Result<()> {
    let tally = run.tally;
    println!(
        "{}: {} users, {} actions, {} applied, {} failed, {} left out",
        run.state.label(),
        tally.users,
        tally.actions,
        tally.applied,
        tally.failed,
        tally.blocked
    );
    if let Some(failure) = &run.failure {
        bail!("{}", failure.text);
    }
    if run.state == RunState::CompletedWithFailures {
        bail!("some actions failed; run {} in the portal says why", run.id);
    }
    Ok(())
}

async fn find_application(store: &Store, wanted: &str) -> anyhow::Result<ApplicationId> {
    let mut db = store.read().await?;
    let known = applications::list(&mut db).await?;
    let found = known.iter().find(|summary| {
        let application = &summary.application;
        application.id.to_string() == wanted || fold(&application.name) == fold(wanted)
    });
    found
        .map(|summary| summary.application.id)
        .with_context(|| format!("there is no application “{wanted}”"))
}

async fn portal(data: &DataArgs, practice: &ElsewhereArgs) -> anyhow::Result<Portal> {
    Ok(Portal {
        store: open_store(data).await?,
        clock: Arc::new(SystemClock),
        graph_clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        passwords: Passwords::default(),
        settings: Arc::new(PortalSettings {
            public_url: String::new(),
            practice: find_elsewhere(practice).await?,
        }),
        set_up: Arc::new(AtomicBool::new(true)),
        providers: Providers::default(),
        worker: Arc::new(Notify::new()),
        mailer: Arc::new(Notify::new()),
    })
}
