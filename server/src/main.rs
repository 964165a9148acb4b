//! The `signpost` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    signpost_server::command::main()
}
