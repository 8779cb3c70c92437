//! The programs on an interface's hooks: by id, and by name where the kernel tells.

use std::collections::HashMap;
use std::fmt;

use aya::programs::{SchedClassifier, TcAttachType, loaded_programs};
use serde::Serialize;

/// A place for programs at which packets come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the driver.
    XdpNative,
    /// In the network stack, in XDP's way.
    XdpGeneric,
    /// In the network stack, by links.
    Tcx,
    /// In the network stack, by filters.
    Clsact,
}

/// A program on an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attached {
    /// Where.
    pub place: Place,
    /// The kernel's number for it.
    pub id: u32,
    /// Its name, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Place {
    /// Whether there is room for one program alone.
    #[must_use]
    pub const fn is_xdp(self) -> bool {
        matches!(self, Self::XdpNative | Self::XdpGeneric)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::XdpNative => "native XDP",
            Self::XdpGeneric => "generic XDP",
            Self::Tcx => "TCX",
            Self::Clsact => "clsact",
        })
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, id, name } = self;
        match name {
            Some(name) => write!(f, "{place}: program {id}, `{name}`"),
            None => write!(f, "{place}: program {id} (only CAP_SYS_ADMIN is told its name)"),
        }
    }
}

/// The programs at TCX; nothing where the kernel has no such place, or does not tell.
pub(super) fn tcx(interface: &str) -> Option<Vec<Attached>> {
    let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Ingress).ok()?;
    let attached = programs.iter().map(|program| Attached {
        place: Place::Tcx,
        id: program.id(),
        name: program.name_as_str().map(str::to_owned),
    });
    Some(attached.collect())
}

/// Puts in the names of programs, as far as the kernel tells this process.
pub(super) fn name(attached: &mut [Attached]) {
    if attached.iter().all(|attached| attached.name.is_some()) {
        return;
    }
    let known = loaded_programs().filter_map(Result::ok);
    let names: HashMap<u32, String> =
        known.filter_map(|program| Some((program.id(), program.name_as_str()?.to_owned()))).collect();
    for attached in attached.iter_mut().filter(|attached| attached.name.is_none()) {
        attached.name = names.get(&attached.id).cloned();
    }
}
