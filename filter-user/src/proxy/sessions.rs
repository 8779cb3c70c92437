//! The sessions of one worker, each in its place: here, waiting for its client and served from the event loop, or away
//! in a task of its own, waiting for something else. An idle session is a row in this table, and nothing more.

use std::net::TcpStream;
use std::task::Waker;
use std::time::Instant;

use filter_common::PeerKey;
use slab::Slab;

use super::driver::Driver;

/// A session with its socket.
#[derive(Debug)]
pub(super) struct Here {
    /// What was said and what is to be said.
    pub(super) driver: Driver,
    /// Its connection, non-blocking.
    pub(super) socket: TcpStream,
}

/// What is kept of a session while a task has it.
#[derive(Debug)]
struct Away {
    peer: PeerKey,
    reset: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are here; a box for each is what this table saves")]
enum Place {
    Here(Here),
    Away(Away),
}

/// All sessions of a worker.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    places: Slab<Place>,
}

impl Sessions {
    /// The place that the next session gets.
    pub(super) fn next(&self) -> usize {
        self.places.vacant_key()
    }

    /// A new session, at the place that was promised.
    pub(super) fn insert(&mut self, here: Here) -> usize {
        self.places.insert(Place::Here(here))
    }

    /// A session that is here.
    pub(super) fn here(&mut self, place: usize) -> Option<&mut Here> {
        match self.places.get_mut(place) {
            Some(Place::Here(here)) => Some(here),
            Some(Place::Away(_)) | None => None,
        }
    }

    /// A session is over; those that are away end their own way.
    pub(super) fn remove_here(&mut self, place: usize) -> Option<Here> {
        self.here(place)?;
        match self.places.try_remove(place) {
            Some(Place::Here(here)) => Some(here),
            Some(Place::Away(_)) | None => None,
        }
    }

    /// Gives a session to a task; its place stays its own.
    pub(super) fn send_away(&mut self, place: usize) -> Option<Here> {
        let kept = self.places.get_mut(place)?;
        let Place::Here(here) = kept else { return None };
        let away = Place::Away(Away { peer: here.driver.peer, reset: false, waker: None });
        match std::mem::replace(kept, away) {
            Place::Here(here) => Some(here),
            Place::Away(_) => None,
        }
    }

    /// A task gives it back.
    pub(super) fn bring_back(&mut self, place: usize, here: Here) {
        if let Some(kept) = self.places.get_mut(place) {
            *kept = Place::Here(here);
        }
    }

    /// A task has ended it.
    pub(super) fn end_away(&mut self, place: usize) {
        self.places.try_remove(place);
    }

    /// Whether a session that is away is to end by a reset; if not yet, whom to wake when it is.
    pub(super) fn is_reset(&mut self, place: usize, waker: &Waker) -> bool {
        let Some(Place::Away(away)) = self.places.get_mut(place) else { return false };
        match &mut away.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        away.reset
    }

    /// A session that is away turns out to be another peer's.
    pub(super) fn is_of(&mut self, place: usize, peer: PeerKey) {
        if let Some(Place::Away(away)) = self.places.get_mut(place) {
            away.peer = peer;
        }
    }

    /// The peer was blocked: tells its sessions that are away, and gives the places of those that are here.
    pub(super) fn reset(&mut self, peer: PeerKey) -> Vec<usize> {
        let mut places = Vec::new();
        for (place, kept) in &mut self.places {
            match kept {
                Place::Here(here) if here.driver.peer == peer => places.push(place),
                Place::Away(away) if away.peer == peer => {
                    away.reset = true;
                    if let Some(waker) = &away.waker {
                        waker.wake_by_ref();
                    }
                }
                Place::Here(_) | Place::Away(_) => {}
            }
        }
        places
    }

    /// The places of sessions that are here and of which this holds.
    pub(super) fn places_of(&self, holds: impl Fn(&Driver) -> bool) -> Vec<usize> {
        let fits = |(place, kept): (usize, &Place)| match kept {
            Place::Here(here) if holds(&here.driver) => Some(place),
            Place::Here(_) | Place::Away(_) => None,
        };
        self.places.iter().filter_map(fits).collect()
    }

    /// The places of sessions that are here and have taken too long.
    pub(super) fn overdue(&self, now: Instant) -> Vec<usize> {
        self.places_of(|driver| driver.deadline() <= now)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}
