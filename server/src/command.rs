//! The command line: one binary, one subcommand per role.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::config::{LogArgs, LogFormat, ServeArgs};
use crate::jobs::{self, SyncArgs, WorkerArgs};
use crate::operators::{self, OperatorCommand};
use crate::serve;
use crate::upkeep::{self, AuditCommand, CopyArgs, UpkeepArgs};

/// Connects an organisation's own directory to Microsoft 365.
#[derive(Debug, Parser)]
#[command(name = "signpost", version)]
struct Signpost {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the portal and, unless told otherwise, its worker.
    Serve(Box<ServeArgs>),
    /// Takes queued runs, without a portal in the same process.
    Worker(WorkerArgs),
    /// Runs one sync and says what came of it.
    Sync(SyncArgs),
    /// Runs a practice tenant alone, to rehearse on.
    PracticeTenant(PracticeTenantArgs),
    /// Adds operators and helps those who cannot sign in.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Brings the database up to date.
    Migrate(UpkeepArgs),
    /// Writes a consistent copy of the embedded database, also while the portal runs.
    Backup(CopyArgs),
    /// Puts a copy back where there is no database yet.
    Restore(CopyArgs),
    /// Seals every secret with a new master key; stop the portal first.
    RotateKey(UpkeepArgs),
    /// Looks after the audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// How the practice tenant starts, and what it logs.
#[derive(Debug, clap::Args)]
struct PracticeTenantArgs {
    #[command(flatten)]
    tenant: signpost_practice_tenant::Args,

    #[command(flatten)]
    log: LogArgs,
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let signpost = Signpost::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let result = runtime.block_on(async {
        match signpost.command {
            Command::Serve(args) => {
                start_log(&args.log);
                serve::run(&args).await
            }
            Command::Worker(args) => {
                start_log(&args.log);
                jobs::work(&args).await
            }
            Command::Sync(args) => {
                start_log(&args.log);
                jobs::sync(&args).await
            }
            Command::PracticeTenant(args) => {
                start_log(&args.log);
                args.tenant.run(serve::shutdown_signal()).await?;
                Ok(())
            }
            Command::Operator(command) => operators::run(&command).await,
            Command::Migrate(args) => upkeep::migrate(&args).await,
            Command::Backup(args) => upkeep::back_up(&args).await,
            Command::Restore(args) => upkeep::restore(&args).await,
            Command::RotateKey(args) => upkeep::rotate_key(&args).await,
            Command::Audit(command) => upkeep::verify(&command).await,
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("signpost: {error:#}");
    ExitCode::FAILURE
}

/// The session layer opens a span for each look into a session, which costs more than the look and
/// tells nothing. What is asked for by name is logged all the same.
const QUIET: &str = "tower_sessions=warn,tower_sessions_core=warn";

/// Starts logging: text for people at a terminal, JSON for machines.
fn start_log(args: &LogArgs) {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", args.log))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let format = args.log_format.unwrap_or_else(|| {
        if std::io::stderr().is_terminal() {
            LogFormat::Text
        } else {
            LogFormat::Json
        }
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}
