//! Where the kernel's maps are had from: the object that this process has loaded, or the pins of one that was allowed to
//! load it.

use aya::Ebpf;
use aya::maps::{Array, Map, MapData, MapError};
use filter_common::{Head, PrefixLengths};

use super::adopt::Adopted;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::staged::Staged;
use super::{KernelError, generation};

/// The map that later processes look at first.
pub(super) const HEAD: &str = "HEAD";

/// The map of what both sides change while the program runs.
pub(super) const CONTROL: &str = "CONTROL";

/// Where from.
pub(super) enum Maps<'a> {
    /// Loaded by this process.
    Loaded(&'a mut Ebpf),
    /// Pinned by another.
    Pinned(&'a Pins),
}

impl Maps<'_> {
    /// A map, as the kind that its user expects. Of an object each can be taken once.
    pub(super) fn take<M: TryFrom<Map, Error = MapError>>(
        &mut self,
        name: &'static str,
    ) -> Result<M, KernelError> {
        M::try_from(self.map(name)?).map_err(KernelError::map(name))
    }

    /// An array, to be mapped into this process.
    pub(super) fn take_array(&mut self, name: &'static str) -> Result<MapData, KernelError> {
        match self.map(name)? {
            Map::Array(data) => Ok(data),
            _ => Err(KernelError::Missing { name }),
        }
    }

    fn map(&mut self, name: &'static str) -> Result<Map, KernelError> {
        match self {
            Self::Loaded(ebpf) => ebpf.take_map(name).ok_or(KernelError::Missing { name }),
            Self::Pinned(pins) => {
                let fault = |error| KernelError::not_pinned(pins.shown(name), error);
                Map::from_map_data(MapData::from_pin(pins.of(name)).map_err(fault)?).map_err(fault)
            }
        }
    }
}

/// Pins the maps that are not adopted, to take the places of those of an earlier process. `HEAD` is filled, and comes last,
/// by [`commit`].
pub(super) fn stage(
    ebpf: &mut Ebpf,
    adopted: &Adopted,
    prefixes: PrefixLengths,
    staged: &Staged,
) -> Result<(), KernelError> {
    let is_to_pin = |name: &str| {
        // Load-time constants go with the program, tracing with who reads it, the table of hosts by its generations.
        !name.starts_with('.')
            && !["AYA_LOGS", "HOSTS", HEAD].contains(&name)
            && !adopted.maps.contains(&name)
    };
    for (name, map) in ebpf.maps().filter(|(name, _)| is_to_pin(name)) {
        staged.pin(name, |path| map.pin(path).map_err(PinFault::from))?;
    }
    let head = ebpf.map_mut(HEAD).ok_or(KernelError::Missing { name: HEAD })?;
    let mut told: Array<&mut MapData, Head> = head.try_into().map_err(KernelError::map(HEAD))?;
    told.set(0, Head::new(adopted.seed, prefixes), 0).map_err(KernelError::map(HEAD))?;
    if !adopted.is_old {
        return adopted.generation.stage(staged);
    }
    // It is pinned. One that was to follow it, and was not filled yet, is nobody's.
    for name in staged.pins().names()? {
        if generation::number_of(&name).is_some_and(|number| number != adopted.generation.number()) {
            staged.pins().remove(&name)?;
        }
    }
    Ok(())
}

/// Puts what is staged in force, whole.
pub(super) fn commit(ebpf: &Ebpf, staged: Staged) -> Result<(), KernelError> {
    let head = ebpf.map(HEAD).ok_or(KernelError::Missing { name: HEAD })?;
    staged.commit(|path| head.pin(path).map_err(PinFault::from))?;
    Ok(())
}
