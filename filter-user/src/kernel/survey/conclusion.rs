//! Which hook `hook = auto` would take, from what is known of an interface. Asks nobody.

use serde::Serialize;

use super::drivers::{NativeXdp, Source};
use super::hooks::Attached;

/// The first kernel with TCX.
const TCX_SINCE: (u32, u32) = (6, 6);

/// Our programs, as the kernel names them.
const OURS: [&str; 2] = ["relaygate", "relaygate_tc"];

/// A packet in one page, which our program is written for, whatever the driver could: a page less headroom, room for the
/// kernel's own notes at the end, and the Ethernet header with a tag. Some drivers want to keep more.
const ONE_PAGE: u32 = 4096 - 256 - 320 - 18;
/// What the driver takes that wants to keep most.
const SURELY: u32 = 3000;

/// What follows for an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conclusion {
    /// The hook that would be taken, as `hook` names it; nothing where there is none.
    pub hook: Option<&'static str>,
    /// Why.
    pub reasons: Vec<String>,
}

impl Conclusion {
    pub(super) const fn nothing() -> Self {
        Self { hook: None, reasons: Vec::new() }
    }

    pub(super) fn of(
        native: &NativeXdp,
        attached: &[Attached],
        mtu: Option<u32>,
        kernel: Option<(u32, u32)>,
    ) -> Self {
        let is_ours =
            |attached: &&Attached| attached.name.as_deref().is_some_and(|name| OURS.contains(&name));
        let xdp = attached.iter().find(|attached| attached.place.is_xdp());
        if let Some(other) = xdp.filter(|xdp| !is_ours(xdp)) {
            return Self { hook: Some("tc"), reasons: vec![format!("XDP is taken ({other})"), tc(kernel)] };
        }
        let mut reasons: Vec<_> = attached
            .iter()
            .filter(is_ours)
            .map(|ours| format!("relaygate is there already ({ours})"))
            .collect();
        let by = match native.source {
            Source::Kernel => "as the kernel says",
            Source::DriverName => "by the driver's name",
        };
        let (hook, reason) = match native.supported {
            Some(true) if mtu.is_some_and(|mtu| mtu > ONE_PAGE) => (
                "xdp-generic",
                format!("the driver has native XDP ({by}), but not for so large an MTU: {ONE_PAGE} at most"),
            ),
            Some(true) => ("xdp-native", format!("the driver has native XDP ({by})")),
            Some(false) => ("xdp-generic", format!("the driver has no native XDP ({by})")),
            None => (
                "xdp-native",
                "whether the driver has native XDP is not known; else generic XDP is taken".to_owned(),
            ),
        };
        reasons.push(reason);
        if hook == "xdp-native" && mtu.is_some_and(|mtu| mtu > SURELY) {
            reasons
                .push(format!("some drivers take {SURELY} at most for the MTU; then generic XDP is taken"));
        }
        Self { hook: Some(hook), reasons }
    }
}

fn tc(kernel: Option<(u32, u32)>) -> String {
    match kernel.is_none_or(|kernel| kernel >= TCX_SINCE) {
        true => "tc stands beside it, by TCX".to_owned(),
        false => "tc stands beside it, by a filter of clsact".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::hooks::Place;
    use super::*;

    fn native(supported: Option<bool>, multi_buffer: Option<bool>) -> NativeXdp {
        NativeXdp { supported, multi_buffer, source: Source::Kernel }
    }

    fn program(place: Place, name: &str) -> Attached {
        Attached { place, id: 7, name: Some(name.to_owned()) }
    }

    #[test]
    fn the_hook_follows_from_driver_mtu_and_neighbours() {
        let (has, has_not) = (native(Some(true), Some(false)), native(Some(false), Some(false)));
        let several = native(Some(true), Some(true));
        let rows: [(&NativeXdp, Vec<Attached>, u32, &str, &str); 9] = [
            (&has, vec![], 1500, "xdp-native", "the driver has native XDP (as the kernel says)"),
            (&has_not, vec![], 1500, "xdp-generic", "the driver has no native XDP"),
            (&has, vec![], 9000, "xdp-generic", "not for so large an MTU: 3502 at most"),
            (&several, vec![], 9000, "xdp-generic", "not for so large an MTU"),
            (&has, vec![], 3200, "xdp-native", "some drivers take 3000 at most"),
            (&native(None, None), vec![], 1500, "xdp-native", "is not known"),
            (
                &has,
                vec![program(Place::XdpGeneric, "other")],
                1500,
                "tc",
                "XDP is taken (generic XDP: program 7, `other`)",
            ),
            (
                &has,
                vec![program(Place::XdpNative, "relaygate")],
                1500,
                "xdp-native",
                "relaygate is there already",
            ),
            (&has, vec![program(Place::Tcx, "other")], 1500, "xdp-native", "the driver has native XDP"),
        ];
        for (native, attached, mtu, hook, reason) in rows {
            let conclusion = Conclusion::of(native, &attached, Some(mtu), Some((6, 18)));
            assert_eq!(conclusion.hook, Some(hook), "{conclusion:?}");
            assert!(conclusion.reasons.iter().any(|said| said.contains(reason)), "{conclusion:?}");
        }
    }

    #[test]
    fn where_the_kernel_is_older_tc_is_a_filter() {
        let taken = [program(Place::XdpNative, "other")];
        for (kernel, by) in [(Some((6, 6)), "TCX"), (None, "TCX"), (Some((6, 5)), "clsact")] {
            let conclusion = Conclusion::of(&native(Some(true), None), &taken, Some(1500), kernel);
            assert!(conclusion.reasons[1].contains(by), "{conclusion:?}");
        }
    }
}
