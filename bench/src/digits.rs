//! Numbers for people: as many digits as say something.

use smtp_load::measure::Spread;

/// Three digits say enough.
#[must_use]
pub fn three(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        magnitude if magnitude < 0.01 => format!("{value:.1e}"),
        magnitude if magnitude < 10.0 => format!("{value:.2}"),
        magnitude if magnitude < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// The ends, where they are not the same: `(0.9 to 1.2)`.
#[must_use]
pub fn ends(spread: &Spread) -> Option<String> {
    (spread.min < spread.max).then(|| format!("({} to {})", three(spread.min), three(spread.max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_digits() {
        let rows = [
            (0.0, "0"),
            (0.0012, "1.2e-3"),
            (0.5, "0.50"),
            (9.994, "9.99"),
            (42.24, "42.2"),
            (12345.6, "12346"),
        ];
        for (value, expected) in rows {
            assert_eq!(three(value), expected);
        }
        assert_eq!(three(-3.0), "-3.00");
    }

    #[test]
    fn one_round_has_no_ends() {
        let spread = |min, max| Spread { min, median: min, max };
        assert_eq!(ends(&spread(2.0, 2.0)), None);
        assert_eq!(ends(&spread(2.0, 30.0)).as_deref(), Some("(2.00 to 30.0)"));
    }
}
