//! Measures several in turns, so that what else the machine does falls on all of them.

/// What each took in each round. Who begins changes with each round; a round before the first warms all up and is not
/// counted. `told` hears of each round.
pub(super) fn in_turns<C>(
    rounds: usize,
    contestants: &mut [C],
    mut measure: impl FnMut(&mut C) -> anyhow::Result<f64>,
    mut told: impl FnMut(),
) -> anyhow::Result<Vec<Vec<f64>>> {
    for contestant in contestants.iter_mut() {
        measure(contestant)?;
    }
    let mut took = vec![Vec::new(); contestants.len()];
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            let whose = (round + turn) % contestants.len();
            took[whose].push(measure(&mut contestants[whose])?);
        }
        told();
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_and_another_begins_each_time() {
        let mut order = Vec::new();
        let mut told = 0;
        let measure = |name: &mut char| {
            order.push(*name);
            Ok(order.len() as f64)
        };
        let took = in_turns(3, &mut ['a', 'b'], measure, || told += 1).unwrap();
        assert_eq!(order, ['a', 'b', 'a', 'b', 'b', 'a', 'a', 'b']);
        assert_eq!((took, told), (vec![vec![3.0, 6.0, 7.0], vec![4.0, 5.0, 8.0]], 3));
    }

    #[test]
    fn what_cannot_be_measured_ends_it() {
        assert!(in_turns(3, &mut [()], |()| anyhow::bail!("no"), || ()).is_err());
    }
}
