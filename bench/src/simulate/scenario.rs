//! A scenario: groups of hosts, attackers and honest ones, and how each behaves, read from TOML. Draws nothing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use filter_user::peers::Strike;
use ipnet::IpNet;
use serde::Deserialize;

use super::amount::{Count, Time};

/// Hosts of a scenario, at most: as many as a simulation is meant for, and some.
pub(super) const MOST_HOSTS: u32 = 20_000_000;

/// Those that are part of this program, by their names.
pub(super) const SHIPPED: [(&str, &str); 6] = [
    ("botnet", include_str!("../../scenarios/simulate/botnet.toml")),
    ("hammer", include_str!("../../scenarios/simulate/hammer.toml")),
    ("low-and-slow", include_str!("../../scenarios/simulate/low-and-slow.toml")),
    ("rented-network", include_str!("../../scenarios/simulate/rented-network.toml")),
    ("monday-morning", include_str!("../../scenarios/simulate/monday-morning.toml")),
    ("day-of-attack", include_str!("../../scenarios/simulate/day-of-attack.toml")),
];

/// The scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scenario {
    /// What it is, in a sentence.
    pub(super) about: String,
    /// How long it goes on.
    pub(super) lasts: Time,
    /// Its groups.
    #[serde(rename = "group")]
    pub(super) groups: Vec<toml::Spanned<Group>>,
}

/// Hosts that behave alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Group {
    pub(super) name: String,
    /// How many.
    pub(super) hosts: u32,
    /// Where their addresses are drawn from; or else
    #[serde(default)]
    pub(super) networks: Vec<IpNet>,
    /// behind whose addresses they are: those of another group.
    pub(super) behind: Option<toml::Spanned<String>>,
    /// How many of them share an address.
    #[serde(default = "one")]
    pub(super) hosts_per_address: Count,
    /// When a host's first session is due.
    #[serde(default = "at_once")]
    pub(super) begins: Time,
    /// Sessions of a host; without it, until the scenario ends.
    pub(super) sessions: Option<Count>,
    /// The mean time from one session of a host to the next.
    pub(super) every: Time,
    /// What they are after.
    pub(super) conduct: Conduct,
}

/// What hosts are after.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Conduct {
    /// Strikes, sooner or later.
    Attack(Attack),
    /// Mail for local recipients, or of their own to relay.
    Honest(Honest),
}

/// How attackers go about it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Attack {
    /// Of which kind their offences are.
    #[serde(default)]
    pub(super) offence: Offence,
    /// How many in a session, where nobody ends it before.
    #[serde(default = "one")]
    pub(super) offences: Count,
    /// How often they send the SYN of a connection that nobody answers.
    #[serde(default = "three")]
    pub(super) syns: Count,
}

/// How honest hosts go about it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Honest {
    /// They log in.
    #[serde(default)]
    pub(super) authenticates: bool,
    /// The share of sessions in which a recipient is misspelt.
    #[serde(default)]
    pub(super) misspelt: Share,
    /// When they try again what they could not deliver.
    #[serde(default = "a_quarter_of_an_hour")]
    pub(super) retries: Time,
}

/// SYNs of an honest host's connection: the first and six more, as Linux has it.
pub(super) const HONEST_SYNS: u32 = 7;

fn one() -> Count {
    Count::of(1)
}

fn three() -> Count {
    Count::of(3)
}

fn at_once() -> Time {
    Time::of(Duration::ZERO)
}

fn a_quarter_of_an_hour() -> Time {
    Time::of(Duration::from_secs(900))
}

/// A kind of offence, by its name in relaygate's log with hyphens.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Offence(pub(super) Strike);

impl Default for Offence {
    fn default() -> Self {
        Self(Strike::RelayAttempt)
    }
}

impl TryFrom<String> for Offence {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let names = Strike::ALL.map(|kind| kind.name().replace('_', "-"));
        let found = Strike::of_name(&name.replace('-', "_"));
        found.map(Self).ok_or_else(|| format!("`{name}` is no offence; there are {}", names.join(", ")))
    }
}

/// From 0 to 1.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Share(pub(super) f64);

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&share) {
            Ok(Self(share))
        } else {
            Err("expected a share from 0 to 1".to_owned())
        }
    }
}

/// Why a scenario cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScenarioError {
    #[error("there is no scenario `{name}`, and no such file; there are {}", names())]
    Unknown { name: String },
    #[error("cannot read the scenario {}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the scenario {from} has a mistake: {error}")]
    Grammar { from: String, error: String },
    #[error("the scenario {from} has a mistake in line {line}, key `{key}`: {problem}")]
    Mistake { from: String, line: usize, key: &'static str, problem: String },
}

fn names() -> String {
    SHIPPED.map(|(name, _)| name).join(", ")
}

impl Scenario {
    /// A shipped one of this name, or that of a file.
    pub(super) fn find(name: &str) -> Result<Self, ScenarioError> {
        if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Self::read(name, text);
        }
        let path = Path::new(name);
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(name, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(ScenarioError::Unknown { name: name.to_owned() })
            }
            Err(source) => Err(ScenarioError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// `from`: what an error calls it.
    fn read(from: &str, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)
            .map_err(|error| ScenarioError::Grammar { from: from.to_owned(), error: error.to_string() })?;
        let mistake = |at: usize, key, problem: String| {
            let line =
                text.as_bytes()[..at.min(text.len())].iter().filter(|octet| **octet == b'\n').count() + 1;
            Err(ScenarioError::Mistake { from: from.to_owned(), line, key, problem })
        };
        if scenario.lasts.longest().is_zero() {
            return mistake(0, "lasts", "the scenario is over when it begins".to_owned());
        }
        let mut known = HashSet::new();
        for spanned in &scenario.groups {
            let (at, group) = (spanned.span().start, spanned.get_ref());
            if let Some(behind) = &group.behind
                && !known.contains(behind.get_ref().as_str())
            {
                let problem = format!("no group `{}` stands before this one", behind.get_ref());
                return mistake(behind.span().start, "behind", problem);
            }
            if group.networks.is_empty() == group.behind.is_none() {
                let problem = format!("group `{}` needs either `networks` or `behind`", group.name);
                return mistake(at, "networks", problem);
            }
            if group.hosts == 0 {
                return mistake(at, "hosts", format!("group `{}` has none", group.name));
            }
            if !known.insert(group.name.as_str()) {
                return mistake(at, "name", format!("there is another group `{}`", group.name));
            }
        }
        if scenario.hosts() > u64::from(MOST_HOSTS) {
            let problem = format!("{} hosts in all, and {MOST_HOSTS} at most", scenario.hosts());
            return mistake(0, "hosts", problem);
        }
        Ok(scenario)
    }

    /// All hosts.
    pub(super) fn hosts(&self) -> u64 {
        self.groups.iter().map(|group| u64::from(group.get_ref().hosts)).sum()
    }

    /// The same with so many hosts in all, every group in its proportion, none empty.
    pub(super) fn of_hosts(mut self, hosts: u32) -> Self {
        let all = self.hosts().max(1);
        for group in &mut self.groups {
            let group = group.get_mut();
            let share = u64::from(group.hosts) * u64::from(hosts) / all;
            group.hosts = u32::try_from(share).unwrap_or(u32::MAX).max(1);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "about = \"x\"\nlasts = \"1h\"\n\n[[group]]\nname = \"bots\"\nhosts = 10\nnetworks = [\"192.0.2.0/24\"]\n\
        every = \"1m\"\nconduct.attack = { offences = 2 }\n";

    #[test]
    fn what_is_shipped_can_be_read_and_says_what_it_is() {
        for (name, _) in SHIPPED {
            let scenario = Scenario::find(name).unwrap_or_else(|error| panic!("{error}"));
            assert!(!scenario.about.is_empty() && scenario.hosts() > 0, "{name}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_key() {
        Scenario::read("it", GOOD).unwrap();
        let rows = [
            ("hosts = 10", "hosts = \"ten\"", ["line 6", "hosts"]),
            ("hosts = 10", "hots = 10", ["line 6", "hots"]),
            ("hosts = 10", "hosts = 0", ["line 4", "hosts"]),
            ("hosts = 10", "hosts = 4_000_000_000", ["4000000000", "hosts"]),
            ("every = \"1m\"", "every = \"soon\"", ["line 8", "every"]),
            ("lasts = \"1h\"", "lasts = \"0s\"", ["line 1", "lasts"]),
            ("networks = [\"192.0.2.0/24\"]", "", ["line 4", "networks"]),
            ("networks = [\"192.0.2.0/24\"]", "networks = [\"192.0.2.0/44\"]", ["line 7", "networks"]),
            ("networks = [\"192.0.2.0/24\"]", "behind = \"others\"", ["line 7", "`behind`"]),
            ("{ offences = 2 }", "{ offence = \"rudeness\" }", ["line 9", "unknown-recipient"]),
            (
                "conduct.attack = { offences = 2 }",
                "conduct.honest = { misspelt = 2.0 }",
                ["line 9", "from 0 to 1"],
            ),
            ("[[group]]", "[[group]]]", ["line 4", "[[group]]]"]),
        ];
        for (right, wrong, expected) in rows {
            let error = Scenario::read("it", &GOOD.replace(right, wrong)).unwrap_err().to_string();
            assert!(expected.iter().all(|part| error.contains(part)), "{wrong}: {error}");
        }
        let twice = format!("{GOOD}{}", &GOOD[GOOD.find("[[").unwrap()..]);
        assert!(Scenario::read("it", &twice).unwrap_err().to_string().contains("line 10, key `name`"));
    }

    #[test]
    fn a_scenario_that_is_nowhere_is_told_with_those_that_are() {
        let error = Scenario::find("tuesday").unwrap_err().to_string();
        assert!(error.contains("`tuesday`") && error.contains("monday-morning"), "{error}");
    }

    #[test]
    fn groups_keep_their_proportion_and_none_is_empty() {
        let scenario = Scenario::find("day-of-attack").unwrap().of_hosts(1_000);
        let hosts: Vec<u32> = scenario.groups.iter().map(|group| group.get_ref().hosts).collect();
        assert_eq!(hosts, [800, 20, 5, 25, 50, 100]);
        assert!(scenario.of_hosts(1).groups.iter().all(|group| group.get_ref().hosts == 1));
    }
}
