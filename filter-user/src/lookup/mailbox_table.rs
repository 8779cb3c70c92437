//! Keys of mailboxes in as little memory as they need: their octets one behind the other, and a table of where each
//! begins. So a million addresses are two blocks of memory, made and dropped as such.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::key::Key;

/// A set of keys; see [`Key`].
#[derive(Debug, Default)]
pub(super) struct MailboxTable {
    /// The length of a key in one octet, then the key; and the next.
    octets: Vec<u8>,
    /// Where each begins.
    begins: HashTable<u32>,
    hasher: RandomState,
}

/// There is no room for more: keys may take 4 GiB.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

// A length has one octet.
const _: () = assert!(Key::MAX <= u8::MAX as usize);

impl MailboxTable {
    /// An empty one, with room for so many keys of so many octets in all.
    pub(super) fn with_room_for(keys: usize, octets: usize) -> Self {
        Self {
            octets: Vec::with_capacity(octets),
            begins: HashTable::with_capacity(keys),
            hasher: RandomState::default(),
        }
    }

    /// Takes a key, if it is not there yet.
    pub(super) fn insert(&mut self, key: &[u8]) -> Result<(), Full> {
        let Self { octets, begins, hasher } = self;
        let begin = u32::try_from(octets.len()).map_err(|_| Full)?;
        let length = u8::try_from(key.len()).map_err(|_| Full)?;
        octets.push(length);
        octets.extend_from_slice(key);
        let hash_at = |begin: &u32| hasher.hash_one(key_at(octets, *begin));
        match begins.entry(hasher.hash_one(key), |begin| key_at(octets, *begin) == key, hash_at) {
            Entry::Vacant(place) => {
                place.insert(begin);
            }
            Entry::Occupied(_) => octets.truncate(begin as usize),
        }
        Ok(())
    }

    /// Whether it has this key.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.begins.find(self.hasher.hash_one(key), |&begin| key_at(&self.octets, begin) == key).is_some()
    }

    /// How many keys it has.
    pub(super) fn len(&self) -> usize {
        self.begins.len()
    }

    /// Gives back the memory that it does not need: no more keys will come.
    pub(super) fn shrink(&mut self) {
        let Self { octets, begins, hasher } = self;
        octets.shrink_to_fit();
        begins.shrink_to_fit(|&begin| hasher.hash_one(key_at(octets, begin)));
    }
}

fn key_at(octets: &[u8], begin: u32) -> &[u8] {
    let begin = begin as usize;
    let first = begin + 1;
    &octets[first..first + usize::from(octets[begin])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_what_was_put_in_once() {
        let mut table = MailboxTable::default();
        let keys: Vec<String> = (0..5000).map(|number| format!("user{number}")).collect();
        for key in keys.iter().chain(&keys[..100]) {
            table.insert(key.as_bytes()).unwrap();
        }
        table.shrink();
        assert_eq!(table.len(), keys.len());
        assert!(keys.iter().all(|key| table.contains(key.as_bytes())));
        assert!(!table.contains(b"user") && !table.contains(b"user5000") && !table.contains(b""));
    }
}
