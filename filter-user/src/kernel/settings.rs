//! What the kernel's part was loaded with, as a number in the name of a pin: who works on it without having loaded it must
//! have the same settings, for it cannot change them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use aya::Ebpf;
use filter_common::table::Seed;

use super::maps::HEAD;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::{KernelError, KernelSettings, load};

/// Before the number.
const PIN: &str = "settings-";

/// Pins the number: a second name of `HEAD`, since a BPF file system holds nothing else.
pub(super) fn pin(ebpf: &Ebpf, settings: &KernelSettings, pins: &Pins) -> Result<(), KernelError> {
    let name = name_of(settings);
    for other in pins.names()?.iter().filter(|other| other.starts_with(PIN) && **other != name) {
        pins.remove(other)?;
    }
    let head = ebpf.map(HEAD).ok_or(KernelError::Missing { name: HEAD })?;
    pins.replace(&name, |path| head.pin(path).map_err(PinFault::from))?;
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
