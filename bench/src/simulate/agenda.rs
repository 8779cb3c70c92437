//! What is to happen, in the order of virtual time: a wheel of seconds, so that tens of millions of entries cost no more
//! than their place in memory. Knows no peer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use filter_common::Timestamp;

const SECOND: u64 = 1_000_000_000;

/// Something that happens at a time, to the host of a number.
type Entry = (u64, u32);

/// Entries until an end; what is put in behind it never happens.
#[derive(Debug)]
pub(super) struct Agenda {
    /// Those of the second that is in progress, soonest first.
    now: BinaryHeap<Reverse<Entry>>,
    /// Those of each second, in no order.
    seconds: Vec<Vec<Entry>>,
    /// The second in progress.
    at: usize,
}

impl Agenda {
    /// Of so many seconds, beginning with second 0.
    pub(super) fn new(seconds: usize) -> Self {
        Self { now: BinaryHeap::new(), seconds: vec![Vec::new(); seconds.max(1)], at: 0 }
    }

    /// Puts an entry in; says whether it will happen. One whose time is over happens next.
    pub(super) fn put(&mut self, at: Timestamp, host: u32) -> bool {
        let second = usize::try_from(at.0 / SECOND).unwrap_or(usize::MAX);
        if second <= self.at {
            self.now.push(Reverse((at.0, host)));
            return true;
        }
        let Some(entries) = self.seconds.get_mut(second) else { return false };
        entries.push((at.0, host));
        true
    }

    /// Takes the next entry out; those of one moment in the order of their hosts.
    pub(super) fn next(&mut self) -> Option<(Timestamp, u32)> {
        loop {
            if let Some(Reverse((at, host))) = self.now.pop() {
                return Some((Timestamp(at), host));
            }
            self.at += 1;
            let entries = self.seconds.get_mut(self.at)?;
            self.now = std::mem::take(entries).into_iter().map(Reverse).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_time_and_those_behind_the_end_never() {
        let mut agenda = Agenda::new(10);
        for (at, host) in [(5 * SECOND, 1), (3, 2), (9 * SECOND + 1, 3), (5 * SECOND, 0), (2, 9)] {
            assert!(agenda.put(Timestamp(at), host));
        }
        assert!(!agenda.put(Timestamp(10 * SECOND), 4));
        let mut seen = Vec::new();
        while let Some((at, host)) = agenda.next() {
            if host == 2 {
                assert!(agenda.put(Timestamp(at.0 + 1), 7), "into the second in progress");
            }
            seen.push((at.0, host));
        }
        assert_eq!(seen, [(2, 9), (3, 2), (4, 7), (5 * SECOND, 0), (5 * SECOND, 1), (9 * SECOND + 1, 3)]);
    }
}
