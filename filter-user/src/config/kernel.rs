//! The kernel's part as it is configured: where its program is attached, what it looks at, what it does with whom, and what
//! outlasts the process. Loads nothing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use filter_common::Rate;

use super::error::ConfigError;
use super::given::Given;
use super::load::number;
use super::settings as s;

/// An enum of a few words, each written as in the settings.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All, in the order of their words.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The words.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// Its word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where in the kernel packets are looked at.
    Hook {
        /// The first that the interface has and that nobody else holds.
        #[default]
        Auto = "auto",
        /// In the driver, before the packet has a socket buffer.
        XdpNative = "xdp-native",
        /// By XDP in the network stack.
        XdpGeneric = "xdp-generic",
        /// In the network stack, beside other programs.
        Tc = "tc",
        /// Nowhere: this process enforces alone.
        None = "none",
    }
}

words! {
    /// What becomes of a blocked peer's packets.
    BlockAction {
        /// Nothing comes back.
        #[default]
        Drop = "drop",
        /// A TCP reset comes back.
        Reset = "reset",
        /// A connection is answered, and never served.
        Tarpit = "tarpit",
    }
}

words! {
    /// What the kernel's part logs of single packets.
    KernelLog {
        /// Nothing.
        #[default]
        Off = "off",
        /// What it could not do.
        Error = "error",
        /// What may be wrong.
        Warn = "warn",
        /// What it dropped.
        Info = "info",
        /// Each verdict.
        Debug = "debug",
        /// Each step.
        Trace = "trace",
    }
}

impl KernelLog {
    /// As aya-log numbers its levels: what is above is not logged, and 0 is nothing.
    #[must_use]
    pub const fn level(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Error => 1,
            Self::Warn => 2,
            Self::Info => 3,
            Self::Debug => 4,
            Self::Trace => 5,
        }
    }
}

/// The kernel's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPart {
    /// Where sanctions are enforced. `--interface`
    pub interfaces: Vec<String>,
    /// At which hook. `--hook`
    pub hook: Hook,
    /// Protected ports beside those of the listeners. `--protect`
    pub protect: Vec<u16>,
    /// Local addresses whose packets are looked at; all, where none is named. `--protect-address`
    pub protect_addresses: Vec<IpAddr>,
    /// What becomes of a blocked peer's packets. `--block-action`
    pub block_action: BlockAction,
    /// Resets and tarpit answers in all. `--reply-rate`
    pub reply_rate: Rate,
    /// New connections of any peer. `--syn-limit`
    syn_limit: Option<(u32, Duration)>,
    /// Those that may come at once. `--syn-limit-burst`
    syn_limit_burst: u32,
    /// Peers that are counted for it at once. `--syn-limit-peers`
    pub syn_limit_peers: usize,
    /// Blocked peers in a network beyond which it is limited; 0 never limits one. `--network-threshold`
    pub network_threshold: u32,
    /// New connections of a limited network. `--network-rate`, `--network-burst`
    pub network_rate: Rate,
    /// Authenticated peers that the kernel remembers at once. `--max-authenticated`
    pub max_authenticated: usize,
    /// How long use may prolong an authentication. `--authenticated-max`
    pub authenticated_max: Duration,
    /// Where the kernel's part is pinned, if anywhere. `--pin-directory`
    pub pins: Option<PathBuf>,
    /// What carries sanctions over a reboot. `--state-file`
    pub state_file: Option<PathBuf>,
    /// Whom the process becomes. `--user`
    pub user: Option<String>,
    /// What is logged of single packets. `--kernel-log`
    pub log: KernelLog,
}

impl KernelPart {
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        let (replies, reply_period) = given.value(&s::REPLY_RATE)?;
        let (connections, network_period) = given.value(&s::NETWORK_RATE)?;
        let protect = given.all(&s::PROTECT)?;
        Ok(Self {
            interfaces: given.all(&s::INTERFACE)?,
            hook: given.value(&s::HOOK)?,
            // The bounds in the table are those of a port.
            protect: protect.into_iter().filter_map(|port| u16::try_from(port).ok()).collect(),
            protect_addresses: given.all(&s::PROTECT_ADDRESS)?,
            block_action: given.value(&s::BLOCK_ACTION)?,
            // As many at once as in the whole time: it bounds what we send, and need not be even.
            reply_rate: Rate::new(replies, reply_period, replies),
            syn_limit: given.one(&s::SYN_LIMIT)?,
            syn_limit_burst: number(given, &s::SYN_LIMIT_BURST)?,
            syn_limit_peers: number(given, &s::SYN_LIMIT_PEERS)?,
            network_threshold: number(given, &s::NETWORK_THRESHOLD)?,
            network_rate: Rate::new(connections, network_period, number(given, &s::NETWORK_BURST)?),
            max_authenticated: number(given, &s::MAX_AUTHENTICATED)?,
            authenticated_max: given.value(&s::AUTHENTICATED_MAX)?,
            pins: given.value(&s::PIN_DIRECTORY)?,
            state_file: given.one(&s::STATE_FILE)?,
            user: given.one(&s::USER)?,
            log: given.value(&s::KERNEL_LOG)?,
        })
    }

    /// New connections of any one peer that is neither authenticated nor allowed.
    #[must_use]
    pub fn syn_limit(&self) -> Option<Rate> {
        self.syn_limit.map(|(events, period)| Rate::new(events, period, self.syn_limit_burst))
    }

    /// The ports that `relaygate policy` protects, which listens at none itself: SMTP's, where none is named.
    #[must_use]
    pub fn ports_of_mail_server(&self) -> Vec<u16> {
        if self.protect.is_empty() { vec![25] } else { self.protect.clone() }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let idle = match self.hook {
            Hook::None => Some("hook = none"),
            _ if self.interfaces.is_empty() => Some("no interface is set"),
            _ => None,
        };
        if let Some(idle) = idle {
            let wanted = [
                ("syn-limit", self.syn_limit.is_some()),
                ("block-action", self.block_action != BlockAction::Drop),
                ("protect-address", !self.protect_addresses.is_empty()),
            ];
            let without = wanted.iter().filter(|(_, wanted)| *wanted);
            warnings.extend(
                without.map(|(name, _)| {
                    format!("{name} is of no effect: only the kernel does that, and {idle}")
                }),
            );
        }
        if self.block_action == BlockAction::Tarpit {
            let tarpit = "block-action = tarpit: who forges the address of a blocked peer has this host answer that peer, \
                          as often as reply-rate allows; docs/kernel.md says what that risks";
            warnings.push(tarpit.to_owned());
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_what_it_says_and_each_level_is_above_the_last() {
        for hook in Hook::ALL {
            let at = Hook::WORDS.iter().position(|word| *word == hook.as_str());
            assert_eq!(at.and_then(|at| Hook::ALL.get(at)), Some(hook));
        }
        let levels: Vec<u32> = KernelLog::ALL.iter().map(|level| level.level()).collect();
        assert_eq!(levels, [0, 1, 2, 3, 4, 5]);
        assert_eq!((Hook::default(), BlockAction::default()), (Hook::Auto, BlockAction::Drop));
    }
}
