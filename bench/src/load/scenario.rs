//! A scenario: who comes, how often, and what they do, as a TOML file says it. Sends nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::value::{Rate, Span, Within};

/// The scenarios that are built in: name and text.
const SHIPPED: [(&str, &str); 4] = [
    ("botnet", include_str!("../../scenarios/botnet.toml")),
    ("one-host", include_str!("../../scenarios/one-host.toml")),
    ("low-and-slow", include_str!("../../scenarios/low-and-slow.toml")),
    ("monday", include_str!("../../scenarios/monday.toml")),
];

/// A file past this is none of ours.
const LONGEST_FILE: u64 = 1 << 20;

/// Sessions in all, or of one kind.
pub(super) type Sessions = Within<1, 100_000_000>;
/// Sessions at once: what one address has ports for, and a process descriptors, is less or not much more.
pub(super) type AtOnce = Within<1, 500_000>;
type Hosts = Within<1, 10_000_000>;
type Share = Within<1, 1_000_000>;
type Recipients = Within<1, 10_000>;
/// Octets of a message.
type Octets = Within<0, 67_108_864>;

/// A scenario. Each list is of people who do the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scenario {
    /// What it is like, in one line.
    pub(super) about: String,
    /// Sessions in all.
    pub(super) sessions: Sessions,
    /// Sessions a second, whether the server keeps up or not.
    pub(super) rate: Option<Spanned<Rate>>,
    /// Sessions at once, each begun when another has ended.
    pub(super) connections: Option<Spanned<AtOnce>>,
    /// How sessions that come at a rate follow one another.
    #[serde(default)]
    pub(super) arrivals: Arrivals,
    /// Sessions at once, at most, where they come at a rate.
    #[serde(default = "at_once")]
    pub(super) at_once: AtOnce,
    /// For a session that makes no progress.
    #[serde(default = "patience")]
    pub(super) patience: Span,
    /// For the whole run.
    #[serde(default = "at_most")]
    pub(super) at_most: Span,
    /// Whether sessions are encrypted.
    #[serde(default)]
    pub(super) tls: Tls,
    /// Mail for a recipient who exists.
    #[serde(default)]
    pub(super) honest: Vec<Honest>,
    /// Attempts to relay: recipients elsewhere.
    #[serde(default)]
    pub(super) relay: Vec<Asking>,
    /// Guesses at recipients here, none twice.
    #[serde(default)]
    pub(super) harvest: Vec<Asking>,
    /// Attempts to relay that are said before the banner, all of them.
    #[serde(default)]
    pub(super) early: Vec<Early>,
    /// Connections on which nothing is said.
    #[serde(default)]
    pub(super) flood: Vec<Flood>,
}

fn at_once() -> AtOnce {
    Within(2_000)
}

fn patience() -> Span {
    Span(std::time::Duration::from_secs(10))
}

fn at_most() -> Span {
    Span(std::time::Duration::from_secs(120))
}

/// How sessions follow one another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Arrivals {
    /// As people who know nothing of one another do (a Poisson process).
    #[default]
    Random,
    /// At equal distances.
    Steady,
}

/// Whether sessions are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tls {
    /// In the clear.
    #[default]
    Off,
    /// By STARTTLS, after the first EHLO.
    Starttls,
    /// From the first octet.
    Implicit,
}

/// Who they are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// How many hosts; they come one after the other, and then again.
    #[serde(default = "one_host")]
    pub(super) hosts: Hosts,
    /// How often each comes; until the scenario is over, where it is not said.
    pub(super) tries: Option<Sessions>,
    /// The networks whose addresses they have; where none is given, the kernel chooses.
    #[serde(default)]
    pub(super) networks: Vec<IpNet>,
}

fn one_host() -> Hosts {
    Within(1)
}

impl Default for From {
    fn default() -> Self {
        Self { hosts: one_host(), tries: None, networks: Vec::new() }
    }
}

fn one_share() -> Share {
    Within(1)
}

fn one_recipient() -> Recipients {
    Within(1)
}

fn no_time() -> Span {
    Span(std::time::Duration::ZERO)
}

/// Who has mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Honest {
    #[serde(default = "one_share")]
    pub(super) share: Share,
    #[serde(default)]
    pub(super) from: From,
    /// Before each step.
    #[serde(default = "no_time")]
    pub(super) pause: Span,
    #[serde(default = "usual_sizes")]
    pub(super) sizes: Vec<Size>,
}

/// Messages of one size.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Size {
    pub(super) octets: Octets,
    #[serde(default = "one_share")]
    pub(super) share: Share,
}

fn usual_sizes() -> Vec<Size> {
    vec![Size { octets: Within(4_000), share: Within(1) }]
}

/// Recipients who are to be refused.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    #[serde(default = "one_share")]
    pub(super) share: Share,
    #[serde(default)]
    pub(super) from: From,
    /// Before each step.
    #[serde(default = "no_time")]
    pub(super) pause: Span,
    /// Everything behind EHLO in one write.
    #[serde(default)]
    pub(super) pipelined: bool,
    /// Recipients in each session.
    #[serde(default = "one_recipient")]
    pub(super) recipients: Recipients,
}

/// Who talks too early.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Early {
    #[serde(default = "one_share")]
    pub(super) share: Share,
    #[serde(default)]
    pub(super) from: From,
}

/// Who only connects.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flood {
    #[serde(default = "one_share")]
    pub(super) share: Share,
    #[serde(default)]
    pub(super) from: From,
    /// How long each is kept.
    #[serde(default = "no_time")]
    pub(super) stay: Span,
}

impl Scenario {
    /// The one that is built in by this name, or else the file of this name.
    pub(super) fn of(name: &str) -> anyhow::Result<Self> {
        if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Self::read(text).with_context(|| format!("the built-in scenario {name}"));
        }
        let path = Path::new(name);
        let length = fs::metadata(path)
            .with_context(|| format!("{name} is no file, nor a built-in scenario ({})", Self::names()))?
            .len();
        ensure!(length <= LONGEST_FILE, "{name} has {length} octets, more than any scenario");
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the scenario {name}"))?;
        Self::read(&text).with_context(|| format!("the scenario {name}"))
    }

    /// The names of those that are built in.
    pub(super) fn names() -> String {
        SHIPPED.map(|(name, _)| name).join(", ")
    }

    /// Those that are built in: name, and what each is like.
    pub(super) fn shipped() -> anyhow::Result<Vec<(&'static str, String)>> {
        SHIPPED.iter().map(|(name, text)| Ok((*name, Self::read(text)?.about))).collect()
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        let scenario: Self = toml::from_str(text)?;
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        match (&scenario.rate, &scenario.connections) {
            (Some(rate), Some(connections)) => {
                let later = rate.span().start.max(connections.span().start);
                bail!("line {}: both `rate` and `connections`: sessions come by one of them", line(later))
            }
            (None, None) => bail!(
                "neither `rate` (sessions a second) nor `connections` (sessions at once): give one of them"
            ),
            _ => {}
        }
        let Self { honest, relay, harvest, early, flood, .. } = &scenario;
        let nobody = honest.is_empty() && relay.is_empty() && harvest.is_empty();
        ensure!(
            !(nobody && early.is_empty() && flood.is_empty()),
            "nobody comes: give at least one of [[honest]], [[relay]], [[harvest]], [[early]], [[flood]]"
        );
        for (number, one) in (1..).zip(honest) {
            ensure!(!one.sizes.is_empty(), "[[honest]] number {number}: `sizes` is empty");
        }
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_are_right() {
        for (name, about) in Scenario::shipped().unwrap() {
            assert!(!about.is_empty() && Scenario::of(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn every_scenario_in_the_page_is_right() {
        let page = include_str!("../../../docs/bench.md");
        let shown: Vec<_> = page.split("```toml scenario\n").skip(1).collect();
        assert!(!shown.is_empty(), "the page shows no scenario");
        for text in shown {
            let text = text.split("```").next().unwrap();
            Scenario::read(text).unwrap_or_else(|error| panic!("{error:#}\n{text}"));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_key() {
        let rows: [(&str, &[&str]); 13] = [
            ("rate = 1", &["missing field `about`"]),
            ("about = 'x'\nsessions = 0", &["line 2", "sessions = 0", "0 is not from 1 to 100000000"]),
            ("about = 'x'\nsessions = -5", &["line 2", "sessions"]),
            ("about = 'x'\nsessions = 5\nrate = 'fast'", &["line 3", "rate", "expected f64"]),
            ("about = 'x'\nsessions = 5\nrate = nan", &["line 3", "rate", "NaN is not from"]),
            ("about = 'x'\nsessions = 5\nspeed = 5", &["line 3", "unknown field `speed`", "`rate`"]),
            ("about = 'x'\nsessions = 5\nrate = 1\nconnections = 5\n[[early]]", &["line 4", "both `rate`"]),
            ("about = 'x'\nsessions = 5\n[[early]]", &["neither `rate`"]),
            ("about = 'x'\nsessions = 5\nrate = 1", &["nobody comes"]),
            (
                "about = 'x'\nsessions = 5\nrate = 1\n[[flood]]\nstay = 'long'",
                &["line 5", "stay", "\"long\" is no time"],
            ),
            (
                "about = 'x'\nsessions = 5\nrate = 1\n[[relay]]\nsizes = 1",
                &["line 5", "unknown field `sizes`"],
            ),
            (
                "about = 'x'\nsessions = 5\nrate = 1\n[[early]]\nfrom = { networks = ['127.0.0.0/40'] }",
                &["line 5", "networks", "invalid IP address syntax"],
            ),
            (
                "about = 'x'\nsessions = 5\nrate = 1\n[[honest]]\nsizes = []",
                &["number 1", "`sizes` is empty"],
            ),
        ];
        for (text, expected) in rows {
            let error = format!("{:#}", Scenario::read(text).unwrap_err());
            for part in expected {
                assert!(error.contains(part), "{text}\n{error}\n{part}");
            }
        }
    }

    #[test]
    fn a_name_that_is_nothing_tells_those_that_are() {
        let error = format!("{:#}", Scenario::of("tuesday").unwrap_err());
        assert!(error.contains("tuesday is no file") && error.contains("monday"), "{error}");
    }
}
