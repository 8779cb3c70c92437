//! Loads the committed object: load-time constants, sizes of maps, what is in them from the start.

use std::net::IpAddr;

use aya::maps::{Array, ArrayOfMaps, HashMap, Map, MapData, MapError};
use aya::{Ebpf, EbpfLoader};
use filter_common::schema::{self, PORTS_PER_WORD, Stamped};
use filter_common::table::{self, BUCKET_WORDS, Bucket, Meter, Seed, Table};
use filter_common::{LoadTime, Mapped, Rate};

use super::allowed::Allowed;
use super::control::ControlPage;
use super::hosts::HostTable;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::{KernelError, KernelSettings, programs};
use crate::peers::MAX_ALLOWANCES;

/// The program, as `cargo xtask ebpf` built it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../filter-ebpf/object/relaygate.bpf.o");

/// Of a generation of the table: mapped into this process, and of any size in the place of another (linux/bpf.h).
const GENERATION_FLAGS: u32 = 1 << 10 | 1 << 12;

/// Loads the object, has the program verified, and fills what does not change.
pub(super) fn object(settings: &KernelSettings, seed: Seed) -> Result<Ebpf, KernelError> {
    if Stamped::find(OBJECT) != Some(schema::STAMP) {
        return Err(KernelError::OtherSchema);
    }
    let level = u8::try_from(settings.log_level.level()).unwrap_or(u8::MAX);
    let load_time = load_time(settings, seed);
    let mut ebpf = EbpfLoader::new()
        .override_global("LOAD_TIME", &load_time, true)
        .override_global(aya_log::LEVEL, &level, true)
        .map_max_entries("ADDRESSES", entries(settings.addresses.len()))
        .map_max_entries("ARRIVALS", entries(settings.syn_limit.map_or(0, |_| settings.syn_limit_peers)))
        .map_max_entries("NETWORKS", entries(networks(settings)))
        .map_max_entries("ALLOW", entries(settings.allow.len().saturating_add(MAX_ALLOWANCES)))
        .load(OBJECT)
        .map_err(KernelError::refused)?;
    // First the program: it names its maps by their descriptors, which close when a map that was taken is dropped.
    programs::verify(&mut ebpf)?;
    protect(&mut ebpf, &settings.ports)?;
    protect_addresses(&mut ebpf, &settings.addresses)?;
    Ok(ebpf)
}

/// Pins the maps, so that they outlast this process.
pub(super) fn pin(ebpf: &Ebpf, pins: &Pins) -> Result<(), KernelError> {
    for (name, map) in ebpf.maps() {
        // Load-time constants go with the program, and tracing with who reads it.
        if !name.starts_with('.') && name != "AYA_LOGS" {
            pins.replace(name, |path| map.pin(path).map_err(PinFault::from))?;
        }
    }
    Ok(())
}

/// What the program is told before it is loaded.
fn load_time(settings: &KernelSettings, seed: Seed) -> LoadTime {
    LoadTime {
        limit: settings.limit_rate.in_steps_of(Meter::STEP),
        network: settings.network_rate,
        syn_limit: settings.syn_limit.unwrap_or(Rate { interval: 0, tolerance: 0 }),
        replies: settings.reply_rate,
        seed,
        block_action: settings.block_action as u32,
        addresses: u32::from(!settings.addresses.is_empty()),
        // x86 keeps loads in order by itself.
        fences: u32::from(!cfg!(target_arch = "x86_64")),
        ..LoadTime::USUAL.with_prefixes(settings.prefixes)
    }
}

/// How many networks can be limited at once: each takes more blocked peers than the threshold.
fn networks(settings: &KernelSettings) -> usize {
    let threshold = usize::try_from(settings.network_threshold).unwrap_or(usize::MAX);
    if threshold == 0 { 0 } else { settings.max_peers / threshold.saturating_add(1) }
}

/// The maps that hold what the kernel knows of hosts.
pub(super) fn hosts(
    ebpf: &mut Ebpf,
    settings: &KernelSettings,
    seed: Seed,
    control: &ControlPage,
) -> Result<HostTable, KernelError> {
    let (max_peers, max_authenticated) = (settings.max_peers, settings.max_authenticated);
    let generation = table::generation_for(max_peers.saturating_add(max_authenticated));
    let memory = put_generation(ebpf, generation)?;
    let table = Table::new(memory, seed).ok_or(KernelError::Missing { name: "HOSTS" })?;
    control.set_generation(generation);
    let allow = settings.allow.clone();
    Ok(HostTable::new(table, Allowed::new(allow, settings.prefixes), max_peers, max_authenticated))
}

/// Makes a generation of the table and puts it into its element of `HOSTS`.
fn put_generation(ebpf: &mut Ebpf, generation: u32) -> Result<Mapped, KernelError> {
    let failed = || KernelError::map("HOSTS");
    let made = Array::<MapData, Bucket>::create(1 << generation, GENERATION_FLAGS).map_err(failed())?;
    let mut map = ebpf.take_map("HOSTS").ok_or(KernelError::Missing { name: "HOSTS" })?;
    let mut generations: ArrayOfMaps<&mut MapData, Array<MapData, Bucket>> =
        (&mut map).try_into().map_err(failed())?;
    generations.set(generation, &made, 0).map_err(failed())?;
    let generations: ArrayOfMaps<MapData, MapData> = map.try_into().map_err(failed())?;
    let made = generations.get(&generation, 0).map_err(failed())?;
    Mapped::new(made.fd(), BUCKET_WORDS << generation).map_err(KernelError::mapped("HOSTS"))
}

/// The map `CONTROL`.
pub(super) fn control(ebpf: &mut Ebpf) -> Result<ControlPage, KernelError> {
    let Map::Array(map) = ebpf.take_map("CONTROL").ok_or(KernelError::Missing { name: "CONTROL" })? else {
        return Err(KernelError::Missing { name: "CONTROL" });
    };
    ControlPage::new(&map)
}

/// Takes a map out of the object, as the kind that its user expects.
pub(super) fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, KernelError> {
    let map = ebpf.take_map(name).ok_or(KernelError::Missing { name })?;
    M::try_from(map).map_err(KernelError::map(name))
}

/// A size as the kernel wants it: at least one entry.
fn entries(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

fn protect(ebpf: &mut Ebpf, ports: &[u16]) -> Result<(), KernelError> {
    let mut words: Array<MapData, u64> = take(ebpf, "PORTS")?;
    for (index, word) in port_words(ports) {
        words.set(index, word, 0).map_err(KernelError::map("PORTS"))?;
    }
    Ok(())
}

/// The elements of the bitmap that are not zero.
fn port_words(ports: &[u16]) -> Vec<(u32, u64)> {
    let mut words: Vec<(u32, u64)> = Vec::new();
    for port in ports.iter().copied().map(u32::from) {
        let (index, bit) = (port / PORTS_PER_WORD, 1 << (port % PORTS_PER_WORD));
        match words.iter_mut().find(|(known, _)| *known == index) {
            Some((_, word)) => *word |= bit,
            None => words.push((index, bit)),
        }
    }
    words
}

fn protect_addresses(ebpf: &mut Ebpf, addresses: &[IpAddr]) -> Result<(), KernelError> {
    let mut listed: HashMap<MapData, [u8; 16], u8> = take(ebpf, "ADDRESSES")?;
    for address in addresses {
        let octets = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        listed.insert(octets, 1, 0).map_err(KernelError::map("ADDRESSES"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_object_has_the_layouts_of_this_build() {
        assert_eq!(Stamped::find(OBJECT), Some(schema::STAMP), "rebuild it with `cargo xtask ebpf`");
    }

    #[test]
    fn ports_of_one_word_share_it() {
        let mut words = port_words(&[25, 0, 587, 65535, 25]);
        words.sort_unstable();
        assert_eq!(words, [(0, 1 | 1 << 25), (587 / 64, 1 << (587 % 64)), (1023, 1 << 63)]);
    }
}
