//! Keeps the log of an attack cheaper than the attack: a few refusals a second are logged one by one, the rest is
//! counted for each peer and summed up once in a while. One for each worker, so that nothing is shared; takes the time
//! as an argument, and allocates nothing between two reports.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::quality::RandomState;

use super::field;

/// Peers that are counted one by one between two reports; the refusals of further ones are counted together.
const COUNTED_PEERS: usize = 1024;

/// Peers that a report names, those with the most refusals.
const NAMED_PEERS: usize = 20;

const SECOND: Duration = Duration::from_secs(1);

/// Whether a refusal is to be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is to be logged.
    Log,
    /// It was counted, and will be in a summary.
    Counted,
}

/// What was refused since the last report and not logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Whose refusals; none where these are those of all other peers together.
    pub peer: Option<IpAddr>,
    /// How many.
    pub refusals: u64,
}

impl Summary {
    /// Logs it.
    pub fn log(&self) {
        match self.peer {
            Some(peer) => {
                tracing::info!({ field::PEER } = %peer, { field::REFUSALS } = self.refusals, "refused more of this peer")
            }
            None => tracing::info!({ field::REFUSALS } = self.refusals, "refused more of other peers"),
        }
    }
}

/// Samples and sums up.
#[derive(Debug)]
pub struct RefusalLog {
    a_second: u32,
    interval: Duration,
    second_began: Instant,
    logged: u32,
    report_due: Instant,
    counted: HashMap<IpAddr, u64, RandomState>,
    others: u64,
}

impl RefusalLog {
    /// Logs at most `a_second` refusals, and reports the rest every `interval`.
    #[must_use]
    pub fn new(a_second: u32, interval: Duration, now: Instant) -> Self {
        Self {
            a_second,
            interval,
            second_began: now,
            logged: 0,
            report_due: now + interval,
            counted: HashMap::with_capacity_and_hasher(COUNTED_PEERS, RandomState::default()),
            others: 0,
        }
    }

    /// Takes note of a refusal.
    pub fn note(&mut self, peer: IpAddr, now: Instant) -> Noted {
        if now.saturating_duration_since(self.second_began) >= SECOND {
            self.second_began = now;
            self.logged = 0;
        }
        if self.logged < self.a_second {
            self.logged += 1;
            return Noted::Log;
        }
        if let Some(refusals) = self.counted.get_mut(&peer) {
            *refusals += 1;
        } else if self.counted.len() < COUNTED_PEERS {
            self.counted.insert(peer, 1);
        } else {
            self.others += 1;
        }
        Noted::Counted
    }

    /// When `poll_summaries` has something to say at the earliest; nothing while nothing waits.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (!self.counted.is_empty()).then_some(self.report_due)
    }

    /// What was counted, if it is time to say so: those who were refused most, then all others together.
    pub fn poll_summaries(&mut self, now: Instant) -> Vec<Summary> {
        if now < self.report_due {
            return Vec::new();
        }
        self.report_due = now + self.interval;
        self.take_summaries()
    }

    /// What was counted, at once: for the end of the process.
    pub fn take_summaries(&mut self) -> Vec<Summary> {
        let mut summaries: Vec<_> =
            self.counted.drain().map(|(peer, refusals)| Summary { peer: Some(peer), refusals }).collect();
        summaries.sort_unstable_by_key(|summary| (std::cmp::Reverse(summary.refusals), summary.peer));
        let unnamed =
            summaries.drain(NAMED_PEERS.min(summaries.len())..).map(|summary| summary.refusals).sum::<u64>();
        let others = unnamed + std::mem::take(&mut self.others);
        if others > 0 {
            summaries.push(Summary { peer: None, refusals: others });
        }
        summaries
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn peer(n: u32) -> IpAddr {
        Ipv4Addr::from(0xc000_0200 + n).into()
    }

    #[test]
    fn the_first_of_each_second_are_logged_and_the_rest_summed_up() {
        let start = Instant::now();
        let mut log = RefusalLog::new(2, MINUTE, start);
        let seen: Vec<_> = (0..10).map(|n| log.note(peer(1), start + SECOND / 4 * n)).collect();
        let logged =
            seen.iter().map(|noted| if *noted == Noted::Log { 'L' } else { '.' }).collect::<String>();
        assert_eq!(logged, "LL..LL..LL");
        assert_eq!(log.deadline(), Some(start + MINUTE));
        assert_eq!(log.poll_summaries(start + MINUTE - SECOND), [], "not yet");
        assert_eq!(log.poll_summaries(start + MINUTE), [Summary { peer: Some(peer(1)), refusals: 4 }]);
        assert_eq!(log.deadline(), None);
        assert_eq!(log.poll_summaries(start + 2 * MINUTE), [], "nothing happened since");
    }

    #[test]
    fn the_worst_peers_are_named_and_any_number_of_others_is_one_line() {
        let start = Instant::now();
        let mut log = RefusalLog::new(0, MINUTE, start);
        for n in 0..100_000 {
            log.note(peer(n), start);
        }
        for _ in 0..5 {
            log.note(peer(7), start);
        }
        let capacity = log.counted.capacity();
        let summaries = log.poll_summaries(start + MINUTE);
        assert_eq!(summaries.len(), NAMED_PEERS + 1);
        assert_eq!(summaries[0], Summary { peer: Some(peer(7)), refusals: 6 });
        assert_eq!(summaries.iter().map(|summary| summary.refusals).sum::<u64>(), 100_005);
        assert_eq!(summaries.last().map(|summary| summary.peer), Some(None));
        assert_eq!(log.counted.capacity(), capacity, "the memory is kept, and never grows");
    }
}
