//! Figures that are judged: what relaygate took, what another took in the same rounds, the ratio, and whether the bound
//! that was set for it holds. Measures nothing, and knows nobody who is measured.

mod bound;
mod report;
mod unit;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use smtp_load::measure::Spread;

pub use bound::Bound;
pub use report::{HEAD, LEGEND, Line, Report};
pub use unit::Unit;

/// What the other took, and relaygate of that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Who.
    pub other: Cow<'static, str>,
    /// What it took.
    pub took: Spread,
    /// relaygate's of a round by the other's of the same round.
    pub ratio: Spread,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// What was measured.
    pub what: Cow<'static, str>,
    /// Entries in the table, and sources that the packets came from.
    pub entries: u32,
    /// What was counted.
    pub unit: Unit,
    /// What relaygate took: the rounds' median with the smallest and the largest.
    pub relaygate: Spread,
    /// Beside whom.
    pub compared: Option<Compared>,
    /// What is wanted; nothing, where the figure is only for information.
    pub bound: Option<Bound>,
}

impl Judged {
    /// Of values measured in turns: the same place in both is the same round. None of no rounds.
    pub fn of(
        what: &'static str,
        entries: u32,
        unit: Unit,
        relaygate: &[f64],
        other: Option<(&'static str, &[f64])>,
    ) -> Option<Self> {
        let compared = match other {
            None => None,
            Some((other, took)) => {
                let ratios: Vec<f64> =
                    relaygate.iter().zip(took).map(|(ours, theirs)| ours / theirs).collect();
                Some(Compared { other: other.into(), took: Spread::of(took)?, ratio: Spread::of(&ratios)? })
            }
        };
        let relaygate = Spread::of(relaygate)?;
        Some(Self { what: what.into(), entries, unit, relaygate, compared, bound: None })
    }

    /// A line for each of `others`, of what all took in turns, relaygate first.
    pub fn beside(
        what: &'static str,
        entries: u32,
        unit: Unit,
        others: &[&'static str],
        took: &[Vec<f64>],
    ) -> Vec<Self> {
        let [relaygate, theirs @ ..] = took else { return Vec::new() };
        let line = |(other, theirs): (&&'static str, &Vec<f64>)| {
            Self::of(what, entries, unit, relaygate, Some((*other, theirs)))
        };
        others.iter().zip(theirs).filter_map(line).collect()
    }

    /// The same with what is wanted of it.
    pub fn wanted(mut self, bound: Bound) -> Self {
        self.bound = Some(bound);
        self
    }

    /// Beside whom it stands.
    pub fn other(&self) -> Option<&str> {
        self.compared.as_ref().map(|compared| &*compared.other)
    }

    /// Whether the median is within the bound; nothing where there is none.
    pub fn holds(&self) -> Option<bool> {
        let ratio = self.compared.as_ref().map(|compared| compared.ratio.median);
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

    fn figure(ours: &[f64], theirs: &[f64], bound: Bound) -> Judged {
        let figure = Judged::of("x", 1, Unit::Mebibytes, ours, Some(("nftables", theirs))).unwrap();
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
        let alone = Judged::of("x", 1, Unit::Mebibytes, &[2.0], None).unwrap();
        assert_eq!(alone.holds(), None);
        assert_eq!(alone.wanted(Bound::RatioAtMost(1.0)).holds(), None, "there is no ratio");
        assert_eq!(Judged::of("x", 1, Unit::Mebibytes, &[], None), None);
    }
}
