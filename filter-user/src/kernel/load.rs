//! Loads the committed object: load-time constants, sizes of maps, what is in them from the start.

use std::net::IpAddr;

use aya::maps::{Array, HashMap, MapData};
use aya::{Ebpf, EbpfLoader};
use filter_common::schema::{self, PORTS_PER_WORD, Stamped};
use filter_common::table::{Meter, Seed};
use filter_common::{Address, LoadTime, Rate};

use super::adopt::Adopted;
use super::allow::ALLOW;
use super::maps::Maps;
use super::pin::Pins;
use super::{KernelError, KernelSettings, programs};
use crate::peers::MAX_ALLOWANCES;

/// The program, as `cargo xtask ebpf` built it.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../filter-ebpf/object/relaygate.bpf.o");

/// Loads the object, has the program verified, and fills what does not change. Maps that are adopted are taken by their
/// pins; what is in them stays.
pub(super) fn object(
    settings: &KernelSettings,
    adopted: &Adopted,
    pins: Option<&Pins>,
) -> Result<Ebpf, KernelError> {
    if Stamped::find(OBJECT) != Some(schema::STAMP) {
        return Err(KernelError::OtherSchema);
    }
    let level = u8::try_from(settings.log_level.level()).unwrap_or(u8::MAX);
    let load_time = load_time(settings, adopted.seed);
    let mut loader = EbpfLoader::new();
    loader.override_global("LOAD_TIME", &load_time, true).override_global(aya_log::LEVEL, &level, true);
    for (name, entries) in sizes(settings) {
        loader.map_max_entries(name, entries);
    }
    for name in &adopted.maps {
        if let Some(pins) = pins {
            loader.map_pin_path(name, pins.of(name));
        }
    }
    let mut ebpf = loader.load(OBJECT).map_err(KernelError::refused)?;
    // First the program: it names its maps by their descriptors, which close when a map that was taken is dropped.
    programs::verify(&mut ebpf)?;
    let mut maps = Maps::Loaded(&mut ebpf);
    protect(&mut maps, &settings.ports)?;
    protect_addresses(&mut maps, &settings.addresses)?;
    Ok(ebpf)
}

/// The maps whose size the settings say.
pub(super) fn sizes(settings: &KernelSettings) -> [(&'static str, u32); 4] {
    [
        // Twice: beside what is allowed by hand there may still be what an earlier process had allowed.
        (ALLOW, entries(settings.allow.len().saturating_add(2 * MAX_ALLOWANCES))),
        ("ADDRESSES", entries(settings.addresses.len())),
        ("ARRIVALS", entries(settings.syn_limit.map_or(0, |_| settings.syn_limit_peers))),
        ("NETWORKS", entries(networks(settings))),
    ]
}

/// What the program is told before it is loaded.
pub(super) fn load_time(settings: &KernelSettings, seed: Seed) -> LoadTime {
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

/// A size as the kernel wants it: at least one entry.
fn entries(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

fn protect(maps: &mut Maps<'_>, ports: &[u16]) -> Result<(), KernelError> {
    let mut words: Array<MapData, u64> = maps.take("PORTS")?;
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

fn protect_addresses(maps: &mut Maps<'_>, addresses: &[IpAddr]) -> Result<(), KernelError> {
    let mut listed: HashMap<MapData, [u8; 16], u8> = maps.take("ADDRESSES")?;
    for address in addresses {
        listed.insert(Address::from(*address).octets(), 1, 0).map_err(KernelError::map("ADDRESSES"))?;
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
