//! `signpost operator`: the first owner by automation, and the way back in for who is locked out.

use std::io::Read;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use signpost_app::forms::FormErrors;
use signpost_app::pages::settings::initial_password;
use signpost_app::pages::setup::check_person;
use signpost_app::passwords::{self, Passwords};
use signpost_model::{Actor, Author, Clock, OperatorId, Role, Secret};
use signpost_store::operators::{self, NewOperator};
use signpost_store::{Constraint, Store, factors};

use crate::ambient::{SystemClock, SystemRandom};
use crate::config::DataArgs;
use crate::serve::open_store;

/// Who may sign in to the portal.
#[derive(Debug, Subcommand)]
pub enum OperatorCommand {
    /// Adds an operator. Prints a password for them unless one is given.
    Add(AddArgs),
    /// Helps an operator who cannot sign in; their sessions end.
    Reset(ResetArgs),
}

/// The operator to add.
#[derive(Debug, Args)]
pub struct AddArgs {
    #[command(flatten)]
    data: DataArgs,

    /// The address they sign in with.
    #[arg(long)]
    email: String,

    /// Their name, as others see it.
    #[arg(long)]
    name: String,

    /// `owner`, `administrator` or `auditor`.
    #[arg(long)]
    role: Role,

    /// Reads the password from standard input.
    #[arg(long)]
    password_stdin: bool,
}

/// Whom to help, and how.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)))]
pub struct ResetArgs {
    #[command(flatten)]
    data: DataArgs,

    /// The address they sign in with.
    #[arg(long)]
    email: String,

    /// Makes a new password and prints it.
    #[arg(long, group = "what", conflicts_with = "password_stdin")]
    password: bool,

    /// Reads the new password from standard input.
    #[arg(long, group = "what")]
    password_stdin: bool,

    /// Takes the second factor away.
    #[arg(long, group = "what")]
    second_factor: bool,
}

/// Carries a command out.
pub async fn run(command: &OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Add(args) => add(args).await,
        OperatorCommand::Reset(args) => reset(args).await,
    }
}

const AUTHOR: Author = Author {
    actor: Actor::CommandLine,
    address: None,
};

async fn add(args: &AddArgs) -> anyhow::Result<()> {
    let mut errors = FormErrors::new();
    check_person(&mut errors, &args.name, &args.email);
    if let Some((_, text)) = errors.fields.first() {
        bail!("{text}");
    }
    let password = Password::choose(args.password_stdin, &[&args.name, &args.email])?;
    let store = open_store(&args.data).await?;
    let now = SystemClock.now();
    let new = NewOperator {
        id: OperatorId::mint(now, &SystemRandom),
        email: args.email.trim().to_owned(),
        name: args.name.trim().to_owned(),
        role: args.role,
        password_hash: password.hash().await?,
    };
    let mut tx = store.write().await?;
    match operators::create(&mut tx, &new, &AUTHOR, now).await {
        Err(error) if error.is_conflict(Constraint::OperatorEmail) => {
            bail!("another operator has the email {}", new.email)
        }
        other => other.context("failed to add the operator")?,
    }
    tx.commit().await?;
    store.close().await;
    say(&format!("Added {} ({}).", new.email, new.role.label()));
    password.say();
    Ok(())
}

async fn reset(args: &ResetArgs) -> anyhow::Result<()> {
    let store = open_store(&args.data).await?;
    let operator = find(&store, &args.email).await?;
    let now = SystemClock.now();
    if args.password || args.password_stdin {
        let own = [operator.name.as_str(), operator.email.as_str()];
        let password = Password::choose(args.password_stdin, &own)?;
        let hash = password.hash().await?;
        let mut tx = store.write().await?;
        operators::set_password(&mut tx, operator.id, &hash, None, &AUTHOR, now).await?;
        tx.commit().await?;
        say(&format!("{} has a new password.", operator.email));
        password.say();
    }
    if args.second_factor {
        let mut tx = store.write().await?;
        factors::remove(&mut tx, operator.id, None, &AUTHOR, now).await?;
        tx.commit().await?;
        say(&format!("{} has no second factor now.", operator.email));
    }
    if operator.disabled_at.is_some() {
        say("They are disabled: an owner has to enable them in the portal.");
    }
    store.close().await;
    Ok(())
}

async fn find(store: &Store, email: &str) -> anyhow::Result<signpost_model::Operator> {
    let found = operators::find_by_email(&mut *store.read().await?, email.trim()).await?;
    match found {
        Some(found) => Ok(found.operator),
        None => bail!("no operator has the email {email}"),
    }
}

/// A password that was given, or one that was made and is printed.
enum Password {
    Given(Secret),
    Made(Secret),
}

impl Password {
    fn choose(from_input: bool, own_words: &[&str]) -> anyhow::Result<Self> {
        if !from_input {
            return Ok(Self::Made(initial_password(&SystemRandom)));
        }
        let mut text = String::new();
        std::io::stdin()
            .take(4_096)
            .read_to_string(&mut text)
            .context("failed to read the password from standard input")?;
        let password = Secret::new(text.trim_end_matches(['\r', '\n']));
        passwords::check_new(&password, own_words).map_err(|text| anyhow::anyhow!("{text}"))?;
        Ok(Self::Given(password))
    }

    async fn hash(&self) -> anyhow::Result<String> {
        let (Self::Given(password) | Self::Made(password)) = self;
        let hash = Passwords::default().hash(password, &SystemRandom).await;
        hash.context("failed to hash the password")
    }

    fn say(&self) {
        if let Self::Made(password) = self {
            say(&format!("Password: {}", password.expose()));
        }
    }
}

#[expect(clippy::print_stdout, reason = "the command line answers its user")]
fn say(text: &str) {
    println!("{text}");
}
