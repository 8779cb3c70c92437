//! Whether a driver has native XDP: as the kernel says of the interface, or, where it is too old to, as is known of drivers by
//! their names.

use std::fs;

use netlink_bindings::netdev;
use netlink_socket2::NetlinkSocket;
use serde::Serialize;

/// Native XDP of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NativeXdp {
    /// Whether its driver has it; nothing where nobody knows.
    pub supported: Option<bool>,
    /// Whether a packet may be larger than one page.
    pub multi_buffer: Option<bool>,
    /// Who says so.
    pub source: Source,
}

/// Where the knowledge is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The kernel, asked about this interface (netdev, 6.3).
    Kernel,
    /// A list of drivers.
    DriverName,
}

/// Bits of `xdp-features` (linux/netdev.h): aborts, drops and passes; packets of several pages.
const BASIC: u64 = 1;
const SEVERAL_PAGES: u64 = 1 << 5;

/// Drivers of Linux that have had native XDP before they could be asked.
const KNOWN: [&str; 33] = [
    "atlantic",
    "bnxt_en",
    "bond",
    "cpsw",
    "dpaa2-eth",
    "ena",
    "fsl_dpa",
    "fsl_enetc",
    "gve",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mana",
    "mlx4_core",
    "mlx5_core",
    "mvneta",
    "mvpp2",
    "netsec",
    "netvsc",
    "nfp",
    "nicvf",
    "qede",
    "sfc",
    "stmmac",
    "tun",
    "veth",
    "virtio_net",
    "vmxnet3",
    "xen-netfront",
];

/// Asks the kernel, and if it does not know, the list.
pub(super) fn native_xdp(index: u32, driver: Option<&str>) -> NativeXdp {
    features(index).map_or_else(|| by_name(driver), of_features)
}

fn of_features(features: u64) -> NativeXdp {
    NativeXdp {
        supported: Some(features & BASIC != 0),
        multi_buffer: Some(features & SEVERAL_PAGES != 0),
        source: Source::Kernel,
    }
}

fn by_name(driver: Option<&str>) -> NativeXdp {
    // A driver that is not on the list may have learnt it.
    let supported = driver.and_then(|driver| KNOWN.contains(&driver).then_some(true));
    NativeXdp { supported, multi_buffer: None, source: Source::DriverName }
}

/// What the kernel says of an interface; nothing where it does not know the question.
fn features(index: u32) -> Option<u64> {
    let mut request = netdev::Request::new().op_dev_get_do();
    request.encode().push_ifindex(index);
    let mut socket = NetlinkSocket::new();
    let mut replies = socket.request(&request).ok()?;
    replies.recv_one().ok()?.get_xdp_features().ok()
}

/// The driver of a device that has hardware, as the bus knows it.
pub(super) fn of_device(bus: &str, device: &str) -> Option<String> {
    let is_name = |name: &str| !name.is_empty() && !name.contains('/') && name != "..";
    if !is_name(bus) || !is_name(device) {
        return None;
    }
    let link = fs::read_link(format!("/sys/bus/{bus}/devices/{device}/driver")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_word_is_a_set_of_bits_and_the_list_knows_no_no() {
        let says = |native: NativeXdp| (native.supported, native.multi_buffer);
        assert_eq!(says(of_features(0)), (Some(false), Some(false)));
        assert_eq!(says(of_features(BASIC)), (Some(true), Some(false)));
        assert_eq!(says(of_features(BASIC | SEVERAL_PAGES)), (Some(true), Some(true)));
        assert_eq!(says(by_name(Some("ixgbe"))), (Some(true), None));
        assert_eq!(says(by_name(Some("r8169"))), (None, None));
        assert_eq!(says(by_name(None)), (None, None));
    }

    #[test]
    fn the_list_is_in_order_and_no_path_leads_out_of_the_bus() {
        assert!(KNOWN.is_sorted());
        for (bus, device) in [("pci", "../../x"), ("..", "x"), ("", "x"), ("pci", "")] {
            assert_eq!(of_device(bus, device), None);
        }
    }
}
