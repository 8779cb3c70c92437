//! Measures several in turns, and a turn again that was disturbed.

use std::time::Duration;

use anyhow::Context;

use super::program::RunsCounted;
use crate::turns;

/// How often a turn that was disturbed is taken again, and after what time.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// As [`turns::in_turns`], each turn undisturbed.
pub(super) fn in_turns<C>(
    rounds: usize,
    contestants: &mut [C],
    mut measure: impl FnMut(&mut C) -> anyhow::Result<f64>,
    told: impl FnMut(),
) -> anyhow::Result<Vec<Vec<f64>>> {
    turns::in_turns(rounds, contestants, |contestant| undisturbed(|| measure(contestant)), told)
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
    fn a_disturbed_turn_is_taken_again() {
        let mut turns = 0;
        let measure = |(): &mut ()| {
            turns += 1;
            anyhow::ensure!(turns != 2, RunsCounted);
            Ok(f64::from(turns))
        };
        assert_eq!(in_turns(2, &mut [()], measure, || ()).unwrap(), [[3.0, 4.0]]);
    }
}
