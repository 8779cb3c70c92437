//! What the kernel's part is told. Also as a number in the name of a pin: who works on it without having loaded it must
//! have the same settings, for it cannot change them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use aya::Ebpf;
use filter_common::table::{Seed, generation_for};
use filter_common::{BlockAction, PrefixLengths, Rate};
use ipnet::IpNet;

use super::maps::HEAD;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::staged::Staged;
use super::{Growing, KernelError, load};
use crate::config::{Hook, KernelLog};

/// What the kernel program is told.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelSettings {
    /// Where it is attached, there or as soon as they are there.
    pub interfaces: Vec<String>,
    /// At which hook.
    pub hook: Hook,
    /// The protected ports.
    pub ports: Vec<u16>,
    /// Protected addresses of ours; all, where none is named.
    pub addresses: Vec<IpAddr>,
    /// Networks that are never sanctioned.
    pub allow: Vec<IpNet>,
    /// How much of an address is one peer.
    pub prefixes: PrefixLengths,
    /// New connections of a limited peer.
    pub limit_rate: Rate,
    /// New connections of a limited network.
    pub network_rate: Rate,
    /// How many blocked peers limit the network that they are in; 0: any number does not.
    pub network_threshold: u32,
    /// New connections of every other peer, where those are limited.
    pub syn_limit: Option<Rate>,
    /// How many peers that limit counts at once.
    pub syn_limit_peers: usize,
    /// What becomes of a blocked peer's packets.
    pub block_action: BlockAction,
    /// How many of them are answered in all.
    pub reply_rate: Rate,
    /// Sanctioned peers that the kernel holds at once.
    pub max_peers: usize,
    /// Authenticated peers that the kernel holds at once.
    pub max_authenticated: usize,
    /// How long use may prolong an authentication.
    pub authenticated_max: Duration,
    /// Who makes the table of hosts larger when more come.
    pub growing: Growing,
    /// Where it is pinned, so that it outlasts the process.
    pub pins: Option<PathBuf>,
    /// The user and group that own what is pinned, where that is not who pins it.
    pub owner: Option<(u32, u32)>,
    /// What the program logs of single packets.
    pub log_level: KernelLog,
}

/// Hosts that the table has room for at first, where it grows: a mebibyte. In a smaller one, hosts that come as fast as they
/// can be written fill the rest of it while the kernel still waits for readers of the one before.
const FEW: usize = 25_000;

impl KernelSettings {
    /// The generation of the table of hosts with room for as many as it may ever hold.
    pub(super) fn largest_generation(&self) -> u32 {
        generation_for(self.max_peers.saturating_add(self.max_authenticated))
    }

    /// The one that a new table begins with.
    pub(super) fn first_generation(&self) -> u32 {
        let largest = self.largest_generation();
        match self.growing {
            Growing::Never => largest,
            Growing::Here | Growing::Beside { .. } => largest.min(generation_for(FEW)),
        }
    }
}

/// Before the number.
pub(super) const PIN: &str = "settings-";

/// Pins the number: a second name of `HEAD`, since a BPF file system holds nothing else.
pub(super) fn stage(ebpf: &Ebpf, settings: &KernelSettings, staged: &Staged) -> Result<(), KernelError> {
    let head = ebpf.map(HEAD).ok_or(KernelError::Missing { name: HEAD })?;
    staged.pin(&name_of(settings), |path| head.pin(path).map_err(PinFault::from))?;
    Ok(())
}

/// Refuses to go on with what was loaded with other settings.
pub(super) fn require(settings: &KernelSettings, pins: &Pins) -> Result<(), KernelError> {
    if pins.names()?.contains(&name_of(settings)) {
        return Ok(());
    }
    Err(KernelError::OtherSettings { path: pins.folder().to_owned() })
}

fn name_of(settings: &KernelSettings) -> String {
    // What is allowed, where it is attached and who is sanctioned, the process that works on it may say itself.
    let told = (
        load::load_time(settings, Seed([0; 4])),
        settings.log_level,
        &settings.ports,
        &settings.addresses,
        load::sizes(settings),
        (settings.max_peers, settings.max_authenticated),
    );
    let mut number = DefaultHasher::new();
    format!("{told:?}").hash(&mut number);
    format!("{PIN}{:016x}", number.finish())
}
