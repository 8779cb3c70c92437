//! Settings: what the kernel does with packets: where its program is attached, what it looks at, what it does with whom,
//! and what outlasts the process.

use std::time::Duration;

use super::{YEAR, count, time};
use crate::config::kind::{Choice, Count, File, Interface, OwnAddress, PerTime, PinFolder, SystemUser, Time};
use crate::config::setting::DefaultValue::{FoundOut, Is, Nothing};
use crate::config::{BlockAction, Hook, KernelLog};

settings! { "The kernel's part":
    INTERFACE: Interface = "interface" many, Nothing, Interface,
        "A network interface where the kernel enforces the sanctions. Without one, or where the kernel cannot, they are enforced when a connection is accepted.";
    HOOK: Choice<Hook> = "hook", Is("auto"),
        Choice { placeholder: "HOOK", words: Hook::WORDS, values: Hook::ALL },
        "Where in the kernel packets are looked at. In the driver (`xdp-native`), before the network stack (`xdp-generic`), in the network stack beside other programs (`tc`), the first of these that each interface has and that nobody else holds (`auto`), or not in the kernel at all (`none`).";
    PROTECT: Count = "protect" many, FoundOut("25 for `relaygate policy`; for `relaygate run` none beside the ports where it listens"), count("a TCP port", 1, 65_535),
        "A port where the kernel enforces the sanctions. `relaygate run` protects the ports where it listens, and these beside them; `relaygate policy`, which does not listen, these alone.";
    PROTECT_ADDRESS: OwnAddress = "protect-address" many, FoundOut("all of this host"), OwnAddress,
        "An address of this host whose packets the kernel looks at. With one or more, those to other addresses pass, also to protected ports.";
    BLOCK_ACTION: Choice<BlockAction> = "block-action", Is("drop"),
        Choice { placeholder: "ACTION", words: BlockAction::WORDS, values: BlockAction::ALL },
        "What the kernel does with packets of a blocked peer. Nothing comes back (`drop`), a TCP reset does, so that an honest sender gives up at once (`reset`), or connections are answered and never served, which holds a spammer for minutes (`tarpit`). docs/kernel.md says what an answer to a forged address can cause.";
    REPLY_RATE: PerTime = "reply-rate", Is("1000/s"), PerTime { of: "replies" },
        "Resets and tarpit answers that the kernel sends in all. Beyond them packets of blocked peers are dropped without one.";
    SYN_LIMIT: PerTime = "syn-limit", Nothing, PerTime { of: "connections" },
        "New connections that the kernel lets through of any one peer that is neither authenticated nor allowed. Without it, sanctioned peers alone are limited.";
    SYN_LIMIT_BURST: Count = "syn-limit-burst", Is("50"), count("connections", 1, 1_000_000),
        "New connections that may come at once under syn-limit.";
    SYN_LIMIT_PEERS: Count = "syn-limit-peers", Is("65536"), count("peers", 64, 16_777_216),
        "Peers that syn-limit counts at once. When there are more, those that were quiet for longest begin anew; no sanction is forgotten by it.";
    NETWORK_THRESHOLD: Count = "network-threshold", Is("32"), count("peers", 0, 65_536),
        "Blocked peers in one network, an IPv4 /24 or an IPv6 /48, beyond which all of that network is limited. Its authenticated and allowed hosts are not. 0 never limits a network.";
    NETWORK_RATE: PerTime = "network-rate", Is("60/m"), PerTime { of: "connections" },
        "New connections of a limited network.";
    NETWORK_BURST: Count = "network-burst", Is("10"), count("connections", 1, 1_000_000),
        "New connections of a limited network that may come at once.";
    MAX_AUTHENTICATED: Count = "max-authenticated", Is("65536"), count("peers", 64, 16_777_216),
        "Authenticated peers that the kernel remembers at once. When there are more, those whose time is over first are forgotten.";
    AUTHENTICATED_MAX: Time = "authenticated-max", Is("24h"), time(Duration::from_secs(1), YEAR),
        "How long use may prolong an authentication in the kernel. After that the host has to authenticate again to be exempt from sanctions.";
    PIN_DIRECTORY: PinFolder = "pin-directory", Is("/sys/fs/bpf/relaygate"), PinFolder,
        "A folder on a BPF file system, where the kernel's part is pinned so that it goes on when relaygate has ended, and the next relaygate takes it over. `none` lets it end with the process.";
    STATE_FILE: File = "state-file", Nothing, File,
        "A file that carries sanctions, and what was allowed by `relaygate peers`, over a reboot.";
    USER: SystemUser = "user", Nothing, SystemUser,
        "Whom relaygate becomes when it has opened what needs privilege. Without it, it stays who it is; it drops all capabilities in either case, and reads its files as whom it is then.";
    KERNEL_LOG: Choice<KernelLog> = "kernel-log", Is("off"),
        Choice { placeholder: "LEVEL", words: KernelLog::WORDS, values: KernelLog::ALL },
        "What the kernel's part logs of single packets. For a few packets by hand, never under an attack; `off` costs nothing.";
}
