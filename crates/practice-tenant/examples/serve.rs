//! The practice tenant by itself, without the `signpost` binary: for the SDK check and for a quick look.

use clap::Parser;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    practice: signpost_practice_tenant::Args,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let interrupted = async {
        // Without a signal handler the process simply ends when it is told to.
        let _ = tokio::signal::ctrl_c().await;
    };
    Cli::parse().practice.run(interrupted).await
}
