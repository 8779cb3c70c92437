//! One line of the result: what relaygate took, what the other took in the same rounds, the ratio, and whether a bound
//! that was set for it holds. Measures nothing.

use std::fmt;

use serde::Serialize;
use smtp_load::measure::Spread;

/// With whom relaygate is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Other {
    /// A program that parses and passes.
    MinimalPass,
    /// A program of one look-up in the kernel's hash map.
    MinimalHash,
    /// A program that does nothing.
    Nothing,
    /// xdp-filter.
    XdpFilter,
    /// A set of nftables in netdev ingress.
    Nftables,
    /// The parser of smtp-proto.
    SmtpProto,
    /// A copy of the same octets.
    Memcpy,
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MinimalPass => "parse and pass",
            Self::MinimalHash => "one hash look-up",
            Self::Nothing => "no work",
            Self::XdpFilter => "xdp-filter",
            Self::Nftables => "nftables",
            Self::SmtpProto => "smtp-proto",
            Self::Memcpy => "memcpy",
        })
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unit {
    /// CPU time of a whole run by the kernel, for each packet.
    NanosecondsRun,
    /// CPU time of the program alone, for each packet.
    NanosecondsProgram,
    /// CPU time of the whole receive path, for each packet.
    NanosecondsReceived,
    /// Memory of the kernel.
    Mebibytes,
    /// Sanctions put into the table.
    MillionsASecond,
    /// From the call that blocks to the first packet that is dropped.
    Microseconds,
    /// Time of one thread, for each piece of work.
    NanosecondsEach,
    /// Octets that one thread gets through.
    GigabytesASecond,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NanosecondsRun => "ns, run",
            Self::NanosecondsProgram => "ns, program",
            Self::NanosecondsReceived => "ns, received",
            Self::Mebibytes => "MiB",
            Self::MillionsASecond => "million/s",
            Self::Microseconds => "us",
            Self::NanosecondsEach => "ns, each",
            Self::GigabytesASecond => "GB/s",
        })
    }
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Bound {
    /// Of the ratio to the other.
    RatioAtMost(f64),
    /// Of the ratio to the other.
    RatioBelow(f64),
    /// Of the figure itself.
    AtMost(f64),
    /// Of the figure itself.
    Below(f64),
    /// Of the figure itself.
    Above(f64),
    /// Of the figure itself; or of the ratio to the other, where that asks for less.
    AtLeastOrRatio {
        /// Of the figure.
        least: f64,
        /// Of the ratio.
        ratio: f64,
    },
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::RatioAtMost(most) => format!("ratio <= {most:.3}").trim_end_matches('0').to_owned(),
            Self::RatioBelow(limit) => format!("ratio < {limit}"),
            Self::AtMost(most) => format!("<= {most}"),
            Self::Below(limit) => format!("< {limit}"),
            Self::Above(limit) => format!("> {limit}"),
            Self::AtLeastOrRatio { least, ratio } => format!(">= {least} or ratio >= {ratio}"),
        })
    }
}

/// What the other took, and relaygate of that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Compared {
    /// Who.
    pub(super) other: Other,
    /// What it took.
    pub(super) took: Spread,
    /// relaygate's of a round by the other's of the same round.
    pub(super) ratio: Spread,
}

/// The line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) what: &'static str,
    /// Entries in the table, and sources that the packets came from.
    pub(super) entries: u32,
    /// What was counted.
    pub(super) unit: Unit,
    /// What relaygate took: the rounds' median with the smallest and the largest.
    pub(super) relaygate: Spread,
    /// Beside whom.
    pub(super) compared: Option<Compared>,
    /// What is wanted; nothing, where the figure is only for information.
    pub(super) bound: Option<Bound>,
}

impl Figure {
    /// Of values measured in turns: the same place in both is the same round. None of no rounds.
    pub(super) fn of(
        what: &'static str,
        entries: u32,
        unit: Unit,
        relaygate: &[f64],
        other: Option<(Other, &[f64])>,
    ) -> Option<Self> {
        let compared = match other {
            None => None,
            Some((other, took)) => {
                let ratios: Vec<f64> =
                    relaygate.iter().zip(took).map(|(ours, theirs)| ours / theirs).collect();
                Some(Compared { other, took: Spread::of(took)?, ratio: Spread::of(&ratios)? })
            }
        };
        let relaygate = Spread::of(relaygate)?;
        Some(Self { what, entries, unit, relaygate, compared, bound: None })
    }

    /// A line for each of `others`, of what all took in turns, relaygate first.
    pub(super) fn beside(
        what: &'static str,
        entries: u32,
        unit: Unit,
        others: &[Other],
        took: &[Vec<f64>],
    ) -> Vec<Self> {
        let [relaygate, theirs @ ..] = took else { return Vec::new() };
        let line = |(other, theirs): (&Other, &Vec<f64>)| {
            Self::of(what, entries, unit, relaygate, Some((*other, theirs)))
        };
        others.iter().zip(theirs).filter_map(line).collect()
    }

    /// The same with what is wanted of it.
    pub(super) fn wanted(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }

    /// Whether the median is within the bound; nothing where there is none.
    pub(super) fn holds(&self) -> Option<bool> {
        let ratio = self.compared.map(|compared| compared.ratio.median);
        Some(match self.bound? {
            Bound::RatioAtMost(most) => ratio? <= most,
            Bound::RatioBelow(limit) => ratio? < limit,
            Bound::AtMost(most) => self.relaygate.median <= most,
            Bound::Below(limit) => self.relaygate.median < limit,
            Bound::Above(limit) => self.relaygate.median > limit,
            Bound::AtLeastOrRatio { least, ratio: of } => {
                self.relaygate.median >= least || ratio.is_some_and(|ratio| ratio >= of)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(ours: &[f64], theirs: &[f64], bound: Bound) -> Figure {
        let figure = Figure::of("x", 1, Unit::Mebibytes, ours, Some((Other::Nftables, theirs))).unwrap();
        figure.wanted(bound)
    }

    #[test]
    fn a_ratio_is_of_rounds_not_of_medians() {
        let figure = figure(&[1.0, 9.0, 4.0], &[2.0, 9.0, 16.0], Bound::RatioAtMost(0.5));
        let ratio = figure.compared.unwrap().ratio;
        assert_eq!((ratio.min, ratio.median, ratio.max), (0.25, 0.5, 1.0));
    }

    #[test]
    fn a_bound_holds_or_does_not() {
        let rows = [
            (Bound::RatioAtMost(0.5), true),
            (Bound::RatioBelow(0.5), false),
            (Bound::AtMost(2.0), true),
            (Bound::Below(2.0), false),
            (Bound::Above(2.0), false),
            (Bound::Above(1.9), true),
            (Bound::AtLeastOrRatio { least: 2.0, ratio: 0.8 }, true),
            (Bound::AtLeastOrRatio { least: 3.0, ratio: 0.5 }, true),
            (Bound::AtLeastOrRatio { least: 3.0, ratio: 0.8 }, false),
        ];
        for (bound, holds) in rows {
            assert_eq!(figure(&[2.0], &[4.0], bound).holds(), Some(holds), "{bound}");
        }
        let alone = Figure::of("x", 1, Unit::Mebibytes, &[2.0], None).unwrap();
        assert_eq!(alone.holds(), None);
        assert_eq!(alone.wanted(Bound::RatioAtMost(1.0)).holds(), None, "there is no ratio");
        assert_eq!(Figure::of("x", 1, Unit::Mebibytes, &[], None), None);
    }
}
