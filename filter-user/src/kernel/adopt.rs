//! What of the maps that an earlier relaygate has left pinned this one goes on with: that which it laid out as this build
//! would. Looks at `HEAD` alone to know that, and changes nothing.

use std::io;

use aya::maps::{Array, MapData, MapInfo};
use filter_common::table::Seed;
use filter_common::{Head, schema};
use ipnet::IpNet;
use rustix::rand::{GetRandomFlags, getrandom};

use super::control::ControlPage;
use super::error::system_error;
use super::generation::Generation;
use super::maps::{CONTROL, HEAD};
use super::pin::Pins;
use super::{KernelError, KernelSettings, allow, load};

/// Maps that go on as they are where all layouts are the same, if the settings want them of the same size. What the
/// settings fill is made anew; of the table of hosts, the generation goes on.
const GO_ON: [&str; 3] = ["COUNTERS", "ARRIVALS", "EVENTS"];

/// What a start begins with.
#[derive(Debug)]
pub(super) struct Adopted {
    /// What the hosts are placed by.
    pub(super) seed: Seed,
    /// The table.
    pub(super) generation: Generation,
    /// Whether there may be hosts in it.
    pub(super) is_old: bool,
    /// Other maps, to be taken by their pins.
    pub(super) maps: Vec<&'static str>,
    /// Networks that may have been allowed by hand.
    pub(super) exempt: Vec<IpNet>,
}

impl Adopted {
    /// Looks at what is pinned; whatever cannot be gone on with is made anew, and told.
    pub(super) fn look(settings: &KernelSettings, pins: Option<&Pins>) -> Result<Self, KernelError> {
        let head = match pins {
            Some(pins) => read_head(pins)?,
            None => None,
        };
        let (Some(pins), Some(head)) = (pins, head) else { return Self::new(settings, Vec::new()) };
        let mut maps = Vec::new();
        if head.stamp == schema::STAMP {
            maps.extend(GO_ON.iter().filter(|name| fits(pins, name, settings)));
        } else {
            tracing::info!("the maps in the kernel were laid out by another version of relaygate");
            if head.counters == schema::COUNTERS {
                maps.push("COUNTERS");
            } else {
                tracing::warn!("the kernel's counters begin anew: they have changed with this version");
            }
        }
        if head.table != schema::TABLE {
            tracing::warn!(
                "the table of hosts in the kernel is one of another version: it is given up, and sanctions come from \
                 state-file, where that is set"
            );
            return Self::new(settings, maps);
        }
        if !head.has_peers_of(settings.prefixes) {
            tracing::warn!(
                "the hosts in the kernel are peers by other prefix lengths than peer-prefix-ipv4 and peer-prefix-ipv6 say \
                 now: they are given up, and sanctions come from state-file, where that is set"
            );
            // The limiters of `syn-limit` are peers' too.
            maps.retain(|name| *name != "ARRIVALS");
            return Self::new(settings, maps);
        }
        let in_force = (head.stamp == schema::STAMP).then(|| generation_in_force(pins)).flatten();
        match Generation::pinned(pins, in_force)? {
            Some(generation) => {
                let exempt = allow::left(pins, &settings.allow);
                Ok(Self { seed: head.seed, generation, is_old: true, maps, exempt })
            }
            None => Self::new(settings, maps),
        }
    }

    /// All that is pinned, as it is: or an error.
    pub(super) fn whole(settings: &KernelSettings, pins: &Pins) -> Result<Self, KernelError> {
        let other = || KernelError::OtherVersion { path: pins.folder().to_owned() };
        let head = read_head(pins)?.filter(|head| head.stamp == schema::STAMP).ok_or_else(other)?;
        let generation = Generation::pinned(pins, generation_in_force(pins))?.ok_or_else(other)?;
        let exempt = allow::left(pins, &settings.allow);
        Ok(Self { seed: head.seed, generation, is_old: true, maps: Vec::new(), exempt })
    }

    fn new(settings: &KernelSettings, maps: Vec<&'static str>) -> Result<Self, KernelError> {
        let generation = Generation::make(settings.first_generation())?;
        Ok(Self { seed: seed()?, generation, is_old: false, maps, exempt: Vec::new() })
    }
}

/// What an earlier process says of the maps that it has pinned; nothing where there is none that can be read.
pub(super) fn read_head(pins: &Pins) -> Result<Option<Head>, KernelError> {
    let fault = |error| KernelError::not_pinned(pins.shown(HEAD), error);
    let info = match MapInfo::from_pin(pins.of(HEAD)) {
        Err(error) if system_error(&error).is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => {
            return Ok(None);
        }
        info => info.map_err(fault)?,
    };
    if info.value_size() as usize != size_of::<Head>() {
        tracing::warn!("what is pinned was laid out by another version of relaygate, and is given up");
        return Ok(None);
    }
    let map = MapData::from_pin(pins.of(HEAD)).and_then(aya::maps::Map::from_map_data).map_err(fault)?;
    let head: Array<MapData, Head> = map.try_into().map_err(fault)?;
    let head = head.get(&0, 0).map_err(fault)?;
    Ok((head.mark == schema::MARK).then_some(head))
}

/// Which generation the pinned `CONTROL` names, if it can be read.
fn generation_in_force(pins: &Pins) -> Option<u32> {
    let control = MapData::from_pin(pins.of(CONTROL)).ok()?;
    ControlPage::new(&control).ok()?.generation()
}

/// Whether a pinned map is there, of the size that the settings want.
fn fits(pins: &Pins, name: &str, settings: &KernelSettings) -> bool {
    let wanted = load::sizes(settings).into_iter().find(|(sized, _)| *sized == name).map(|(_, size)| size);
    let found = MapInfo::from_pin(pins.of(name)).ok().map(|info| info.max_entries());
    found.is_some_and(|found| wanted.is_none_or(|wanted| wanted == found))
}

/// A secret for the table of hosts: nobody outside shall know who lies where.
fn seed() -> Result<Seed, KernelError> {
    let mut octets = [[0; 4]; 4];
    for word in &mut octets {
        getrandom(&mut word[..], GetRandomFlags::empty())
            .map_err(|source| KernelError::Program { what: "seed", source: Box::new(source) })?;
    }
    Ok(Seed(octets.map(u32::from_ne_bytes)))
}
