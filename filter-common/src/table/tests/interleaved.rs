//! A reader on another CPU while the writer writes, in every order that the memory model of Rust allows (loom): the
//! same reader and the same writer that run in production. Strictly more orders than the machines have.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};

use super::super::{BUCKET_WORDS, Kind, Memory, Meter, Place, Standing, Table, Words, find};
use super::{SEED, peer, standing};
use crate::PeerKey;

/// Two buckets: all that a host's two choices can be.
const GENERATION: u32 = 1;

/// Words whose every order is tried.
#[derive(Clone)]
struct Modelled(Arc<Vec<AtomicU64>>);

impl Modelled {
    fn new() -> Self {
        Self(Arc::new((0..BUCKET_WORDS << GENERATION).map(|_| AtomicU64::new(0)).collect()))
    }

    /// What a packet of this peer would meet.
    fn look_up(&self, peer: PeerKey, has_fences: bool) -> Option<Standing> {
        let place = SEED.place(peer);
        buckets(place).into_iter().find_map(|bucket| {
            let bucket = Bucket { words: &self.0, first: bucket as usize * BUCKET_WORDS, has_fences };
            find(&bucket, peer.words(), place.tag)?.state.standing()
        })
    }
}

impl Memory for Modelled {
    fn words(&self) -> usize {
        self.0.len()
    }
    fn load(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::Relaxed)
    }
    fn store(&self, at: usize, word: u64) {
        fence(Ordering::Release);
        self.0[at].store(word, Ordering::Relaxed);
    }
    fn add(&self, at: usize, more: u64) -> u64 {
        self.0[at].fetch_add(more, Ordering::Relaxed)
    }
    fn swap(&self, at: usize, word: u64) -> u64 {
        self.0[at].swap(word, Ordering::Relaxed)
    }
}

struct Bucket<'a> {
    words: &'a [AtomicU64],
    first: usize,
    has_fences: bool,
}

impl Words for Bucket<'_> {
    fn word(&self, index: usize) -> u64 {
        self.words[self.first + index].load(Ordering::Relaxed)
    }
    fn fence(&self) {
        if self.has_fences {
            fence(Ordering::Acquire);
        }
    }
    fn slot(&self, first: usize) -> Self {
        Self { words: self.words, first: self.first + first, has_fences: self.has_fences }
    }
}

fn buckets(place: Place) -> [u32; 2] {
    [place.first(GENERATION), place.second(GENERATION)]
}

/// Hosts that lie in these two buckets, in this order.
fn hosts_in(wanted: [u32; 2]) -> impl Iterator<Item = PeerKey> {
    (0..).map(peer).filter(move |peer| buckets(SEED.place(*peer)) == wanted)
}

/// Two hosts that no reader tells apart but by their keys: the same buckets, the same tag.
fn twins() -> [PeerKey; 2] {
    let [one, other] = {
        let mut seen = std::collections::HashMap::new();
        hosts_in([0, 0]).find_map(|peer| Some([seen.insert(SEED.place(peer).tag, peer)?, peer])).unwrap()
    };
    [one, other]
}

const BLOCKED: u64 = 5;
const EXEMPT: u64 = 9;

/// The writer takes a host out and puts another into its place; a reader looks for one of them.
fn reuse(looks_for: impl Fn([PeerKey; 2]) -> PeerKey, may_find: Standing, has_fences: bool) {
    let [one, other] = twins();
    let wanted = looks_for([one, other]);
    loom::model(move || {
        let memory = Modelled::new();
        let mut table = Table::adopted(memory.clone(), SEED, GENERATION);
        table.insert(one, standing(Kind::Blocked, BLOCKED), Meter::default()).unwrap();
        let reader = loom::thread::spawn(move || {
            let found = memory.look_up(wanted, has_fences);
            assert!(found.is_none() || found == Some(may_find), "{found:?}");
        });
        table.remove(one);
        table.insert(other, standing(Kind::Authenticated, EXEMPT), Meter::default()).unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn one_host_is_never_taken_for_another_that_had_its_slot() {
    reuse(|[_, other]| other, standing(Kind::Authenticated, EXEMPT), true);
}

#[test]
fn nor_for_another_that_gets_it() {
    reuse(|[one, _]| one, standing(Kind::Blocked, BLOCKED), true);
}

#[test]
#[should_panic(expected = "Some(Standing")]
fn without_fences_it_would_be() {
    reuse(|[_, other]| other, standing(Kind::Authenticated, EXEMPT), false);
}

#[test]
fn a_host_that_moves_is_found_as_it_is_or_not_at_all_and_is_there_again_at_once() {
    // Two in the first bucket; a third that may only lie there; so one of the two must move.
    let [resident, third] = [hosts_in([0, 1]).next().unwrap(), hosts_in([0, 0]).next().unwrap()];
    let beside = hosts_in([0, 0]).nth(1).unwrap();
    loom::model(move || {
        let memory = Modelled::new();
        let mut table = Table::adopted(memory.clone(), SEED, GENERATION);
        for host in [resident, beside] {
            table.insert(host, standing(Kind::Blocked, BLOCKED), Meter::default()).unwrap();
        }
        let reader = {
            let memory = memory.clone();
            loom::thread::spawn(move || {
                let found = memory.look_up(resident, true);
                assert!(found.is_none() || found == Some(standing(Kind::Blocked, BLOCKED)), "{found:?}");
                let stayed = memory.look_up(beside, true);
                assert_eq!(
                    stayed,
                    Some(standing(Kind::Blocked, BLOCKED)),
                    "who does not move is always found"
                );
            })
        };
        table.insert(third, standing(Kind::Limited, EXEMPT), Meter::default()).unwrap();
        // The race is over for this thread: nobody is missing.
        assert_eq!(memory.look_up(resident, true), Some(standing(Kind::Blocked, BLOCKED)));
        reader.join().unwrap();
        assert_eq!(memory.look_up(third, true), Some(standing(Kind::Limited, EXEMPT)));
    });
}

#[test]
fn a_host_whose_sanction_changes_has_the_one_or_the_other_at_every_moment() {
    let host = hosts_in([1, 0]).next().unwrap();
    loom::model(move || {
        let memory = Modelled::new();
        let mut table = Table::adopted(memory.clone(), SEED, GENERATION);
        table.insert(host, standing(Kind::Limited, EXEMPT), Meter::default()).unwrap();
        let reader = loom::thread::spawn(move || {
            let found = memory.look_up(host, true).expect("it is there all the time");
            assert!([standing(Kind::Limited, EXEMPT), standing(Kind::Blocked, BLOCKED)].contains(&found));
        });
        table.insert(host, standing(Kind::Blocked, BLOCKED), Meter::default()).unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_host_that_comes_is_there_whole_or_not_at_all() {
    let host = hosts_in([1, 0]).next().unwrap();
    loom::model(move || {
        let memory = Modelled::new();
        let mut table = Table::adopted(memory.clone(), SEED, GENERATION);
        let reader = loom::thread::spawn(move || {
            let found = memory.look_up(host, true);
            assert!(found.is_none() || found == Some(standing(Kind::Blocked, BLOCKED)), "{found:?}");
        });
        table.insert(host, standing(Kind::Blocked, BLOCKED), Meter::default()).unwrap();
        reader.join().unwrap();
    });
}
