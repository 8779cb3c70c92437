//! The relaygate binary: calls the command line, prints what went wrong, decides the exit code.

use std::process::ExitCode;

use filter_user::cli::{self, exit_codes};

fn main() -> ExitCode {
    cli::main(std::env::args_os()).unwrap_or_else(|error| exit_codes::report(&error))
}
