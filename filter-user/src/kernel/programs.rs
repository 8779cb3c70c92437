//! The two entry points of the kernel's part, however they were come by: loaded by this process, or pinned by one that
//! was allowed to load them.

use aya::Ebpf;
use aya::programs::{Program, ProgramError, SchedClassifier, Xdp};
use aya_obj::programs::XdpAttachType;

use super::KernelError;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::staged::Staged;

/// Its name in the object, and of its pin.
pub(super) const XDP: &str = "relaygate";
/// The same of the one for tc.
pub(super) const TC: &str = "relaygate_tc";

/// The entry points, verified by the kernel.
#[derive(Debug)]
pub(super) enum Programs {
    /// By this process.
    Loaded(Box<Ebpf>),
    /// By another.
    Pinned { xdp: Box<Xdp>, tc: Box<SchedClassifier> },
}

/// Has both verified. The maps that they name by their descriptors must still be in the object.
pub(super) fn verify(ebpf: &mut Ebpf) -> Result<(), KernelError> {
    for (name, program) in ebpf.programs_mut() {
        match program {
            Program::Xdp(xdp) => xdp.load().map_err(KernelError::verifier)?,
            Program::SchedClassifier(tc) => tc.load().map_err(KernelError::verifier)?,
            _ => tracing::warn!(name, "the object has a program that this build does not know"),
        }
    }
    Ok(())
}

/// Pins both, to take the places of those of an earlier process: so that who has no privilege can attach them.
pub(super) fn stage(ebpf: &mut Ebpf, staged: &Staged) -> Result<(), KernelError> {
    for (name, program) in ebpf.programs_mut() {
        staged.pin(name, |path| program.pin(path).map_err(PinFault::from))?;
    }
    Ok(())
}

impl Programs {
    /// Those that another process has pinned.
    pub(super) fn pinned(pins: &Pins) -> Result<Self, KernelError> {
        let fault =
            |name: &'static str| move |error: ProgramError| KernelError::not_pinned(pins.shown(name), error);
        Ok(Self::Pinned {
            xdp: Box::new(Xdp::from_pin(pins.of(XDP), XdpAttachType::Interface).map_err(fault(XDP))?),
            tc: Box::new(SchedClassifier::from_pin(pins.of(TC)).map_err(fault(TC))?),
        })
    }

    /// The entry point at XDP, to be asked about.
    pub(super) fn xdp(&self) -> Result<&Xdp, KernelError> {
        match self {
            Self::Loaded(ebpf) => of_kind(ebpf.program(XDP), XDP),
            Self::Pinned { xdp, .. } => Ok(xdp),
        }
    }

    /// The same, to be attached.
    pub(super) fn xdp_mut(&mut self) -> Result<&mut Xdp, KernelError> {
        match self {
            Self::Loaded(ebpf) => of_kind(ebpf.program_mut(XDP), XDP),
            Self::Pinned { xdp, .. } => Ok(xdp),
        }
    }

    /// The entry point at tc, to be asked about.
    pub(super) fn tc(&self) -> Result<&SchedClassifier, KernelError> {
        match self {
            Self::Loaded(ebpf) => of_kind(ebpf.program(TC), TC),
            Self::Pinned { tc, .. } => Ok(tc),
        }
    }

    /// The same, to be attached.
    pub(super) fn tc_mut(&mut self) -> Result<&mut SchedClassifier, KernelError> {
        match self {
            Self::Loaded(ebpf) => of_kind(ebpf.program_mut(TC), TC),
            Self::Pinned { tc, .. } => Ok(tc),
        }
    }
}

/// A program of the object, as the kind that its user expects.
fn of_kind<P, K: TryFrom<P, Error = ProgramError>>(
    program: Option<P>,
    name: &'static str,
) -> Result<K, KernelError> {
    program.ok_or(KernelError::Missing { name })?.try_into().map_err(KernelError::verifier)
}
