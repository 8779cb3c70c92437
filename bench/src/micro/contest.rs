//! Work that is timed in turns, on one thread. Knows nothing of what the work is.

use std::time::Instant;

/// Does the work of one turn; says how much of it there was.
pub(super) type Work<'w> = Box<dyn FnMut() -> usize + 'w>;

/// Nanoseconds for each piece of the work of one turn.
pub(super) fn nanoseconds(work: &mut Work<'_>) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let pieces = work();
    Ok(begin.elapsed().as_secs_f64() * 1e9 / pieces.max(1) as f64)
}

/// Thousands of millions of octets in a second, where each piece of the work is an octet.
pub(super) fn gigabytes_a_second(work: &mut Work<'_>) -> anyhow::Result<f64> {
    Ok(1.0 / nanoseconds(work)?)
}
