//! What a mailbox is known under, in every directory and in the cache: the number of its domain, and its local-part
//! without quotes and, as configured, in lower case. Code points are compared as they are, without Unicode normalisation.

use super::mailbox_line::MAX_LOCAL_PART;
use crate::address::disguise::unquoted;
use crate::address::fold_case;

/// A mailbox's key, made without allocating.
#[derive(Clone, Copy)]
pub(super) struct Key {
    octets: [u8; Self::PREFIX + Self::MAX_FOLDED],
    end: usize,
}

impl Key {
    /// Room for the number of a domain, seven bits an octet.
    const PREFIX: usize = 5;
    /// Lower case can be longer: two octets can become three.
    const MAX_FOLDED: usize = 2 * MAX_LOCAL_PART;
    /// The longest key.
    pub(super) const MAX: usize = Self::PREFIX + Self::MAX_FOLDED;

    /// The key of a local-part; nothing for one that is longer than any that a directory can hold.
    pub(super) fn new(local_part: &str, case_sensitive: bool) -> Option<Self> {
        let mut key = Self { octets: [0; Self::MAX], end: Self::PREFIX };
        if local_part.is_ascii() && !local_part.starts_with('"') {
            // Nearly all: what is written is what is compared, but for its case.
            key.end += local_part.len();
            let room = key.octets.get_mut(Self::PREFIX..key.end)?;
            room.copy_from_slice(local_part.as_bytes());
            if !case_sensitive {
                room.make_ascii_lowercase();
            }
            return Some(key);
        }
        for character in unquoted(local_part) {
            key.push(if case_sensitive { character } else { fold_case(character) })?;
        }
        Some(key)
    }

    fn push(&mut self, character: char) -> Option<()> {
        let room = self.octets.get_mut(self.end..self.end + character.len_utf8())?;
        character.encode_utf8(room);
        self.end += character.len_utf8();
        Some(())
    }

    /// The local-part, as it is compared.
    pub(super) fn local_part(&self) -> &str {
        // Made of whole characters, and cut before an ASCII one.
        std::str::from_utf8(&self.octets[Self::PREFIX..self.end]).unwrap_or_default()
    }

    /// The octets, for the domain of this number or for every domain.
    pub(super) fn of(&mut self, domain: Option<u32>) -> &[u8] {
        let mut number = domain.map_or(0, |number| u64::from(number) + 1);
        let mut start = Self::PREFIX - 1;
        // The last octet of the number has the high bit, so that no number is the end of another.
        self.octets[start] = 0x80 | (number & 0x7f) as u8;
        number >>= 7;
        while number > 0 {
            start -= 1;
            self.octets[start] = (number & 0x7f) as u8;
            number >>= 7;
        }
        &self.octets[start..self.end]
    }

    /// The key of the mailbox that this is an extension of (`user` of `user+tag`), if one of these delimiters divides it.
    pub(super) fn base(&self, delimiters: &str) -> Option<Self> {
        let at = self.local_part().find(|character| delimiters.contains(character))?;
        (at > 0).then(|| Self { end: Self::PREFIX + at, ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(local_part: &str) -> Key {
        Key::new(local_part, false).unwrap()
    }

    #[test]
    fn what_is_written_differently_and_means_the_same_has_one_key() {
        for same in ["User", "\"user\"", r#""U\ser""#] {
            assert_eq!(key(same).of(Some(7)), key("user").of(Some(7)), "{same}");
        }
        assert_eq!(key("ÜNI").local_part(), "üni");
        assert_eq!(Key::new("User", true).unwrap().local_part(), "User");
        assert!(Key::new(&"a".repeat(Key::MAX_FOLDED + 1), false).is_none());
    }

    #[test]
    fn no_two_domains_share_a_key() {
        let domains = [None, Some(0), Some(1), Some(126), Some(127), Some(128), Some(16_383), Some(1 << 30)];
        let mut keys: Vec<Vec<u8>> = domains.iter().map(|&domain| key("user").of(domain).to_vec()).collect();
        assert_eq!((keys[0].len(), keys[7].len()), (5, 9));
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), domains.len());
    }

    #[test]
    fn an_extension_has_a_base() {
        for (local_part, delimiters, base) in [
            ("user+tag", "+", Some("user")),
            ("user+tag-more", "-+", Some("user")),
            ("\"a b+c\"", "+", Some("a b")),
            ("user-tag", "+", None),
            ("+tag", "+", None),
            ("user", "", None),
        ] {
            let found = key(local_part).base(delimiters);
            assert_eq!(found.as_ref().map(Key::local_part), base, "{local_part}");
        }
    }
}
