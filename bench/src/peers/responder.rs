//! The constant-reply responder, the physical limit: the least that a server of this dialogue can do.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::{Installed, Peer, Running, Site};

/// This program, as `bench responder`.
#[derive(Clone, Copy, Debug)]
pub struct ConstantReplies;

impl ConstantReplies {
    /// What starts it, on a port that the kernel chooses.
    pub fn command() -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("cannot find the own binary")?);
        command.args(["responder", "--listen", "127.0.0.1:0"]);
        Ok(command)
    }
}

impl Peer for ConstantReplies {
    fn name(&self) -> &'static str {
        "responder"
    }

    fn takes_mail(&self) -> bool {
        false
    }

    fn install(&self, _cache: &Path) -> anyhow::Result<Installed> {
        Ok(Installed { version: Some(env!("CARGO_PKG_VERSION").to_owned()), ..Installed::default() })
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        Running::start(&Self::command()?, installed, site, None)
    }
}
