//! One of some values: the smallest that so many of a hundred are not above.

/// The smallest value that so many of a hundred are not above.
pub(super) fn percentile(values: &mut [f64], of_a_hundred: usize) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * of_a_hundred).div_ceil(100);
    values.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let mut values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 99), Some(198.0));
        assert_eq!(percentile(&mut values, 50), Some(100.0));
        assert_eq!(percentile(&mut [7.0], 99), Some(7.0));
        assert_eq!(percentile(&mut [], 99), None);
    }
}
