//! Sessions of one script, driven and counted: how long each took, and the first that did not go as it should, which
//! makes a measurement an error and not a better number.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use hdrhistogram::Histogram;
use smtp_load::clients::crowd::{Arrival, Crowd, Director, End, Ended, Next, Script};

/// How long a session may be without progress, and a run may take.
const PATIENCE: Duration = Duration::from_secs(20);
const AT_MOST: Duration = Duration::from_secs(90);

/// What became of sessions that all went as they should.
#[derive(Debug)]
pub(super) struct Tally {
    /// How long all of them took.
    pub(super) elapsed: Duration,
    /// How long each took until its last answer, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// The answers among those that count that were a yes.
    pub(super) granted: u64,
}

/// A script, and where those come from who go by it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) script: Script,
    pub(super) source: Option<IpAddr>,
}

/// Drives `sessions` of a part, so many at once. Each is to have `granted` answers that are a yes, and to end in order;
/// where that is not given, it is to hear what it came for, and may then end as it will.
pub(super) fn drive(
    target: SocketAddr,
    part: Part,
    sessions: u64,
    at_once: usize,
    granted: Option<u32>,
    stop: &AtomicBool,
) -> anyhow::Result<Tally> {
    let latencies = Histogram::new_with_bounds(1_000, 200_000_000_000, 3).context("no histogram")?;
    let mut census = Census {
        script: Arc::new(part.script),
        source: part.source,
        left: sessions,
        granted,
        latencies,
        yes: 0,
        wrong: None,
    };
    let crowd = Crowd { target, at_once, patience: PATIENCE, at_most: AT_MOST, stop: Some(stop) };
    let elapsed = crowd.run(&mut census)?;
    if let Some(wrong) = census.wrong {
        bail!("a session did not go as it should: {wrong}");
    }
    Ok(Tally { elapsed, latencies: census.latencies, granted: census.yes })
}

struct Census {
    script: Arc<Script>,
    source: Option<IpAddr>,
    left: u64,
    granted: Option<u32>,
    latencies: Histogram<u64>,
    yes: u64,
    wrong: Option<String>,
}

impl Director for Census {
    fn next(&mut self, now: Instant) -> Next {
        // One that went wrong is enough: no more are begun.
        if self.left == 0 || self.wrong.is_some() {
            return Next::Nobody;
        }
        self.left -= 1;
        Next::Begin(Arrival { script: self.script.clone(), source: self.source, due: now, tag: 0 })
    }

    fn ended(&mut self, ended: Ended) {
        let is_as_wanted = self.granted.is_none_or(|granted| granted == ended.granted);
        let is_in_order = ended.end == End::Completed || self.granted.is_none();
        match ended.answered {
            Some(took) if is_in_order && is_as_wanted => {
                self.yes += u64::from(ended.granted);
                self.latencies.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
            _ => {
                let (granted, code) = (ended.granted, ended.code);
                self.wrong
                    .get_or_insert_with(|| format!("{ended}, {granted} times yes, the last code {code}"));
            }
        }
    }
}

/// Holds `sessions` of a part that stays, until `held` is done, which is called when all have heard `answers` each.
/// So many come together: a server takes them one after the other, and its queue is bounded.
pub(super) fn hold<T>(
    target: SocketAddr,
    part: Part,
    (sessions, together): (usize, usize),
    answers: u64,
    stop: &AtomicBool,
    held: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let (heard, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let wanted = answers * sessions as u64;
    let mut guests = Guests {
        script: Arc::new(part.script),
        source: part.source,
        left: sessions,
        together,
        heard: &heard,
        lost: None,
    };
    std::thread::scope(|scope| {
        let (guests, leave) = (&mut guests, &over);
        let driver = scope.spawn(move || {
            let crowd =
                Crowd { target, at_once: sessions, patience: AT_MOST, at_most: AT_MOST, stop: Some(leave) };
            let outcome = crowd.run(guests);
            (outcome, guests.lost.take())
        });
        let until = Instant::now() + AT_MOST;
        while heard.load(Ordering::Relaxed) < wanted
            && !driver.is_finished()
            && !stop.load(Ordering::Relaxed)
            && Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let came = heard.load(Ordering::Relaxed);
        let value = if came >= wanted { Some(held()) } else { None };
        over.store(true, Ordering::Relaxed);
        let (outcome, lost) = driver.join().map_err(|_| anyhow::anyhow!("the clients panicked"))?;
        outcome?;
        match (value, lost) {
            (Some(value), _) => value,
            (None, Some(lost)) => bail!("of {wanted} answers {came} came; a session ended: {lost}"),
            (None, None) => bail!("of {wanted} answers {came} came in time"),
        }
    })
}

struct Guests<'g> {
    script: Arc<Script>,
    source: Option<IpAddr>,
    left: usize,
    together: usize,
    heard: &'g AtomicU64,
    lost: Option<String>,
}

impl Director for Guests<'_> {
    fn next(&mut self, now: Instant) -> Next {
        if self.left == 0 || self.lost.is_some() {
            // Whoever is here stays; the run ends when it is told to.
            return Next::NotBefore(now + Duration::from_millis(50));
        }
        self.left -= 1;
        // A pause after each of the groups lets the server's queue of connections drain.
        let due = now;
        if self.left.is_multiple_of(self.together) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Next::Begin(Arrival { script: self.script.clone(), source: self.source, due, tag: 0 })
    }

    fn heard(&mut self, _tag: usize, _code: u16) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }

    fn ended(&mut self, ended: Ended) {
        if ended.end != End::CutShort {
            self.lost.get_or_insert_with(|| ended.to_string());
        }
    }
}
