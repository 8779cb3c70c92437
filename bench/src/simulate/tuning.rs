//! The tuning flags that a simulation takes: relaygate's own by their names, bounds and defaults, as one table from which
//! the arguments are made and `--sweep` is read.

use std::time::Duration;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use filter_common::{PrefixLengths, Rate};
use filter_user::peers::{Ladder, Weights};

/// The settings of a relaygate in virtual time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tuning {
    pub(super) ladder: Ladder,
    pub(super) weights: Weights,
    pub(super) prefixes: PrefixLengths,
    pub(super) max_peers: usize,
    pub(super) authenticated_for: Duration,
    pub(super) network_threshold: u32,
    /// Whether the kernel enforces, or this process alone, when it accepts.
    pub(super) in_kernel: bool,
    limit: Pace,
    network: Pace,
}

/// A rate and its burst, which are two flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    events: u32,
    period: Duration,
    burst: u32,
}

impl Pace {
    fn rate(self) -> Rate {
        Rate::new(self.events, self.period, self.burst)
    }
}

/// One flag.
pub(super) struct Flag {
    /// Its name, relaygate's.
    pub(super) name: &'static str,
    /// Its default, relaygate's.
    pub(super) default: &'static str,
    help: &'static str,
    set: fn(&mut Tuning, &str) -> Option<()>,
    expected: &'static str,
}

const NUMBER: &str = "a number within the bounds that docs/configuration.md gives";
const TIME: &str = "a time with its unit, such as 5s, 10m or 24h, up to a year";
const RATE: &str = "a rate such as 2/s, 6/m, 100/h or 500/d";

/// All of them.
pub(super) const FLAGS: [Flag; 20] = [
    flag("strikes-to-limit", "3", "Strikes that limit a peer", NUMBER, |t, text| {
        number(text, 1, 1_000_000).map(|n| t.ladder.to_limit = n)
    }),
    flag("strikes-to-block", "10", "Strikes that block a peer", NUMBER, |t, text| {
        number(text, 1, 1_000_000).map(|n| t.ladder.to_block = n)
    }),
    flag("strike-decay", "10m", "Time in which one strike leaks away", TIME, |t, text| {
        time(text).map(|time| t.ladder.decay = time)
    }),
    flag("block-for", "5m", "How long the first block is", TIME, |t, text| {
        time(text).map(|time| t.ladder.block_for = time)
    }),
    flag("block-max", "24h", "How long a block is at most", TIME, |t, text| {
        time(text).map(|time| t.ladder.block_max = time)
    }),
    flag("limit-rate", "6/m", "New connections of a limited peer", RATE, |t, text| {
        rate(text).map(|rate| (t.limit.events, t.limit.period) = rate)
    }),
    flag("limit-burst", "1", "New connections of a limited peer at once", NUMBER, |t, text| {
        number(text, 1, 10_000).map(|n| t.limit.burst = n)
    }),
    flag("peer-prefix-ipv4", "32", "Leading bits of an IPv4 address that are one peer", NUMBER, |t, text| {
        number(text, 8, 32).map(|n| t.prefixes.ipv4 = n as u8)
    }),
    flag("peer-prefix-ipv6", "64", "Leading bits of an IPv6 address that are one peer", NUMBER, |t, text| {
        number(text, 16, 128).map(|n| t.prefixes.ipv6 = n as u8)
    }),
    flag("max-peers", "262144", "Peers that are remembered at once", NUMBER, |t, text| {
        number(text, 64, 16_777_216).map(|n| t.max_peers = n as usize)
    }),
    flag(
        "network-threshold",
        "32",
        "Blocked peers beyond which their network is limited; 0: never",
        NUMBER,
        |t, text| number(text, 0, 65_536).map(|n| t.network_threshold = n),
    ),
    flag("network-rate", "60/m", "New connections of a limited network", RATE, |t, text| {
        rate(text).map(|rate| (t.network.events, t.network.period) = rate)
    }),
    flag("network-burst", "10", "New connections of a limited network at once", NUMBER, |t, text| {
        number(text, 1, 1_000_000).map(|n| t.network.burst = n)
    }),
    flag("authenticated-for", "1h", "How long a host counts as authenticated", TIME, |t, text| {
        time(text).map(|time| t.authenticated_for = time)
    }),
    flag("strike-weight-relay-attempt", "1", "Strikes for a relay attempt", NUMBER, |t, text| {
        number(text, 0, 1000).map(|n| t.weights.relay_attempt = n)
    }),
    flag("strike-weight-disguised-relay-attempt", "1", "Strikes for a disguised one", NUMBER, |t, text| {
        number(text, 0, 1000).map(|n| t.weights.disguised_relay_attempt = n)
    }),
    flag("strike-weight-unknown-recipient", "1", "Strikes for an unknown recipient", NUMBER, |t, text| {
        number(text, 0, 1000).map(|n| t.weights.unknown_recipient = n)
    }),
    flag("strike-weight-failed-auth", "1", "Strikes for a failed AUTH", NUMBER, |t, text| {
        number(text, 0, 1000).map(|n| t.weights.failed_auth = n)
    }),
    flag("strike-weight-protocol-abuse", "1", "Strikes for protocol abuse", NUMBER, |t, text| {
        number(text, 0, 1000).map(|n| t.weights.protocol_abuse = n)
    }),
    flag("hook", "auto", "`none`: sanctions are enforced at accept, not in the kernel", "auto or none", {
        |t, text| {
            t.in_kernel = match text {
                "auto" => true,
                "none" => false,
                _ => return None,
            };
            Some(())
        }
    }),
];

const fn flag(
    name: &'static str,
    default: &'static str,
    help: &'static str,
    expected: &'static str,
    set: fn(&mut Tuning, &str) -> Option<()>,
) -> Flag {
    Flag { name, default, help, set, expected }
}

fn number(text: &str, from: u32, to: u32) -> Option<u32> {
    text.parse().ok().filter(|number| (from..=to).contains(number))
}

fn time(text: &str) -> Option<Duration> {
    let bounds = Duration::from_millis(1)..=Duration::from_secs(365 * 86_400);
    humantime::parse_duration(text).ok().filter(|time| bounds.contains(time))
}

fn rate(text: &str) -> Option<(u32, Duration)> {
    let (events, period) = text.split_once('/')?;
    let seconds = match period {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    Some((number(events, 1, 1_000_000)?, Duration::from_secs(seconds)))
}

impl Tuning {
    /// New connections of a limited peer.
    pub(super) fn limit(&self) -> Rate {
        self.limit.rate()
    }

    /// New connections of a limited network.
    pub(super) fn network(&self) -> Rate {
        self.network.rate()
    }

    /// Gives one flag another value.
    ///
    /// # Errors
    ///
    /// Says which flag, what it got and what it takes.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let flag = FLAGS.iter().find(|flag| flag.name == name);
        let flag = flag.ok_or_else(|| {
            let names: Vec<_> = FLAGS.iter().map(|flag| flag.name).collect();
            format!("there is no tuning flag {name}; there are {}", names.join(", "))
        })?;
        (flag.set)(self, value).ok_or_else(|| format!("--{name} takes {}, not `{value}`", flag.expected))
    }

    /// What cannot be, although each flag for itself could.
    ///
    /// # Errors
    ///
    /// Names both flags.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.ladder.to_limit > self.ladder.to_block {
            return Err(
                "--strikes-to-limit is above --strikes-to-block: nobody would ever be limited".to_owned()
            );
        }
        if self.ladder.block_for > self.ladder.block_max {
            return Err("--block-for is longer than --block-max".to_owned());
        }
        Ok(())
    }
}

impl Default for Tuning {
    fn default() -> Self {
        let pace = Pace { events: 1, period: Duration::from_secs(1), burst: 1 };
        let (unset, time) = (0, Duration::ZERO);
        let mut tuning = Self {
            ladder: Ladder {
                to_limit: unset,
                to_block: unset,
                decay: time,
                block_for: time,
                block_max: time,
            },
            weights: Weights::default(),
            prefixes: PrefixLengths::default(),
            max_peers: 0,
            authenticated_for: time,
            network_threshold: unset,
            in_kernel: true,
            limit: pace,
            network: pace,
        };
        // A default that its own flag refuses stays unset, and a test fails.
        for flag in &FLAGS {
            let _ = (flag.set)(&mut tuning, flag.default);
        }
        tuning
    }
}

impl Args for Tuning {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, flag| {
            let help = format!("{} [default: {}]", flag.help, flag.default);
            let argument = Arg::new(flag.name).long(flag.name).value_name("VALUE").help(help);
            command.arg(argument.help_heading("relaygate's settings"))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Tuning {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut tuning = Self::default();
        tuning.update_from_arg_matches(matches)?;
        Ok(tuning)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for flag in &FLAGS {
            if let Some(value) = matches.get_one::<String>(flag.name) {
                let refused =
                    |error: String| clap::Error::raw(clap::error::ErrorKind::InvalidValue, error + "\n");
                self.set(flag.name, value).map_err(refused)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_relaygate_s_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        let documentation = std::fs::read_to_string(path).unwrap();
        for Flag { name, default, .. } in &FLAGS {
            let (_, after) = documentation
                .split_once(&format!("### `{name}`"))
                .unwrap_or_else(|| panic!("{name} is no setting of relaygate"));
            let section = after.split("###").next().unwrap();
            assert!(section.contains(&format!("`{default}`")), "{name}: {section}");
        }
    }

    #[test]
    fn every_flag_takes_its_default_and_says_what_else_it_takes() {
        for flag in &FLAGS {
            let mut tuning = Tuning::default();
            tuning.set(flag.name, flag.default).unwrap();
            assert_eq!(tuning, Tuning::default(), "{}", flag.name);
            let error = tuning.set(flag.name, "many").unwrap_err();
            assert!(error.contains(flag.name) && error.contains("`many`"), "{error}");
        }
        assert!(Tuning::default().set("strikes", "3").unwrap_err().contains("strikes-to-limit"));
        assert_eq!(Tuning::default().check(), Ok(()));
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for (flag, value) in [("strikes-to-limit", "11"), ("block-max", "4m")] {
            let mut tuning = Tuning::default();
            tuning.set(flag, value).unwrap();
            assert!(tuning.check().unwrap_err().contains(flag));
        }
    }
}
