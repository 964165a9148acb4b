//! The command line of `signpost practice-tenant`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::practice::{Options, PracticeTenant, Throttle};
use crate::tls::TestIdentity;

/// Run a simulated Microsoft 365 tenant to rehearse on.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:4300")]
    pub listen: SocketAddr,
    /// Generated accounts beside the default ones.
    #[arg(long, default_value_t = 0)]
    pub users: usize,
    /// The same seed makes the same tenant.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Whether Microsoft's documented quotas are enforced.
    #[arg(long, value_enum, default_value_t = Throttle::Off)]
    pub throttle: Throttle,
    /// How long a write stays invisible to readers, in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub replication_delay_ms: u64,
    /// Keep the tenant in this file between starts.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Serve HTTPS; the test authority's certificate is written to this file.
    #[arg(long, value_name = "FILE")]
    pub tls: Option<PathBuf>,
}

impl Args {
    /// The options these arguments mean.
    pub fn options(&self) -> Options {
        Options {
            users: self.users,
            seed: self.seed,
            throttle: self.throttle,
            replication_delay_ms: self.replication_delay_ms,
            base_url: None,
            state_file: self.state.clone(),
            clock: Clock::system(),
        }
    }

    /// Starts the tenant and serves it until `shutdown` is ready.
    pub async fn run(
        &self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let practice: Arc<PracticeTenant> = PracticeTenant::new(self.options());
        let listener = TcpListener::bind(self.listen).await?;
        tracing::info!(address = %listener.local_addr()?, "practice tenant listens");
        let Some(path) = &self.tls else {
            return practice.serve(listener, shutdown).await;
        };
        let identity = TestIdentity::generate()?;
        std::fs::write(path, identity.authority_pem())?;
        practice.serve_tls(listener, &identity, shutdown).await
    }
}
