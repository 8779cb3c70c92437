//! The command line of relaygate's build system: `cargo xtask <command>`.

mod doctor;
mod ebpf;

use clap::{Parser, Subcommand};

/// relaygate's build system.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

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
    }
}
