//! Every setting, by flag and by `SIGNPOST_*` variable: the only code that reads either.
//!
//! What depends on several settings is checked together at start, and *all* that is wrong is
//! reported at once.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use signpost_model::Secret;
use url::Url;

use crate::address::Network;

/// Where the data is and how it is sealed; every command takes these.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder of the embedded database and the master key.
    #[arg(long, env = "SIGNPOST_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Database: `postgres://…` for PostgreSQL, `sqlite://FILE` for another file than the one
    /// in the data folder.
    #[arg(long, env = "SIGNPOST_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// File of the master key that seals secrets; made at first start with mode 0600.
    #[arg(long, env = "SIGNPOST_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,

    /// The master key itself (32 bytes in base64) instead of a file.
    #[arg(long, env = "SIGNPOST_MASTER_KEY", hide_env_values = true)]
    pub master_key: Option<SecretText>,
}

/// How the portal is reached and what runs beside it.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub data: DataArgs,

    /// Address and port to listen on.
    #[arg(long, env = "SIGNPOST_LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// The address people use, such as `https://signpost.example.com`. Needed unless the
    /// portal listens on loopback.
    #[arg(long, env = "SIGNPOST_PUBLIC_URL")]
    pub public_url: Option<String>,

    /// Proxies that may say who the client is, as addresses or networks, separated by commas.
    #[arg(long, env = "SIGNPOST_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,

    /// Certificate chain (PEM) for serving HTTPS without a proxy.
    #[arg(long, env = "SIGNPOST_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key (PEM) of the certificate.
    #[arg(long, env = "SIGNPOST_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Setup code to create the first owner with; made and printed at start when not given.
    #[arg(long, env = "SIGNPOST_SETUP_CODE", hide_env_values = true)]
    pub setup_code: Option<SecretText>,

    /// Runs a practice tenant beside the portal, to rehearse on.
    #[arg(long, env = "SIGNPOST_PRACTICE")]
    pub practice: bool,

    /// Address and port of the practice tenant.
    #[arg(
        long,
        env = "SIGNPOST_PRACTICE_LISTEN",
        default_value = "127.0.0.1:4300"
    )]
    pub practice_listen: SocketAddr,

    #[command(flatten)]
    pub elsewhere: ElsewhereArgs,

    /// Leaves queued runs to `signpost worker` processes.
    #[arg(long, env = "SIGNPOST_NO_WORKER")]
    pub no_worker: bool,

    #[command(flatten)]
    pub log: LogArgs,
}

/// A practice tenant in a process of its own.
#[derive(Debug, Clone, Default, Args)]
pub struct ElsewhereArgs {
    /// Address of a practice tenant that runs on its own on this machine
    /// (`signpost practice-tenant`), such as `http://127.0.0.1:4300`.
    #[arg(long, env = "SIGNPOST_PRACTICE_URL")]
    pub practice_url: Option<Url>,
}

impl ElsewhereArgs {
    /// What is wrong with the address, if anything is.
    pub fn problem(&self) -> Option<&'static str> {
        let url = self.practice_url.as_ref()?;
        let is_safe = url.scheme() == "http" && is_loopback(url);
        (!is_safe).then_some(
            "--practice-url must be an http address on this machine: it takes secrets in the \
             clear",
        )
    }
}

/// How much is logged, and in which form.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// What is logged: a level, or a list such as `info,signpost_sync=debug`.
    #[arg(long, env = "SIGNPOST_LOG", default_value = "info")]
    pub log: String,

    /// `text` or `json`; by default text on a terminal and JSON otherwise.
    #[arg(long, env = "SIGNPOST_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// A secret on the command line or in the environment.
#[derive(Clone)]
pub struct SecretText(pub Secret);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

impl std::str::FromStr for SecretText {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Secret::new(text)))
    }
}

impl DataArgs {
    /// The database to open.
    pub fn database_url(&self) -> String {
        self.database_url
            .clone()
            .unwrap_or_else(|| format!("sqlite://{}", self.data_dir.join("signpost.db").display()))
    }

    /// The file of the master key, unless the key itself was given.
    pub fn master_key_path(&self) -> PathBuf {
        self.master_key_file
            .clone()
            .unwrap_or_else(|| self.data_dir.join("master.key"))
    }
}

/// What serving needs, checked.
#[derive(Debug, Clone)]
pub struct Http {
    pub listen: SocketAddr,
    pub public_url: String,
    /// Whether browsers reach the portal over TLS: secure cookies and HSTS.
    pub secure: bool,
    pub trusted_proxies: Vec<Network>,
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n"))]
pub struct Invalid(pub Vec<String>);

impl ServeArgs {
    /// Checks what depends on several settings, and names all that is wrong.
    pub fn http(&self) -> Result<Http, Invalid> {
        let mut wrong = Vec::new();
        let tls = self.tls_cert.clone().zip(self.tls_key.clone());
        for (name, path) in [("--tls-cert", &self.tls_cert), ("--tls-key", &self.tls_key)] {
            if let Some(path) = path
                && !path.is_file()
            {
                wrong.push(format!("{name}: there is no file {}", path.display()));
            }
        }
        let public_url = match &self.public_url {
            Some(text) => check_public_url(text, &mut wrong),
            None if self.listen.ip().is_loopback() => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{}", self.listen)
            }
            None => {
                wrong.push(
                    "--public-url (SIGNPOST_PUBLIC_URL) is needed when the portal does not listen \
                     on loopback: links, cookies and scripts are made from it"
                        .to_owned(),
                );
                String::new()
            }
        };
        if self.practice && self.practice_listen == self.listen {
            wrong.push("--practice-listen is the portal's own address".to_owned());
        }
        if self.practice && !self.practice_listen.ip().is_loopback() {
            wrong.push(
                "--practice-listen must be a loopback address: the practice tenant asks nobody \
                 who they are"
                    .to_owned(),
            );
        }
        if self.practice && self.elsewhere.practice_url.is_some() {
            wrong.push(
                "--practice and --practice-url name two practice tenants: choose one".to_owned(),
            );
        }
        wrong.extend(self.elsewhere.problem().map(str::to_owned));
        if !wrong.is_empty() {
            return Err(Invalid(wrong));
        }
        Ok(Http {
            listen: self.listen,
            secure: public_url.starts_with("https://"),
            public_url,
            trusted_proxies: self.trusted_proxies.clone(),
            tls,
        })
    }
}

fn check_public_url(text: &str, wrong: &mut Vec<String>) -> String {
    let trimmed = text.trim_end_matches('/');
    match Url::parse(trimmed) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.path() == "/" => {
            if url.scheme() == "http" && !is_loopback(&url) {
                wrong.push(format!(
                    "--public-url {text}: use https; passwords must not travel in the clear"
                ));
            }
            trimmed.to_owned()
        }
        _ => {
            wrong.push(format!(
                "--public-url {text}: give scheme and host only, such as https://signpost.example.com"
            ));
            String::new()
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn parse(args: &[&str]) -> ServeArgs {
        Command::parse_from(std::iter::once("signpost").chain(args.iter().copied())).serve
    }

    #[test]
    fn defaults_work_on_loopback() {
        let http = parse(&[]).http().unwrap();
        assert_eq!(http.public_url, "http://127.0.0.1:3000");
        assert!(!http.secure);
    }

    #[test]
    fn every_wrong_setting_is_named_at_once() {
        let Invalid(wrong) = parse(&[
            "--listen",
            "0.0.0.0:80",
            "--tls-cert",
            "missing.pem",
            "--tls-key",
            "missing.key",
            "--practice",
            "--practice-listen",
            "0.0.0.0:80",
        ])
        .http()
        .unwrap_err();
        assert_eq!(wrong.len(), 5, "{wrong:#?}");
    }

    #[test]
    fn plain_http_is_refused_outside_of_loopback() {
        assert!(
            parse(&["--public-url", "http://signpost.example.com"])
                .http()
                .is_err()
        );
        let http = parse(&["--public-url", "https://signpost.example.com/"])
            .http()
            .unwrap();
        assert_eq!(http.public_url, "https://signpost.example.com");
        assert!(http.secure);
    }

    #[test]
    fn a_practice_tenant_elsewhere_is_on_this_machine() {
        assert!(
            parse(&["--practice-url", "http://127.0.0.1:4300"])
                .http()
                .is_ok()
        );
        for elsewhere in ["http://tenant.example:4300", "https://127.0.0.1:4300"] {
            assert!(parse(&["--practice-url", elsewhere]).http().is_err());
        }
    }

    #[test]
    fn a_secret_setting_prints_nothing() {
        let args = parse(&["--setup-code", "hunter2"]);
        assert!(!format!("{args:?}").contains("hunter2"));
    }
}
