//! A generation of the table of hosts, as a map: made, pinned, found again, put where the program looks for it. What is in
//! it is the table's matter.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use aya::maps::{ArrayOfMaps, MapData, MapInfo};
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY;
use aya_obj::generated::{BPF_F_INNER_MAP, BPF_F_MMAPABLE};
use aya_obj::maps::{LegacyMap, bpf_map_def};
use aya_obj::{EbpfSectionKind, Map};
use filter_common::Mapped;
use filter_common::table::{BUCKET_WORDS, Bucket, LARGEST, SMALLEST};

use super::KernelError;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::staged::Staged;

/// The map of generations.
pub(super) const HOSTS: &str = "HOSTS";
/// Before the number of a generation, in the name of its pin.
pub(super) const PIN: &str = "hosts-";

/// One generation.
#[derive(Debug)]
pub(super) struct Generation {
    number: u32,
    map: MapData,
}

impl Generation {
    /// An empty one.
    pub(super) fn make(number: u32) -> Result<Self, KernelError> {
        let definition = bpf_map_def {
            map_type: BPF_MAP_TYPE_ARRAY as u32,
            key_size: size_of::<u32>() as u32,
            value_size: size_of::<Bucket>() as u32,
            max_entries: 1 << number,
            // Mapped into this process, and of any size in the place of another.
            map_flags: BPF_F_MMAPABLE | BPF_F_INNER_MAP,
            ..bpf_map_def::default()
        };
        let map = Map::Legacy(LegacyMap {
            def: definition,
            inner_def: None,
            section_index: 0,
            section_kind: EbpfSectionKind::Maps,
            symbol_index: None,
            data: Vec::new(),
        });
        let map = MapData::create(map, &format!("hosts_{number}"), None).map_err(KernelError::map(HOSTS))?;
        Ok(Self { number, map })
    }

    /// The one that an earlier process has left in force: as its `CONTROL` says, where this build can read that, else the
    /// largest; there are two only while a table grows.
    pub(super) fn pinned(pins: &Pins, in_force: Option<u32>) -> Result<Option<Self>, KernelError> {
        let numbers: Vec<u32> = pins.names()?.iter().filter_map(|name| number_of(name)).collect();
        let in_force = in_force.filter(|number| numbers.contains(number));
        let Some(number) = in_force.or(numbers.into_iter().max()) else { return Ok(None) };
        let name = name_of(number);
        let fault = |error| KernelError::not_pinned(pins.shown(&name), error);
        let info = MapInfo::from_pin(pins.of(&name)).map_err(fault)?;
        let is_one = info.value_size() as usize == size_of::<Bucket>() && info.max_entries() == 1 << number;
        if !is_one {
            return Ok(None);
        }
        let map = MapData::from_pin(pins.of(&name)).map_err(fault)?;
        Ok(Some(Self { number, map }))
    }

    /// The power of two of its buckets.
    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Its memory.
    pub(super) fn memory(&self) -> Result<Mapped, KernelError> {
        Mapped::new(self.map.fd().as_fd(), BUCKET_WORDS << self.number).map_err(KernelError::mapped(HOSTS))
    }

    /// One that another process has made.
    pub(super) fn made(number: u32, map: OwnedFd) -> Result<Self, KernelError> {
        MapData::from_fd(map).map(|map| Self { number, map }).map_err(KernelError::map(HOSTS))
    }

    /// For another process.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.map.fd().as_fd().try_clone_to_owned()
    }

    /// Puts it where the program looks for it. It does so once `CONTROL` names it.
    pub(super) fn put(&self, hosts: &mut ArrayOfMaps<MapData, MapData>) -> Result<(), KernelError> {
        self.put_as(self.number, hosts)
    }

    /// Puts it where the program looks for one of another size: where it does not look any more.
    pub(super) fn put_as(
        &self,
        number: u32,
        hosts: &mut ArrayOfMaps<MapData, MapData>,
    ) -> Result<(), KernelError> {
        hosts.set(number, &self.map, 0).map_err(KernelError::map(HOSTS))
    }

    /// Lets it end with this process again.
    pub(super) fn unpin(number: u32, pins: &Pins) -> Result<(), KernelError> {
        pins.remove(&name_of(number))?;
        Ok(())
    }

    /// The same, in place of all that are pinned.
    pub(super) fn stage(&self, staged: &Staged) -> Result<(), KernelError> {
        staged.pin(&name_of(self.number), |path| self.map.pin(path).map_err(PinFault::from))?;
        Ok(())
    }

    /// Lets it outlast this process.
    pub(super) fn pin(&self, pins: &Pins) -> Result<(), KernelError> {
        pins.replace(&name_of(self.number), |path| self.map.pin(path).map_err(PinFault::from))?;
        Ok(())
    }
}

fn name_of(number: u32) -> String {
    format!("{PIN}{number}")
}

/// The number of the generation that is pinned under this name, if it is the name of one.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let number = name.strip_prefix(PIN)?.parse().ok()?;
    (SMALLEST..=LARGEST).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_found_by_its_name_and_nothing_else_is_one() {
        assert_eq!(number_of(&name_of(SMALLEST)), Some(SMALLEST));
        assert_eq!(number_of(&name_of(LARGEST)), Some(LARGEST));
        for name in ["hosts-", "hosts-5", "hosts-26", "hosts-17-next", "HOSTS", "hosts-x"] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
