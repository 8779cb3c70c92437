//! Upper and lower case, where addresses compare without them. Compares nothing itself.

/// A letter in lower case, if it is the capital of that one. The Kelvin sign is not: it becomes a `k`, whose capital is
/// `K`. So an address never compares equal to one that a server without Unicode's tables tells apart.
#[must_use]
pub fn fold_case(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let (mut lower, mut upper) = (c.to_lowercase(), c.to_lowercase().flat_map(char::to_uppercase));
    match (lower.next(), lower.next(), upper.next(), upper.next()) {
        (Some(small), None, Some(capital), None) if capital == c => small,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_become_small_and_lookalikes_stay() {
        for (c, folded) in [('K', 'k'), ('k', 'k'), ('\u{c4}', '\u{e4}'), ('\u{394}', '\u{3b4}'), ('1', '1')]
        {
            assert_eq!(fold_case(c), folded, "{c}");
        }
        // Kelvin, angstrom, capital I with a dot, capital sharp s
        for c in ['\u{212a}', '\u{212b}', '\u{130}', '\u{1e9e}'] {
            assert_eq!(fold_case(c), c, "{c}");
        }
    }
}
