//! Keeps the state file: reads it at the start, writes it when something has changed, and at the end.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use filter_common::{PeerKey, Sanction, Timestamp};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::error::{StateError, Unreadable};
use super::file::{self, StateFile, beside, failed};
use super::line::{Entry, Known};
use super::moment::{Moment, Passed};
use crate::peers::{Inherited, Register, SHARDS};
use crate::telemetry::label::Outcome;
use crate::telemetry::{Metrics, field};

/// How long a change waits at most to be written.
const EVERY: Duration = Duration::from_secs(60);
/// The same of one by hand: nothing else would tell after a crash that somebody was freed.
const EDITS_EVERY: Duration = Duration::from_secs(5);

/// Orders that are not taken up and shown one by one.
const SHOWN: usize = 10;

/// Keeps one file.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    /// Held while this process uses the file. A file of its own, since the other is a new one each time.
    _lock: File,
    written: Mutex<Written>,
}

/// When it was written last, and what was known then.
#[derive(Debug, Default)]
struct Written {
    at: Timestamp,
    changes: u64,
    edits: u64,
}

impl Keeper {
    /// Takes a state file for this process alone, and reads what it says into the register. One that cannot be understood is
    /// put aside, and the log says so.
    pub fn start(path: &Path, register: &Register, now: &Moment) -> Result<Self, StateError> {
        let lock = lock(path)?;
        // First what is in force already: the file is older than that.
        let inherited = register.inherit(now.boot);
        if let Some(mut file) = StateFile::open(path)? {
            restore(path, &mut file, register, &inherited, now)?;
        }
        let written = Written { at: now.boot, changes: changes(register), edits: register.edits() };
        Ok(Self { path: path.to_owned(), _lock: lock, written: Mutex::new(written) })
    }

    /// Whether it is time to write: something has changed, and was not written for a while.
    #[must_use]
    pub fn is_due(&self, register: &Register, now: Timestamp) -> bool {
        // Who holds it is writing.
        let Ok(written) = self.written.try_lock() else { return false };
        let is_due = |every| written.at.plus(every) <= now;
        written.changes != changes(register) && is_due(EVERY)
            || written.edits != register.edits() && is_due(EDITS_EVERY)
    }

    /// Writes what is known now. Takes its time, but keeps nobody waiting: each shard of the register is locked while it is
    /// copied, not while it is written.
    pub fn write(&self, register: &Register, now: &Moment) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        // What changes from here on may be in the file or not: it is written the next time.
        *written = Written { at: now.boot, changes: changes(register), edits: register.edits() };
        let peers = (0..SHARDS).flat_map(|shard| known_of(register, shard, now.boot));
        // First who is allowed, for an order against one of them is refused; and then what they have done.
        let entries = by_hand(register, now.boot).chain(peers.map(Entry::Peer));
        let outcome = match file::write(&self.path, now, entries) {
            Ok(count) => {
                tracing::debug!({ field::COUNT } = count, "state file written");
                Outcome::Ok
            }
            Err(error) => {
                written.changes = written.changes.wrapping_sub(1);
                tracing::error!({ field::ERROR } = %error, "state file not written; it is tried again in a minute");
                Outcome::Failed
            }
        };
        Metrics::new().state_writes.of(outcome).increment(1);
    }
}

/// Holds the file, or says who else does.
fn lock(path: &Path) -> Result<File, StateError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(beside(path, ".lock"))
        .map_err(failed(path, "make its lock"))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(StateError::InUse { path: path.to_owned() }),
        Err(errno) => Err(failed(path, "lock it")(errno.into())),
    }
}

fn restore(
    path: &Path,
    file: &mut StateFile,
    register: &Register,
    inherited: &Inherited,
    now: &Moment,
) -> Result<(), StateError> {
    let mut refused = Vec::new();
    let read = file.each(now, |entry| {
        if let Err(reason) = take_up(entry, register, inherited, now.boot) {
            refused.push(reason);
        }
    });
    for reason in refused.iter().take(SHOWN) {
        tracing::warn!({ field::REASON } = reason, "an order by hand in the state file is not taken up");
    }
    if refused.len() > SHOWN {
        tracing::warn!({ field::COUNT } = refused.len(), "so many orders by hand in all are not taken up");
    }
    let contents = match read {
        Ok(contents) => contents,
        Err(reason) => return put_aside(path, &reason, now),
    };
    let (peers, ago) = (register.len(), humantime::format_duration(whole_seconds(contents.passed.time())));
    match contents.passed {
        Passed::SameBoot(_) | Passed::WallClock(_) => tracing::info!(
            { field::COUNT } = peers,
            { field::DURATION } = %ago,
            "state file read: {} lines, of which the sanctions, strikes and authentications that are not over go on",
            contents.lines
        ),
        Passed::AtLeast(_) => tracing::warn!(
            { field::COUNT } = peers,
            "state file read: {} lines; the wall clock has gone back, or years ahead, since it was written, so all times in \
             it go on as if it were from the last moment before this boot",
            contents.lines
        ),
    }
    Ok(())
}

/// Lets the register know; says why it will not, which only orders by hand can meet.
fn take_up(entry: Entry, register: &Register, inherited: &Inherited, now: Timestamp) -> Result<(), String> {
    match entry {
        Entry::Peer(known) => {
            let peer = known.peer().map(|peer| register.key(peer.address()));
            if let Some(peer) = peer.filter(|peer| inherited.contains(*peer)) {
                register.recall(peer, known.remembered.as_ref(), now);
                return Ok(());
            }
            if let Some(remembered) = &known.remembered {
                register.remember(remembered, now);
            }
            if let Some(held) = &known.held {
                register.hold(held, now);
            }
        }
        Entry::Order(peer, order) if order.sanction.at(now) != Sanction::None => {
            register.order(peer.address(), order, now).map_err(|error| error.to_string())?;
        }
        Entry::Allowance(allowance) if allowance.until > now => {
            register.allow(allowance, now).map_err(|error| error.to_string())?;
        }
        // It is over.
        Entry::Order(..) | Entry::Allowance(_) => {}
    }
    Ok(())
}

/// Keeps what could not be understood, for who can.
fn put_aside(path: &Path, reason: &Unreadable, now: &Moment) -> Result<(), StateError> {
    let aside = beside(path, &format!(".unread-{}", now.wall));
    std::fs::rename(path, &aside).map_err(failed(path, "put it aside, unreadable as it is"))?;
    tracing::error!(
        { field::REASON } = %reason,
        "state file {} cannot be used: it is now {}, and the start goes on without what it says",
        path.display(),
        aside.display()
    );
    Ok(())
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

fn changes(register: &Register) -> u64 {
    register.changes().wrapping_add(register.enforcer().changes())
}

/// What is remembered and what is in force, together.
fn known_of(register: &Register, shard: usize, now: Timestamp) -> impl Iterator<Item = Known> {
    let mut known: HashMap<PeerKey, Known, foldhash::fast::RandomState> = HashMap::default();
    for remembered in register.remembered(shard, now) {
        known.insert(remembered.peer, Known { remembered: Some(remembered), held: None });
    }
    for held in register.enforcer().held_in_shard(shard, now) {
        known.entry(held.peer).or_insert(Known { remembered: None, held: None }).held = Some(held);
    }
    known.into_values()
}

/// What an operator has done by hand.
fn by_hand(register: &Register, now: Timestamp) -> impl Iterator<Item = Entry> {
    let allowances = register.allowances().into_iter().map(Entry::Allowance);
    allowances.chain(register.orders(now).into_iter().map(|(peer, order)| Entry::Order(peer, order)))
}
