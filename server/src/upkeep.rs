//! Commands that look after the data: migrate, backup, restore, rotate-key, audit verify.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use signpost_model::Clock;
use signpost_store::audit::Verdict;
use signpost_store::{DatabaseSettings, MasterKey, Sealer, Store, audit, backup, rotation};

use crate::ambient::{SystemClock, SystemRandom};
use crate::config::DataArgs;
use crate::serve::{master_key, open_store};

/// Only where the data is.
#[derive(Debug, Args)]
pub struct UpkeepArgs {
    #[command(flatten)]
    data: DataArgs,
}

/// Where the data is, and the file of its copy.
#[derive(Debug, Args)]
pub struct CopyArgs {
    #[command(flatten)]
    data: DataArgs,

    /// The file of the copy.
    file: PathBuf,
}

/// About the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Checks every event against its hash and the one before.
    Verify(UpkeepArgs),
}

/// Brings the database up to date.
pub async fn migrate(args: &UpkeepArgs) -> anyhow::Result<()> {
    open_store(&args.data).await?.close().await;
    say("The database is up to date.");
    Ok(())
}

/// Writes a consistent copy while the portal runs.
pub async fn back_up(args: &CopyArgs) -> anyhow::Result<()> {
    let store = open_store(&args.data).await?;
    backup::backup(&store, &args.file).await?;
    store.close().await;
    say(&format!("Copied the database to {}.", args.file.display()));
    say(
        "Keep a copy of the master key apart from it: without the key its secrets cannot be opened.",
    );
    Ok(())
}

/// Puts a copy back where there is no database yet.
pub async fn restore(args: &CopyArgs) -> anyhow::Result<()> {
    let url = args.data.database_url();
    let Some(target) = url.strip_prefix("sqlite:") else {
        bail!("this database is on PostgreSQL: put copies back with pg_restore");
    };
    let target = Path::new(target.strip_prefix("//").unwrap_or(target));
    std::fs::create_dir_all(&args.data.data_dir)
        .with_context(|| format!("failed to create {}", args.data.data_dir.display()))?;
    if args.data.master_key.is_none() && !args.data.master_key_path().exists() {
        bail!(
            "put the master key of the copy at {} first",
            args.data.master_key_path().display()
        );
    }
    let sealer = Sealer::new(&master_key(&args.data)?);
    let verdict = backup::restore(&args.file, target, sealer).await?;
    say(&format!("Put the copy back as {}.", target.display()));
    report(verdict)
}

/// Checks the audit trail.
pub async fn verify(command: &AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify(args) = command;
    let store = open_store(&args.data).await?;
    let verdict = audit::verify(&store).await?;
    store.close().await;
    report(verdict)
}

fn report(verdict: Verdict) -> anyhow::Result<()> {
    match verdict {
        Verdict::Whole { events } => {
            say(&format!(
                "The audit trail is whole: {events} events checked."
            ));
            Ok(())
        }
        Verdict::Broken { sequence } => bail!(
            "the audit trail is broken at event {sequence}: it or one before it was changed from outside"
        ),
    }
}

/// Seals every secret with a new master key. The portal must be stopped.
pub async fn rotate_key(args: &UpkeepArgs) -> anyhow::Result<()> {
    if args.data.master_key.is_some() {
        bail!(
            "the master key comes from SIGNPOST_MASTER_KEY: put it into a file, give that with \
             --master-key-file, rotate, and take the new key from there"
        );
    }
    let file = args.data.master_key_path();
    let (next, previous) = (beside(&file, "new"), beside(&file, "old"));
    if next.exists() && finish_rotation(&args.data, &file, &next, &previous).await? {
        say("An earlier rotation had not put its key in place; it is in place now.");
        return Ok(());
    }
    let store = open_store(&args.data).await?;
    let key = MasterKey::generate(&SystemRandom);
    // Before the database changes: a crash in between must not lose the only key.
    key.write_new(&next)
        .with_context(|| format!("failed to write {}", next.display()))?;
    let sealed =
        rotation::rotate(&store, &Sealer::new(&key), &SystemRandom, SystemClock.now()).await?;
    store.close().await;
    put_in_place(&file, &next, &previous)?;
    say(&format!("Sealed {sealed} secrets with a new master key."));
    say(&format!(
        "The old one is {}: older copies of the database need it.",
        previous.display()
    ));
    Ok(())
}

/// Whether the key that a broken rotation left behind is the database's; it is put in place.
async fn finish_rotation(
    data: &DataArgs,
    file: &Path,
    next: &Path,
    previous: &Path,
) -> anyhow::Result<bool> {
    let key = MasterKey::from_file(next)?;
    let settings = DatabaseSettings::new(data.database_url());
    match Store::open(&settings, Sealer::new(&key)).await {
        Ok(store) => {
            let belongs = store.migrate().await.is_ok();
            store.close().await;
            if belongs {
                put_in_place(file, next, previous)?;
                return Ok(true);
            }
        }
        Err(signpost_store::Error::WrongMasterKey { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    // It never sealed anything.
    std::fs::remove_file(next).with_context(|| format!("failed to remove {}", next.display()))?;
    Ok(false)
}

fn put_in_place(file: &Path, next: &Path, previous: &Path) -> anyhow::Result<()> {
    for (from, to) in [(file, previous), (next, file)] {
        std::fs::rename(from, to)
            .with_context(|| format!("failed to rename {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

#[expect(clippy::print_stdout, reason = "the command line answers its user")]
fn say(text: &str) {
    println!("{text}");
}
