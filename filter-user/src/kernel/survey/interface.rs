//! One interface: what it is, what is on it, and what follows.

use nix::net::if_::if_nametoindex;
use serde::Serialize;

use super::conclusion::Conclusion;
use super::drivers::{NativeXdp, native_xdp};
use super::hooks::{self, Attached};
use super::link;

/// What was found of an interface.
#[derive(Clone, Debug, Serialize)]
pub struct InterfaceSurvey {
    /// Its name, as it was given.
    pub name: String,
    /// Why nothing else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What kind of virtual interface it is, or the driver of its hardware.
    pub driver: Option<String>,
    /// Octets of the largest packet.
    pub mtu: Option<u32>,
    /// What its driver can.
    pub native_xdp: Option<NativeXdp>,
    /// Programs where packets come in.
    pub attached: Vec<Attached>,
    /// Whether programs at TCX could be asked for.
    pub tcx_is_known: bool,
    /// Which hook would be taken, and why.
    pub conclusion: Conclusion,
}

impl InterfaceSurvey {
    pub(super) fn of(interface: &str, kernel: Option<(u32, u32)>) -> Self {
        let asked = if_nametoindex(interface)
            .map_err(|_| {
                "there is no such interface in this network namespace (`ip link` lists them)".to_owned()
            })
            .and_then(|index| Ok((index, link::ask(index).map_err(|error| error.to_string())?)));
        let (index, mut link) = match asked {
            Ok(found) => found,
            Err(fault) => return Self::unknown(interface, fault),
        };
        let tcx = hooks::tcx(interface);
        let tcx_is_known = tcx.is_some();
        link.attached.extend(tcx.unwrap_or_default());
        hooks::name(&mut link.attached);
        let native = native_xdp(index, link.driver.as_deref());
        let conclusion = Conclusion::of(&native, &link.attached, link.mtu, kernel);
        Self {
            name: interface.to_owned(),
            fault: None,
            driver: link.driver,
            mtu: link.mtu,
            native_xdp: Some(native),
            attached: link.attached,
            tcx_is_known,
            conclusion,
        }
    }

    fn unknown(interface: &str, fault: String) -> Self {
        Self {
            name: interface.to_owned(),
            fault: Some(fault),
            driver: None,
            mtu: None,
            native_xdp: None,
            attached: Vec::new(),
            tcx_is_known: false,
            conclusion: Conclusion::nothing(),
        }
    }

    /// Whether some hook of it can be had.
    #[must_use]
    pub fn can_enforce(&self) -> bool {
        self.fault.is_none()
    }
}
