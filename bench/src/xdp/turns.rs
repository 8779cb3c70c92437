//! Measures several in turns, so that what else the machine does falls on all of them.

use std::time::Duration;

use anyhow::Context;

use super::program::RunsCounted;

/// How often a turn that was disturbed is taken again, and after what time.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// What each took in each round. Who begins changes with each round; a round before the first warms all up and is not
/// counted. `told` hears of each round.
pub(super) fn in_turns<C>(
    rounds: usize,
    contestants: &mut [C],
    mut measure: impl FnMut(&mut C) -> anyhow::Result<f64>,
    mut told: impl FnMut(),
) -> anyhow::Result<Vec<Vec<f64>>> {
    let mut measure = |contestant: &mut C| undisturbed(|| measure(contestant));
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

/// Measures again where the kernel took the time of runs meanwhile: on a machine that does other things too, somebody
/// may have it do so for a moment.
fn undisturbed(mut measure: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    for _ in 1..TRIES {
        match measure() {
            Err(error) if error.is::<RunsCounted>() => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
    measure().with_context(|| format!("in vain {TRIES} times"))
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
    fn a_disturbed_turn_is_taken_again() {
        let mut turns = 0;
        let measure = |(): &mut ()| {
            turns += 1;
            anyhow::ensure!(turns != 2, RunsCounted);
            Ok(f64::from(turns))
        };
        assert_eq!(in_turns(2, &mut [()], measure, || ()).unwrap(), [[3.0, 4.0]]);
    }

    #[test]
    fn what_cannot_be_measured_ends_it() {
        assert!(in_turns(3, &mut [()], |()| anyhow::bail!("no"), || ()).is_err());
    }
}
