//! The ladder of hooks: where on one interface the program is attached, and why not further up. What holds it there is
//! in `link`.

use std::error::Error;

use aya::programs::links::LinkOrder;
use aya::programs::tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle};
use aya::programs::{TcAttachType, XdpMode, tc};
use nix::errno::Errno;

use super::error::system_error;
use super::interface;
use super::link::Link;
use super::programs::Programs;
use crate::config::Hook;

/// How the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Native XDP: the driver runs it before the packet has a socket buffer.
    Native,
    /// Generic XDP: the network stack runs it, later and slower.
    Generic,
    /// By a link at tc's ingress, beside other programs, once the packet has a socket buffer.
    Tcx,
    /// The same as a filter of the qdisc `clsact`, before Linux 6.6.
    Clsact,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Native => "native XDP",
            Self::Generic => "generic XDP",
            Self::Tcx => "tc (TCX)",
            Self::Clsact => "tc (clsact)",
        })
    }
}

impl Mode {
    /// Its hook and how it is attached there, in a word each.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Native => ("xdp", "native"),
            Self::Generic => ("xdp", "generic"),
            Self::Tcx => ("tc", "tcx"),
            Self::Clsact => ("tc", "clsact"),
        }
    }

    /// Whether it holds the interface's only place for an XDP program.
    pub(super) const fn is_xdp(self) -> bool {
        matches!(self, Self::Native | Self::Generic)
    }
}

/// A step of the ladder that was tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Which.
    pub mode: Mode,
    /// Why it cannot be had.
    pub reason: String,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.mode, self.reason)
    }
}

/// Where our filter stands at `clsact`. Fixed, so that the next process finds it again: it cannot be pinned.
pub(super) const PRIORITY: u16 = 82;
const HANDLE: TcHandle = TcHandle::new(0, 1);

/// The steps, best first.
pub(super) const fn steps(hook: Hook) -> &'static [Mode] {
    match hook {
        Hook::Auto => &[Mode::Native, Mode::Generic, Mode::Tcx, Mode::Clsact],
        Hook::XdpNative => &[Mode::Native],
        Hook::XdpGeneric => &[Mode::Generic],
        Hook::Tc => &[Mode::Tcx, Mode::Clsact],
        Hook::None => &[],
    }
}

/// Attaches at the first of these steps that can be had. Those before it are noted with the reason.
pub(super) fn climb(
    programs: &mut Programs,
    steps: &[Mode],
    interface: &str,
    index: u32,
    passed_over: &mut Vec<PassedOver>,
) -> Option<(Mode, Link)> {
    for mode in steps.iter().copied() {
        let last = passed_over.last();
        // Who has taken the place of one kind of XDP has taken that of the other.
        let is_taken = last.is_some_and(|step| step.mode.is_xdp() && step.reason.starts_with(TAKEN));
        // Links at tc came with Linux 6.6; whoever has them has no need of the older way.
        let is_needless = mode == Mode::Clsact && last.is_some_and(|step| step.reason != NO_TCX);
        if mode.is_xdp() && is_taken || is_needless {
            continue;
        }
        match attach(programs, mode, interface, index) {
            Ok(link) => return Some((mode, link)),
            Err(reason) => passed_over.push(PassedOver { mode, reason }),
        }
    }
    None
}

/// How the reason begins where another program has the place.
const TAKEN: &str = "another XDP program has it";
const NO_TCX: &str = "this kernel has no links at tc (Linux 6.6 has)";

/// Attaches; or says why that cannot be done here.
fn attach(programs: &mut Programs, mode: Mode, interface: &str, index: u32) -> Result<Link, String> {
    match mode {
        Mode::Native => xdp(programs, index, XdpMode::Driver),
        Mode::Generic => xdp(programs, index, XdpMode::Skb),
        Mode::Tcx => tcx(programs, interface),
        Mode::Clsact => clsact(programs, interface),
    }
    .map_err(|error| explain(error.as_ref(), mode, index))
}

/// Why it was not attached: the object has no such program, or the kernel said no.
type Refusal = Box<dyn Error + Send + Sync>;

fn xdp(programs: &mut Programs, index: u32, mode: XdpMode) -> Result<Link, Refusal> {
    let xdp = programs.xdp_mut()?;
    let id = xdp.attach_to_if_index(index, mode)?;
    // Where links are not known aya attaches in another way, which ends with the process; dropping that detaches.
    Ok(Link::Held(xdp.take_link(id)?.try_into()?))
}

fn tcx(programs: &mut Programs, interface: &str) -> Result<Link, Refusal> {
    let tc = programs.tc_mut()?;
    // Before all others: what is dropped here is not to cost them anything.
    let order = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = tc.attach_with_options(interface, TcAttachType::Ingress, order)?;
    Ok(Link::Held(tc.take_link(id)?.try_into()?))
}

fn clsact(programs: &mut Programs, interface: &str) -> Result<Link, Refusal> {
    let program = programs.tc_mut()?;
    // It is there already where anybody else has a filter, or where we had one.
    let _ = tc::qdisc_add_clsact(interface);
    let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
    let attached =
        program.attach_with_options(interface, TcAttachType::Ingress, TcAttachOptions::Netlink(options));
    let id = match attached {
        // The filter of an earlier process: its program is replaced, and no packet comes between.
        Err(error) if errno(&error) == Some(Errno::EEXIST) => {
            let left =
                SchedClassifierLink::attached(interface, TcAttachType::Ingress, PRIORITY, HANDLE, None);
            program.attach_to_link(left?)?
        }
        attached => attached?,
    };
    Ok(Link::Filter { filter: Some(program.take_link(id)?), interface: interface.to_owned() })
}

fn explain(error: &(dyn Error + 'static), mode: Mode, index: u32) -> String {
    match errno(error) {
        // A program in the other mode is told by EEXIST, one in the same mode by EBUSY.
        Some(Errno::EBUSY | Errno::EEXIST) if mode.is_xdp() => match interface::owner(index) {
            Some(owner) => format!("{TAKEN}: {owner}"),
            None => TAKEN.to_owned(),
        },
        Some(Errno::EINVAL) if mode == Mode::Tcx => NO_TCX.to_owned(),
        Some(Errno::EOPNOTSUPP) if mode == Mode::Native => "its driver has none".to_owned(),
        Some(Errno::ERANGE) if mode == Mode::Native => "its MTU is too large for it".to_owned(),
        Some(Errno::EPERM) => "not permitted: CAP_NET_ADMIN is missing".to_owned(),
        _ => system_error(error).map_or_else(|| error.to_string(), ToString::to_string),
    }
}

fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    system_error(error).and_then(std::io::Error::raw_os_error).map(Errno::from_raw)
}

#[cfg(test)]
mod tests;
