//! Loads the committed object: load-time constants, sizes of maps, what is in them from the start.

use aya::maps::{Array, Map, MapData, MapError};
use aya::{Ebpf, EbpfLoader};
use filter_common::LoadTime;
use filter_common::schema::{self, PORTS_PER_WORD, Stamped};

use super::hosts::HostTable;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::{KernelError, KernelSettings, programs};
use crate::peers::MAX_ALLOWANCES;

/// The program, as `cargo xtask ebpf` built it.
static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../filter-ebpf/object/relaygate.bpf.o");

/// Loads the object, has the program verified, and fills what does not change.
pub(super) fn object(settings: &KernelSettings) -> Result<Ebpf, KernelError> {
    if Stamped::find(OBJECT) != Some(schema::STAMP) {
        return Err(KernelError::OtherSchema);
    }
    let load_time = LoadTime::new(settings.limit_rate, settings.prefixes, settings.trace);
    let mut ebpf = EbpfLoader::new()
        .override_global("LOAD_TIME", &load_time, true)
        .map_max_entries("PEERS", entries(settings.max_peers))
        .map_max_entries("AUTHENTICATED", entries(settings.max_authenticated))
        .map_max_entries("ALLOW", entries(settings.allow.len().saturating_add(MAX_ALLOWANCES)))
        .load(OBJECT)
        .map_err(KernelError::refused)?;
    // First the program: it names its maps by their descriptors, which close when a map that was taken is dropped.
    programs::verify(&mut ebpf)?;
    protect(&mut ebpf, &settings.ports)?;
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

/// The maps that hold what the kernel knows of hosts.
pub(super) fn hosts(ebpf: &mut Ebpf, settings: &KernelSettings) -> Result<HostTable, KernelError> {
    Ok(HostTable::new(
        take(ebpf, "PEERS")?,
        take(ebpf, "AUTHENTICATED")?,
        entries(settings.max_peers) as usize,
        entries(settings.max_authenticated) as usize,
    ))
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
