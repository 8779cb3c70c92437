<<<<<<< HEAD
//! The command line of relaygate's build system: one command a file. Depends on an error type and an argument parser,
//! no more: every build of anything waits for this one.

mod docs;
mod layers;
mod process;
mod rust_source;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;
=======
//! The command line of relaygate's build system: `cargo xtask <command>`.

mod doctor;
mod ebpf;
>>>>>>> kernel

use clap::{Parser, Subcommand};

/// relaygate's build system.
<<<<<<< HEAD
#[derive(Debug, Parser)]
=======
#[derive(Parser)]
>>>>>>> kernel
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

<<<<<<< HEAD
#[derive(Debug, Subcommand)]
enum Command {
    /// The one gate: format, lints, layers, documents, licences, tests; the same on a laptop and in CI.
    Test(test::Options),
    /// Compares every import with the table of who may know whom.
    Layers,
    /// Checks the source text: first lines, lengths, names, leftovers.
    Tidy,
    /// Makes the pages that are made from the table of settings.
    Docs {
        /// Compare with what is committed instead.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Layers => layers::run(),
        Command::Tidy => tidy::run(),
        Command::Docs { check } => docs::run(check),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
=======
#[derive(Subcommand)]
enum Command {
    /// Builds the kernel program's object
    Ebpf {
        /// Change nothing; fail unless the committed object is what the sources give, byte for byte
        #[arg(long)]
        check: bool,
    },
    /// Says what this machine lacks
    Doctor {
        /// Install it (Debian, as root)
        #[arg(long)]
        install: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Ebpf { check } => ebpf::run(check),
        Command::Doctor { install } => doctor::run(install),
>>>>>>> kernel
    }
}
