//! The command line of relaygate's build system: one command a file. Depends on an error type and an argument parser,
//! no more: every build of anything waits for this one.

mod built;
mod decide;
mod docs;
mod doctor;
mod ebpf;
mod kernels;
mod layers;
mod process;
mod proofs;
mod quick;
mod rust_source;
mod shown;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// relaygate's build system.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The one gate: what it needs installed, format, lints, layers, documents, licences, tests, the kernel program's
    /// object; the same on a laptop and in CI.
    Test(test::Options),
    /// Compares every import with the table of who may know whom.
    Layers,
    /// Checks the source text: first lines, lengths, names, leftovers.
    Tidy,
    /// Compares what relaygate costs with the least that a server can do, and with a plain proxy.
    Quick,
    /// Compares what deciding costs with a large configuration and with a small one.
    Decide,
    /// Makes the pages that are made from the table of settings.
    Docs {
        /// Compare with what is committed instead.
        #[arg(long)]
        check: bool,
    },
    /// Builds the kernel program's object.
    Ebpf {
        /// Change nothing; fail unless the committed object is what the sources give, byte for byte.
        #[arg(long)]
        check: bool,
    },
    /// Boots other kernels in an emulated machine, and lets them verify and run the kernel program.
    Kernels,
    /// Says what this machine lacks.
    Doctor {
        /// Install it (Debian, as root).
        #[arg(long)]
        install: bool,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Test(options) => test::run(&options),
        Command::Layers => layers::run(),
        Command::Tidy => tidy::run(),
        Command::Quick => quick::run(),
        Command::Decide => decide::run(),
        Command::Docs { check } => docs::run(check),
        Command::Ebpf { check } => ebpf::run(check),
        Command::Kernels => kernels::run(),
        Command::Doctor { install } => doctor::run(install),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
