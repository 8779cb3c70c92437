//! Attaches the program to interfaces: natively where the driver can, else through the network stack.

use aya::programs::{ProgramError, Xdp, XdpMode};
use nix::net::if_::if_nametoindex;

use super::KernelError;
use super::error::system_error;

/// How the program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Native XDP: the driver runs it before the packet has a socket buffer.
    Native,
    /// Generic XDP: the network stack runs it, later and slower.
    Generic,
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Native => "native XDP",
            Self::Generic => "generic XDP",
        })
    }
}

/// Where the program is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The interface.
    pub interface: String,
    /// How.
    pub mode: Mode,
}

/// The indices of interfaces in this network namespace.
pub(super) fn resolve(interfaces: &[String]) -> Result<Vec<(String, u32)>, KernelError> {
    let mut resolved: Vec<(String, u32)> = Vec::with_capacity(interfaces.len());
    for interface in interfaces {
        let index = if_nametoindex(interface.as_str())
            .map_err(|_| KernelError::UnknownInterface { interface: interface.clone() })?;
        // Named twice, it is attached once.
        if resolved.iter().all(|(_, known)| *known != index) {
            resolved.push((interface.clone(), index));
        }
    }
    Ok(resolved)
}

/// Attaches to all. After an error the caller drops the program, and with it whatever was attached before.
pub(super) fn all(program: &mut Xdp, interfaces: &[(String, u32)]) -> Result<Vec<Attached>, KernelError> {
    interfaces
        .iter()
        .map(|(interface, index)| {
            let mode = one(program, interface, *index)?;
            Ok(Attached { interface: interface.clone(), mode })
        })
        .collect()
}

fn one(program: &mut Xdp, interface: &str, index: u32) -> Result<Mode, KernelError> {
    let Err(native) = program.attach_to_if_index(index, XdpMode::Driver) else { return Ok(Mode::Native) };
    match program.attach_to_if_index(index, XdpMode::Skb) {
        Ok(_) => {
            tracing::warn!(interface, reason = %explain(&native), "no native XDP here, attached through the network stack");
            Ok(Mode::Generic)
        }
        // A program in the other mode is told by EEXIST, one in the same mode by EBUSY.
        Err(generic) if is_taken(&native) || is_taken(&generic) => {
            Err(KernelError::InterfaceTaken { interface: interface.to_owned() })
        }
        Err(generic) => Err(KernelError::Attach {
            interface: interface.to_owned(),
            native: explain(&native),
            generic: Box::new(generic),
        }),
    }
}

fn explain(error: &ProgramError) -> String {
    system_error(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn is_taken(error: &ProgramError) -> bool {
    use nix::errno::Errno;
    let code = system_error(error).and_then(std::io::Error::raw_os_error);
    code.map(Errno::from_raw).is_some_and(|errno| matches!(errno, Errno::EBUSY | Errno::EEXIST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_interface_is_named_and_a_known_one_is_taken_once() {
        for unknown in ["nowhere0", "", "with\0nul", "far-too-long-for-an-interface"] {
            let error = resolve(&[unknown.to_owned()]).unwrap_err();
            assert!(
                matches!(&error, KernelError::UnknownInterface { interface } if interface == unknown),
                "{error}"
            );
        }
        assert_eq!(resolve(&["lo".to_owned(), "lo".to_owned()]).unwrap().len(), 1);
    }
}
