//! Bars of one figure, the least first: how long each is, on which scale. Draws nothing.

use bench::digits;

/// From this ratio of the largest to the smallest on, a bar of the smallest could not be seen on a linear scale.
const SPANS_DECADES: f64 = 10.0;

/// One figure of several.
#[derive(Debug)]
pub(super) struct Bars {
    /// What was measured.
    pub(super) what: String,
    /// Of the values.
    pub(super) unit: String,
    /// The least first.
    pub(super) bars: Vec<Bar>,
    /// The decades, where the scale is a logarithm's; nothing, where bars begin at 0.
    pub(super) decades: Vec<Decade>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Bar {
    /// Whose.
    pub(super) name: String,
    /// With as many digits as say something.
    pub(super) value: String,
    /// Of the whole width, in percent.
    pub(super) length: String,
    /// Whether it is relaygate's, which the page shows by its colour.
    pub(super) is_ours: bool,
}

/// A line across all bars.
#[derive(Debug)]
pub(super) struct Decade {
    /// What it stands for.
    pub(super) value: String,
    /// From the left, in percent.
    pub(super) place: String,
}

/// From 0, or from a decade below the least.
enum Scale {
    Linear { most: f64 },
    Log { least: f64, most: f64 },
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let most = values.iter().copied().fold(0.0, f64::max);
        let least = values.iter().copied().filter(|value| *value > 0.0).fold(most, f64::min);
        if most < least * SPANS_DECADES || least <= 0.0 {
            return Self::Linear { most };
        }
        // Half of the least, so that its bar has a length even where it is a power of ten.
        Self::Log { least: (least / 2.0).log10().floor(), most: most.log10() }
    }

    /// In percent of the width.
    fn place(&self, value: f64) -> f64 {
        let place = match *self {
            Self::Linear { most } if most > 0.0 => value / most,
            Self::Log { least, most } if value > 0.0 => (value.log10() - least) / (most - least),
            _ => 0.0,
        };
        100.0 * place.clamp(0.0, 1.0)
    }

    fn decades(&self) -> Vec<f64> {
        match *self {
            Self::Linear { .. } => Vec::new(),
            Self::Log { least, most } => {
                (least as i32..=most.floor() as i32).map(|power| 10_f64.powi(power)).collect()
            }
        }
    }
}

impl Bars {
    /// Of names with their values; nothing where there are not two to compare.
    pub(super) fn of(what: String, unit: &str, mut values: Vec<(String, f64)>) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        values.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        let scale = Scale::of(&values.iter().map(|(_, value)| *value).collect::<Vec<_>>());
        let percent = |value: f64| format!("{:.2}", scale.place(value));
        let bar = |(name, value): (String, f64)| Bar {
            is_ours: name == "relaygate",
            name,
            value: digits::three(value),
            length: percent(value),
        };
        let decade = |value: f64| Decade { value: format!("{value}"), place: percent(value) };
        Some(Self {
            what,
            unit: unit.to_owned(),
            decades: scale.decades().into_iter().map(decade).collect(),
            bars: values.into_iter().map(bar).collect(),
        })
    }

    /// All of it in words, for those who do not see it.
    pub(super) fn in_words(&self) -> String {
        let bars: Vec<_> = self.bars.iter().map(|bar| format!("{} {}", bar.name, bar.value)).collect();
        format!("{}, in {}: {}", self.what, self.unit, bars.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[(&str, f64)]) -> Bars {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value));
        Bars::of("CPU".to_owned(), "us", values.collect()).unwrap()
    }

    fn lengths(bars: &Bars) -> Vec<&str> {
        bars.bars.iter().map(|bar| &*bar.length).collect()
    }

    #[test]
    fn the_least_is_first_and_ours_is_known() {
        let bars = bars(&[("Exim", 4.0), ("relaygate", 1.0), ("responder", 2.0)]);
        assert_eq!(lengths(&bars), ["25.00", "50.00", "100.00"], "from 0: they span no decade");
        assert!(bars.decades.is_empty());
        assert_eq!(bars.bars.iter().map(|bar| bar.is_ours).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(bars.in_words(), "CPU, in us: relaygate 1.00, responder 2.00, Exim 4.00");
    }

    #[test]
    fn values_that_span_decades_are_on_a_log_scale() {
        let bars = bars(&[("Haraka", 1000.0), ("relaygate", 10.0), ("Postfix", 100.0)]);
        assert_eq!(lengths(&bars), ["33.33", "66.67", "100.00"]);
        let decades: Vec<_> = bars.decades.iter().map(|decade| (&*decade.value, &*decade.place)).collect();
        assert_eq!(decades, [("1", "0.00"), ("10", "33.33"), ("100", "66.67"), ("1000", "100.00")]);
    }

    #[test]
    fn nothing_taken_is_a_bar_without_length() {
        assert_eq!(lengths(&bars(&[("a", 0.0), ("b", 1.0), ("c", 50.0)]))[0], "0.00");
        assert_eq!(lengths(&bars(&[("a", 0.0), ("b", 0.0)])), ["0.00", "0.00"]);
        assert!(Bars::of(String::new(), "us", vec![("a".to_owned(), 1.0)]).is_none());
    }
}
