//! What holds the program on an interface: a link that ends with this process, or one that is pinned and does not.

use std::error::Error;
use std::time::{Duration, Instant};
use std::{fs, io};

use aya::programs::links::{FdLink, LinkError, LinkType, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, qdisc_detach_program};
use aya::programs::{SchedClassifier, TcAttachType};

use super::error::{KernelError, system_error};
use super::interface::xdp_program;
use super::pin::{self, Pins};
use super::pin_fault::PinFault;
use super::programs::{Programs, TC};

/// What holds it.
#[derive(Debug)]
pub(super) enum Link {
    /// A link, and this process alone: dropped, it detaches.
    Held(FdLink),
    /// A link, and its pin: dropped, it stays.
    Pinned {
        /// The name of the pin.
        name: String,
        /// Tells, for as long as it is open, which link the pin is of.
        _link: FdLink,
    },
    /// A filter, which no link holds. It stays where it was let go.
    Filter {
        /// While this process takes it along.
        filter: Option<SchedClassifierLink>,
        /// Where it is.
        interface: String,
    },
}

impl Link {
    /// Lets it outlast this process, in place of what was pinned for the interface before.
    pub(super) fn pin(
        self,
        pins: &Pins,
        interface: &str,
        programs: &mut Programs,
    ) -> Result<Self, KernelError> {
        match self {
            Self::Held(link) => {
                let name = pin::link_of(interface);
                let pinned = pins.replace(&name, |path| link.pin(path).map_err(PinFault::from))?;
                Ok(Self::Pinned { name, _link: pinned.into() })
            }
            Self::Filter { filter, interface } => {
                let tc = programs.tc_mut()?;
                pins.replace(&pin::filter_of(&interface), |path| tc.pin(path).map_err(PinFault::from))?;
                // There is room for it beside: what was at another hook goes once this one is there.
                pins.remove(&pin::link_of(&interface))?;
                // Dropped, it would detach.
                std::mem::forget(filter);
                Ok(Self::Filter { filter: None, interface })
            }
            Self::Pinned { .. } => Ok(self),
        }
    }

    /// Takes the program off the interface, if that is still there.
    pub(super) fn release(self, pins: Option<&Pins>) -> Result<(), KernelError> {
        match self {
            Self::Held(_) | Self::Filter { filter: Some(_), .. } => Ok(()),
            Self::Pinned { name, .. } => {
                if let Some(pins) = pins {
                    pins.remove(&name)?;
                }
                Ok(())
            }
            Self::Filter { filter: None, interface } => remove_filter(&interface, pins),
        }
    }

    /// Whether it is a filter.
    pub(super) const fn is_filter(&self) -> bool {
        matches!(self, Self::Filter { .. })
    }
}

/// Takes our filter off an interface, if there is one, and forgets that there was.
pub(super) fn remove_filter(interface: &str, pins: Option<&Pins>) -> Result<(), KernelError> {
    // Absent is what it shall be, and where it cannot be looked for there is no clsact either.
    if let Err(error) = qdisc_detach_program(interface, TcAttachType::Ingress, TC)
        && let Some(io::ErrorKind::PermissionDenied) = system_error(&error).map(io::Error::kind)
    {
        return Err(KernelError::FilterStays { interface: interface.to_owned() });
    }
    if let Some(pins) = pins {
        pins.remove(&pin::filter_of(interface))?;
    }
    Ok(())
}

/// A link that was pinned before.
#[derive(Debug)]
pub(super) struct Found {
    link: FdLink,
    /// On which interface it is; nothing where that is gone.
    pub(super) index: Option<u32>,
    /// Whether it is one of XDP; else it is one at tc.
    pub(super) is_xdp: bool,
    /// Its program, by number.
    program: u32,
}

/// How long the kernel may take to detach what nothing holds any more. It does so some moments later, when all CPUs have
/// gone on.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether it has.
const A_MOMENT: Duration = Duration::from_millis(2);

impl Found {
    /// The link that is pinned for an interface.
    pub(super) fn look(pins: &Pins, interface: &str) -> Result<Option<Self>, KernelError> {
        let name = pin::link_of(interface);
        let fault = |error: &LinkError| {
            KernelError::from(PinFault::new("open", &pins.shown(&name), PinFault::system(error)))
        };
        let link: FdLink = match PinnedLink::from_pin(pins.of(&name)) {
            Ok(pinned) => pinned.into(),
            Err(error) => {
                let absent =
                    system_error(&error).is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
                return if absent { Ok(None) } else { Err(fault(&error)) };
            }
        };
        let info = link.info().map_err(|error| fault(&error))?;
        let is_xdp = matches!(info.link_type(), Ok(LinkType::Xdp));
        Ok(Some(Self { index: interface_of(info.id()), link, is_xdp, program: info.program_id() }))
    }

    /// Removes the pins of these, of the interfaces that are named with them, by `remove`; and waits until their programs
    /// are off.
    pub(super) fn take_off<E>(
        found: Vec<(String, Self)>,
        remove: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), KernelError>
    where
        KernelError: From<E>,
    {
        let places: Vec<_> = found
            .into_iter()
            .filter_map(|(interface, found)| Some((interface, found.index?, found.is_xdp, found.program)))
            .collect();
        remove()?;
        for (interface, index, is_xdp, program) in places {
            let until = Instant::now() + PATIENCE;
            while is_attached(&interface, index, is_xdp, program) {
                if Instant::now() > until {
                    return Err(KernelError::StillAttached { interface });
                }
                std::thread::sleep(A_MOMENT);
            }
        }
        Ok(())
    }

    /// Has the link run these programs from now on: each packet is seen by the program before or by this one. The kernel
    /// refuses where the interface is gone.
    pub(super) fn swap(self, programs: &mut Programs, interface: &str) -> Result<Link, KernelError> {
        let Self { link, is_xdp, .. } = self;
        let swapped = if is_xdp { swap_xdp(programs, link) } else { swap_tc(programs, link) };
        match swapped {
            Ok(link) => Ok(Link::Pinned { name: pin::link_of(interface), _link: link }),
            Err(source) => Err(KernelError::Swap { interface: interface.to_owned(), source }),
        }
    }
}

fn swap_xdp(programs: &mut Programs, link: FdLink) -> Result<FdLink, Box<dyn Error + Send + Sync>> {
    let xdp = programs.xdp_mut()?;
    let id = xdp.attach_to_link(link.try_into()?)?;
    Ok(xdp.take_link(id)?.try_into()?)
}

fn swap_tc(programs: &mut Programs, link: FdLink) -> Result<FdLink, Box<dyn Error + Send + Sync>> {
    let tc = programs.tc_mut()?;
    let id = tc.attach_to_link(link.try_into()?)?;
    Ok(tc.take_link(id)?.try_into()?)
}

/// Whether an interface has this program. Who may not ask hears that it has not.
fn is_attached(interface: &str, index: u32, is_xdp: bool, program: u32) -> bool {
    if is_xdp {
        return xdp_program(index).ok().flatten().is_some_and(|found| found.id == program);
    }
    SchedClassifier::query_tcx(interface, TcAttachType::Ingress)
        .is_ok_and(|(_, found)| found.iter().any(|found| found.id() == program))
}

/// On which interface a link is, of which this process has a descriptor: the kernel tells that in the descriptor's
/// `fdinfo` alone (`link_id:`, `ifindex:`), and without any privilege.
fn interface_of(link: u32) -> Option<u32> {
    let descriptors = fs::read_dir("/proc/self/fdinfo").ok()?;
    let texts = descriptors.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    texts.filter(|text| number(text, "link_id:") == Some(link)).find_map(|text| {
        match number(&text, "ifindex:") {
            Some(0) | None => None,
            index => index,
        }
    })
}

fn number(text: &str, field: &str) -> Option<u32> {
    text.lines().find_map(|line| line.strip_prefix(field)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_of_a_link_is_read() {
        let text = "pos:\t0\nflags:\t02000000\nmnt_id:\t15\nino:\t1067\nlink_type:\txdp\nlink_id:\t7\n\
                    prog_tag:\t3cc5a4ab06dc6ce4\nprog_id:\t64\nifindex:\t12\n";
        assert_eq!((number(text, "link_id:"), number(text, "ifindex:")), (Some(7), Some(12)));
        assert_eq!(number(text, "none:"), None);
    }
}
