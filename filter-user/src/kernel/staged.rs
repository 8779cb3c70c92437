//! The pins of a start, put into the places of an earlier process's all at once. They are made beside those, under names
//! of their own, and renamed one by one from the moment at which they are whole. Whoever comes after a process that was
//! killed in between finishes that, or sweeps it away: there is always one whole set, the old or the new.

use std::path::PathBuf;

use super::maps::HEAD;
use super::pin::Pins;
use super::pin_fault::PinFault;
use super::{generation, settings};

/// Before the name of a pin that is not in its place yet.
const STAGED: &str = "staged-";

/// Of the pins whose names begin so there is one in a set: it takes the place of all others.
const FAMILIES: [&str; 2] = [generation::PIN, settings::PIN];

/// Pins beside those that are in force. Dropped before they are put into their places, they are gone.
pub(super) struct Staged {
    pins: Pins,
    is_whole: bool,
}

impl Staged {
    /// None yet.
    pub(super) fn new(pins: &Pins) -> Result<Self, PinFault> {
        Ok(Self { pins: pins.another()?, is_whole: false })
    }

    /// The directory that they are in.
    pub(super) const fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Makes one, for the place of this name.
    pub(super) fn pin<E: Into<PinFault>>(
        &self,
        name: &str,
        pin: impl FnOnce(PathBuf) -> Result<(), E>,
    ) -> Result<(), PinFault> {
        self.pins.replace(&format!("{STAGED}{name}"), pin)
    }

    /// Makes the last one, `HEAD`, by which they are whole, and puts all into their places.
    pub(super) fn commit<E: Into<PinFault>>(
        mut self,
        head: impl FnOnce(PathBuf) -> Result<(), E>,
    ) -> Result<(), PinFault> {
        self.pin(HEAD, head)?;
        self.is_whole = true;
        settle(&self.pins)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Where it cannot be done now, the next process does it.
        if !self.is_whole {
            let _ = settle(&self.pins);
        }
    }
}

/// Finishes what a process was doing that has ended.
pub(super) fn settle(pins: &Pins) -> Result<(), PinFault> {
    steps(&pins.names()?).iter().try_for_each(|step| step.take(pins))
}

/// One of the things to be done. What is left to do follows from the names alone, after each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Remove(String),
    /// The staged pin of this name goes into its place.
    Place(String),
}

impl Step {
    fn take(&self, pins: &Pins) -> Result<(), PinFault> {
        match self {
            Self::Remove(name) => pins.remove(name).map(drop),
            Self::Place(name) => pins.rename(&format!("{STAGED}{name}"), name),
        }
    }
}

fn steps(names: &[String]) -> Vec<Step> {
    let mut staged: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(STAGED)).collect();
    if !staged.contains(&HEAD) {
        return staged.iter().map(|name| Step::Remove(format!("{STAGED}{name}"))).collect();
    }
    // As the last: it tells that the others are whole.
    staged.sort_unstable_by_key(|name| *name == HEAD);
    let replaced = |name: &&String| {
        let family = FAMILIES.iter().find(|family| name.starts_with(**family));
        family.is_some_and(|family| staged.iter().any(|new| new.starts_with(family) && new != name))
    };
    let removed = names.iter().filter(replaced).map(|name| Step::Remove(name.clone()));
    removed.chain(staged.iter().map(|name| Step::Place((*name).to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What is pinned, by its name: the old set or the new.
    type Folder = BTreeMap<String, bool>;

    fn names(folder: &Folder) -> Vec<String> {
        folder.keys().cloned().collect()
    }

    fn take(step: &Step, folder: &mut Folder) {
        match step {
            Step::Remove(name) => drop(folder.remove(name)),
            Step::Place(name) => {
                let staged = folder.remove(&format!("{STAGED}{name}")).unwrap();
                folder.insert(name.clone(), staged);
            }
        }
    }

    fn finish(folder: &mut Folder) {
        for step in steps(&names(folder)) {
            take(&step, folder);
        }
    }

    const OLD: [&str; 6] = ["CONTROL", "HEAD", "hosts-14", "link-e0", "relaygate", "settings-0a"];
    const NEW: [&str; 5] = ["CONTROL", "hosts-9", "relaygate", "settings-0b", "HEAD"];

    fn old() -> Folder {
        OLD.map(|name| (name.to_owned(), false)).into()
    }

    #[test]
    fn killed_at_any_moment_one_whole_set_is_left() {
        let mut staging = old();
        for name in NEW {
            let mut killed = staging.clone();
            finish(&mut killed);
            assert_eq!(killed, old(), "killed before {name} was staged");
            staging.insert(format!("{STAGED}{name}"), true);
        }
        let mut new: Folder = NEW.map(|name| (name.to_owned(), true)).into();
        new.insert("link-e0".to_owned(), false);
        let all = steps(&names(&staging));
        assert_eq!(all.len(), NEW.len() + 2, "the table and the settings of before go: {all:?}");
        for taken in 0..=all.len() {
            let mut killed = staging.clone();
            all.iter().take(taken).for_each(|step| take(step, &mut killed));
            finish(&mut killed);
            assert_eq!(killed, new, "killed after {taken} of {all:?}");
        }
    }

    #[test]
    fn a_table_that_goes_on_is_not_removed() {
        let mut folder = old();
        for name in ["CONTROL", "HEAD", "settings-0a"] {
            folder.insert(format!("{STAGED}{name}"), true);
        }
        finish(&mut folder);
        assert_eq!(folder.get("hosts-14"), Some(&false));
        assert_eq!(folder.get("settings-0a"), Some(&true));
        assert_eq!(folder.len(), OLD.len());
    }
}
