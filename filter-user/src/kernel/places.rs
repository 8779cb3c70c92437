//! The interfaces where the program is wanted: attached where they are, taken up again where an earlier process left it
//! pinned, followed where they go and come back.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::KernelError;
use super::hook::{self, Mode, PassedOver};
use super::interface::{index_of, xdp_program};
use super::link::{self, Found, Link};
use super::pin::{self, Pins};
use super::programs::Programs;
use crate::config::Hook;
use crate::telemetry::field;

/// Where the program is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The interface.
    pub interface: String,
    /// How.
    pub mode: Mode,
    /// Better ways that could not be had.
    pub passed_over: Vec<PassedOver>,
}

/// How it stands with an interface where the program is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is there.
    Attached(Attached),
    /// There is no such interface now.
    Absent {
        /// Its name.
        interface: String,
    },
    /// No hook takes it.
    Refused {
        /// The interface.
        interface: String,
        /// What was tried, and why it failed.
        passed_over: Vec<PassedOver>,
    },
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let passed_over = match self {
            Self::Attached(Attached { interface, mode, passed_over }) => {
                write!(f, "{mode} on {interface}")?;
                passed_over
            }
            Self::Absent { interface } => return write!(f, "{interface} is not there"),
            Self::Refused { interface, passed_over } => {
                write!(f, "not on {interface}")?;
                passed_over
            }
        };
        if passed_over.is_empty() {
            return Ok(());
        }
        let reasons: Vec<_> = passed_over.iter().map(ToString::to_string).collect();
        write!(f, " ({})", reasons.join(", "))
    }
}

/// One of them.
#[derive(Debug)]
struct Place {
    interface: String,
    index: Option<u32>,
    at: Option<(Mode, Link)>,
    passed_over: Vec<PassedOver>,
    /// What was said of it last.
    told: Option<Standing>,
}

impl Place {
    fn unknown(interface: &str) -> Self {
        Self { interface: interface.to_owned(), index: None, at: None, passed_over: Vec::new(), told: None }
    }

    fn standing(&self) -> Standing {
        let interface = self.interface.clone();
        match (&self.at, self.index) {
            (Some((mode, _)), _) => {
                Standing::Attached(Attached { interface, mode: *mode, passed_over: self.passed_over.clone() })
            }
            (None, None) => Standing::Absent { interface },
            (None, Some(_)) => Standing::Refused { interface, passed_over: self.passed_over.clone() },
        }
    }
}

/// All of them, and what is attached there.
#[derive(Debug)]
pub(super) struct Places {
    programs: Programs,
    pins: Option<Pins>,
    hook: Hook,
    places: Vec<Place>,
}

impl Places {
    /// Attaches wherever an interface is. One that takes the program nowhere is an error only where none does.
    pub(super) fn occupy(
        programs: Programs,
        pins: Option<Pins>,
        hook: Hook,
        interfaces: &[String],
    ) -> Result<Self, KernelError> {
        let mut places: Vec<Place> = Vec::with_capacity(interfaces.len());
        for interface in interfaces {
            // Named twice, it is attached once.
            if places.iter().all(|place| place.interface != *interface) {
                places.push(Place::unknown(interface));
            }
        }
        let mut all = Self { programs, pins, hook, places };
        all.leave_others()?;
        for place in 0..all.places.len() {
            all.look_at(place)?;
        }
        let standing = all.standing();
        let is_refused = |standing: &Standing| matches!(standing, Standing::Refused { .. });
        if !standing.is_empty() && standing.iter().all(is_refused) {
            let refused = standing.iter().map(ToString::to_string).collect();
            return Err(KernelError::NowhereAttached { refused });
        }
        Ok(all)
    }

    /// Gives all that is pinned to its owner.
    pub(super) fn hand_over(&self, owner: Option<(u32, u32)>) -> Result<(), KernelError> {
        if let (Some(pins), Some(owner)) = (&self.pins, owner) {
            pins.give_to(owner)?;
        }
        Ok(())
    }

    /// How it stands with each.
    pub(super) fn standing(&self) -> Vec<Standing> {
        self.places.iter().map(Place::standing).collect()
    }

    /// The programs that are attached.
    pub(super) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Lets go of interfaces that are gone and attaches to those that have come; whatever goes wrong at one keeps no
    /// other waiting.
    pub(super) fn look(&mut self) {
        for place in 0..self.places.len() {
            if let Err(error) = self.look_at(place) {
                let interface = &self.places[place].interface;
                tracing::warn!({ field::INTERFACE } = interface, { field::ERROR } = %error, "this interface is not followed now");
            }
        }
    }

    fn look_at(&mut self, place: usize) -> Result<(), KernelError> {
        let interface = self.places[place].interface.clone();
        let index = index_of(&interface).map_err(|source| KernelError::Interfaces { source })?;
        let known = &self.places[place];
        let is_settled = known.at.is_some() || index.is_none();
        if known.told.is_some() && known.index == index && is_settled {
            return Ok(());
        }
        self.vacate(place)?;
        self.places[place].index = index;
        match index {
            Some(index) => self.attach(place, &interface, index)?,
            // What an earlier process left behind.
            None => self.forget(&interface)?,
        }
        self.tell(place);
        Ok(())
    }

    fn attach(&mut self, place: usize, interface: &str, index: u32) -> Result<(), KernelError> {
        let mut passed_over = Vec::new();
        let attached = match self.take_up(interface, index, &mut passed_over)? {
            Some(taken_up) => Some(taken_up),
            None => {
                passed_over.clear();
                self.climb(hook::steps(self.hook), interface, index, &mut passed_over)?
            }
        };
        let has_filter = attached.as_ref().is_some_and(|(_, link)| link.is_filter());
        let place = &mut self.places[place];
        (place.at, place.passed_over) = (attached, passed_over);
        if !has_filter {
            // One that an earlier process left would go on beside it, on a table that nobody writes any more.
            self.leave_filter(interface);
        }
        Ok(())
    }

    /// Goes on where an earlier process has left its link: better where that can be had by now, else the same, with the
    /// program swapped. No packet comes between the two.
    fn take_up(
        &mut self,
        interface: &str,
        index: u32,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Option<(Mode, Link)>, KernelError> {
        let Some(pins) = &self.pins else { return Ok(None) };
        let Some(found) = Found::look(pins, interface)? else { return Ok(None) };
        let mode = match found.is_xdp {
            // Which of the two it is makes no difference to what follows but in words.
            true => xdp_program(index).ok().flatten().map_or(Mode::Native, |program| program.mode),
            false => Mode::Tcx,
        };
        let steps = hook::steps(self.hook);
        let is_here = found.index == Some(index);
        let Some(step) = steps.iter().position(|step| *step == mode).filter(|_| is_here) else {
            // Of another interface that had this name, or at a hook that is not wanted any more.
            return self.replace(found, interface, index, passed_over);
        };
        // Both kinds of XDP have one place, and a link in it cannot change its kind.
        let better = if mode.is_xdp() { &[] } else { &steps[..step] };
        if let Some(attached) = self.climb(better, interface, index, passed_over)? {
            return Ok(Some(attached));
        }
        match found.swap(&mut self.programs, interface) {
            Ok(link) => Ok(Some((mode, link))),
            Err(error) => {
                tracing::warn!({ field::INTERFACE } = interface, { field::ERROR } = %error, "attaching anew");
                self.unpin(interface)?;
                Ok(None)
            }
        }
    }

    /// Takes the place of a link at another hook, or of another interface. What has a place of its own comes first, so that
    /// no packet goes unjudged; for a moment one is judged at both, and may be counted and limited twice.
    fn replace(
        &mut self,
        found: Found,
        interface: &str,
        index: u32,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Option<(Mode, Link)>, KernelError> {
        let steps = hook::steps(self.hook);
        // Of the two kinds of XDP there is one at a time.
        let is_in_the_way =
            found.is_xdp && found.index == Some(index) && steps.iter().any(|step| step.is_xdp());
        let before = if is_in_the_way { &[] } else { steps };
        let attached = self.climb(before, interface, index, passed_over)?;
        // What was attached has taken the place of its pin already.
        let is_replaced = attached.is_some();
        Found::take_off(vec![(interface.to_owned(), found)], || match is_replaced {
            true => Ok(()),
            false => self.unpin(interface),
        })?;
        Ok(attached)
    }

    /// Attaches at the best of these steps, so that it outlasts this process where that is wanted.
    fn climb(
        &mut self,
        steps: &[Mode],
        interface: &str,
        index: u32,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Option<(Mode, Link)>, KernelError> {
        let climbed = hook::climb(&mut self.programs, steps, interface, index, passed_over);
        let Some((mode, link)) = climbed else { return Ok(None) };
        let link = match &self.pins {
            Some(pins) => link.pin(pins, interface, &mut self.programs)?,
            None => link,
        };
        Ok(Some((mode, link)))
    }

    fn unpin(&self, interface: &str) -> Result<(), KernelError> {
        if let Some(pins) = &self.pins {
            pins.remove(&pin::link_of(interface))?;
        }
        Ok(())
    }

    /// Takes away all that tells of an interface.
    fn forget(&self, interface: &str) -> Result<(), KernelError> {
        self.unpin(interface)?;
        if let Some(pins) = &self.pins {
            pins.remove(&pin::filter_of(interface))?;
        }
        Ok(())
    }

    /// Takes a filter off that an earlier process has left, where the pins tell of one: another could be that of a daemon
    /// with pins of its own. What keeps it there keeps nothing else from going on.
    fn leave_filter(&self, interface: &str) {
        let Some(pins) = &self.pins else { return };
        let left = pins.filters().map_err(KernelError::from).and_then(|filters| {
            let is_ours = filters.iter().any(|filter| filter == interface);
            if is_ours { link::remove_filter(interface, Some(pins)) } else { Ok(()) }
        });
        if let Err(error) = left {
            tracing::warn!(
                { field::INTERFACE } = interface,
                { field::ERROR } = %error,
                "nobody looks after this filter any more"
            );
        }
    }

    fn vacate(&mut self, place: usize) -> Result<(), KernelError> {
        match self.places[place].at.take() {
            Some((_, link)) => link.release(self.pins.as_ref()),
            None => Ok(()),
        }
    }

    /// Takes the program off interfaces where an earlier process had it and where it is not wanted any more.
    fn leave_others(&self) -> Result<(), KernelError> {
        let Some(pins) = &self.pins else { return Ok(()) };
        let is_left = |interface: &String| self.places.iter().all(|place| place.interface != *interface);
        let told = |interface| {
            tracing::info!(
                { field::INTERFACE } = interface,
                "taken off this interface, which is not set any more"
            );
        };
        for interface in pins.links()?.into_iter().filter(is_left) {
            let found = Found::look(pins, &interface)?.map(|found| (interface.clone(), found));
            Found::take_off(found.into_iter().collect(), || self.unpin(&interface))?;
            told(interface);
        }
        for interface in pins.filters()?.into_iter().filter(is_left) {
            self.leave_filter(&interface);
            told(interface);
        }
        Ok(())
    }

    /// Says what has changed.
    fn tell(&mut self, place: usize) {
        let place = &mut self.places[place];
        let standing = place.standing();
        if place.told.as_ref() == Some(&standing) {
            return;
        }
        place.told = Some(standing.clone());
        let reason = standing.to_string();
        match &standing {
            Standing::Attached(Attached { interface, passed_over, .. }) if passed_over.is_empty() => {
                tracing::info!(
                    { field::INTERFACE } = interface,
                    { field::REASON } = reason,
                    "sanctions are enforced in the kernel"
                );
            }
            Standing::Attached(Attached { interface, .. }) => {
                tracing::warn!(
                    { field::INTERFACE } = interface,
                    { field::REASON } = reason,
                    "sanctions are enforced in the kernel, not at the best of its hooks"
                );
            }
            Standing::Absent { interface } | Standing::Refused { interface, .. } => {
                tracing::warn!(
                    { field::INTERFACE } = interface,
                    { field::REASON } = reason,
                    "on this interface sanctions are enforced when connections are accepted"
                );
            }
        }
    }
}

/// Places, for whoever asks about them or follows the interfaces.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<RwLock<Places>>);

impl Shared {
    pub(super) fn new(places: Places) -> Self {
        Self(Arc::new(RwLock::new(places)))
    }

    pub(super) fn lock(&self) -> RwLockWriteGuard<'_, Places> {
        // What a panic may have left undone, the next look does.
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// To ask alone: several may at once.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Places> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
