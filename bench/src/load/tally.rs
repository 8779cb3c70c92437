//! What became of the sessions of one kind: counts, and how long they waited for their answer.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use smtp_load::clients::crowd::{End, Ended};

/// What became of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A yes to what it came for: the message was taken, a recipient accepted; of a flood, it could connect and stay.
    Granted,
    /// 5xx.
    Refused,
    /// 4xx.
    Deferred,
    /// The server closed or reset without an answer.
    CutOff,
    /// No answer in time: a dropped SYN, a server that hangs.
    Unanswered,
    /// No connection.
    NotConnected,
    /// An answer that is no SMTP.
    NotSmtp,
    /// The run was over.
    Unfinished,
}

impl Outcome {
    pub(super) fn of(ended: &Ended) -> Self {
        match &ended.end {
            End::CannotConnect(_) => Self::NotConnected,
            End::NoAnswer => Self::Unanswered,
            End::NotSmtp => Self::NotSmtp,
            End::CutShort => Self::Unfinished,
            End::Completed | End::Closed | End::Broken(_) => match (ended.granted, ended.code) {
                (1.., _) => Self::Granted,
                (_, 500..) => Self::Refused,
                (_, 400..) => Self::Deferred,
                // A flood that came to its end hears no code that counts.
                _ if ended.end == End::Completed && ended.replies <= 1 => Self::Granted,
                _ => Self::CutOff,
            },
        }
    }

    /// Whether something went wrong that has a text of its own.
    pub(super) fn is_a_fault(self) -> bool {
        matches!(self, Self::CutOff | Self::Unanswered | Self::NotConnected | Self::NotSmtp)
    }
}

/// A count of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Outcomes {
    pub(super) granted: u64,
    pub(super) refused: u64,
    pub(super) deferred: u64,
    pub(super) cut_off: u64,
    pub(super) unanswered: u64,
    pub(super) not_connected: u64,
    pub(super) not_smtp: u64,
    pub(super) unfinished: u64,
}

impl Outcomes {
    fn count(&mut self, outcome: Outcome) {
        *match outcome {
            Outcome::Granted => &mut self.granted,
            Outcome::Refused => &mut self.refused,
            Outcome::Deferred => &mut self.deferred,
            Outcome::CutOff => &mut self.cut_off,
            Outcome::Unanswered => &mut self.unanswered,
            Outcome::NotConnected => &mut self.not_connected,
            Outcome::NotSmtp => &mut self.not_smtp,
            Outcome::Unfinished => &mut self.unfinished,
        } += 1;
    }
}

/// Times, to three figures, in microseconds up to a day.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

/// Some of them, in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Quantiles {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) longest: u64,
}

impl Times {
    pub(super) fn new() -> anyhow::Result<Self> {
        const LONGEST: u64 = 24 * 3600 * 1_000_000;
        Ok(Self(Histogram::new_with_bounds(1, LONGEST, 3)?))
    }

    pub(super) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// None, where nothing was recorded.
    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| self.0.value_at_quantile(quantile);
        (!self.0.is_empty()).then(|| Quantiles {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            longest: self.0.max(),
        })
    }
}

/// Of one kind.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) sessions: u64,
    pub(super) outcomes: Outcomes,
    /// From when a session was due to its answer.
    pub(super) answers: Times,
}

impl Tally {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { sessions: 0, outcomes: Outcomes::default(), answers: Times::new()? })
    }

    /// Counts a session, and says what became of it.
    pub(super) fn add(&mut self, ended: &Ended) -> Outcome {
        let outcome = Outcome::of(ended);
        self.sessions += 1;
        self.outcomes.count(outcome);
        if let (Outcome::Granted | Outcome::Refused | Outcome::Deferred, Some(answered)) =
            (outcome, ended.answered)
        {
            self.answers.record(answered);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn ended(end: End, replies: u32, code: u16, granted: u32) -> Ended {
        let answered = Some(Duration::from_millis(5));
        let (due, begun) = (Instant::now(), Duration::ZERO);
        Ended { tag: 0, end, due, begun, answered, replies, code, granted, connected: true }
    }

    #[test]
    fn each_end_has_its_outcome() {
        let rows = [
            (End::Completed, 5, 550, 0, Outcome::Refused),
            (End::Completed, 5, 250, 1, Outcome::Granted),
            (End::Completed, 0, 0, 0, Outcome::Granted),
            (End::Closed, 1, 554, 0, Outcome::Refused),
            (End::Closed, 1, 421, 0, Outcome::Deferred),
            (End::Closed, 0, 0, 0, Outcome::CutOff),
            (End::Closed, 2, 250, 0, Outcome::CutOff),
            (End::Broken("reset".to_owned()), 3, 250, 0, Outcome::CutOff),
            (End::NoAnswer, 0, 0, 0, Outcome::Unanswered),
            (End::CannotConnect("refused".to_owned()), 0, 0, 0, Outcome::NotConnected),
            (End::NotSmtp, 1, 0, 0, Outcome::NotSmtp),
            (End::CutShort, 4, 550, 0, Outcome::Unfinished),
        ];
        let mut tally = Tally::new().unwrap();
        for (end, replies, code, granted, expected) in rows {
            assert_eq!(tally.add(&ended(end.clone(), replies, code, granted)), expected, "{end:?} {code}");
        }
        assert_eq!((tally.sessions, tally.outcomes.granted, tally.outcomes.cut_off), (12, 2, 3));
        assert_eq!(tally.answers.quantiles().map(|times| times.p50 / 1_000), Some(5));
    }
}
