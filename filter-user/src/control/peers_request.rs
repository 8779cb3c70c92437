//! What can be asked and ordered about peers over the control socket: the types alone.

use serde::{Deserialize, Serialize};

use super::request::Nothing;
use crate::peers::{Cursor, Sorting, State};

/// One request about peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum PeersRequest {
    /// A page of the roll.
    List(Listing),
    /// What is allowed by hand.
    Allowed(Nothing),
    /// How one peer stands.
    Show(Named),
    /// Blocks one.
    Block(Ordered),
    /// Limits one.
    Limit(Ordered),
    /// Frees one.
    Unblock(Freed),
    /// Never sanctions a network.
    Allow(Ordered),
    /// Sanctions it again like any other.
    Disallow(Named),
    /// Exempts a peer as if it had authenticated.
    Authenticate(Ordered),
    /// It has to authenticate again.
    Unauthenticate(Named),
}

impl PeersRequest {
    /// Whether it changes something.
    #[must_use]
    pub const fn is_edit(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Allowed(_) | Self::Show(_))
    }
}

/// Which page of the roll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// Only those that stand so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateName>,
    /// Only those in this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// In which order.
    #[serde(default)]
    pub sort: SortingName,
    /// How many peers at most.
    pub most: usize,
    /// Where the page before has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A peer, by one of its addresses or as the network that it is; or a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// As it was written.
    pub peer: String,
}

/// A peer that is freed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freed {
    /// As it was written.
    pub peer: String,
    /// Its strikes and earlier blocks are forgotten too.
    #[serde(default)]
    pub forget: bool,
}

/// What is ordered for a peer, or a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordered {
    /// As it was written.
    pub peer: String,
    /// For how long; for good, until it is taken back, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Makes an enum of words that stands for one of the core's.
macro_rules! words_for {
    ($(#[$about:meta])* $name:ident for $core:ident { $($(#[$own:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] #[serde(rename = $word)] $(#[$own])* $variant,)+
        }

        impl $name {
            /// All words.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// What a word stands for.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The same in the core's terms.
            #[must_use]
            pub const fn meant(self) -> $core {
                match self {
                    $(Self::$variant => $core::$variant,)+
                }
            }
        }
    };
}

words_for! {
    /// How a peer stands.
    StateName for State {
        None = "none",
        Limited = "limited",
        Blocked = "blocked",
        Authenticated = "authenticated",
        Ordered = "by-hand",
    }
}

words_for! {
    /// In which order peers are listed.
    #[derive(Default)]
    SortingName for Sorting {
        #[default]
        Peer = "address",
        Until = "until",
        Strikes = "strikes",
        LastStrike = "last-strike",
        Dropped = "dropped",
        LastDrop = "last-drop",
    }
}

/// A place in the roll as it is handed to who asks, and comes back with the next request.
#[must_use]
pub fn shown_cursor(cursor: &Cursor) -> String {
    format!("{}@{}", cursor.rank, cursor.peer)
}

/// The place that was handed out so.
#[must_use]
pub fn read_cursor(text: &str) -> Option<Cursor> {
    let (rank, peer) = text.split_once('@')?;
    let whole = filter_common::PrefixLengths { ipv4: 32, ipv6: 128 };
    let peer = filter_common::PeerKey::from_ip(peer.parse().ok()?, whole);
    Some(Cursor { rank: rank.parse().ok()?, peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_page_says() {
        let read = |text: &str| serde_json::from_str::<PeersRequest>(text);
        assert_eq!(
            read(r#"{"do":"list","most":5}"#).unwrap(),
            PeersRequest::List(Listing { most: 5, ..Listing::default() })
        );
        let all = r#"{"do":"list","state":"by-hand","network":"10.0.0.0/8","sort":"last-drop","most":1,"after":"0@10.0.0.1"}"#;
        assert_eq!(serde_json::to_string(&read(all).unwrap()).unwrap(), all);
        let block = r#"{"do":"block","peer":"192.0.2.7","seconds":600,"reason":"spam"}"#;
        assert_eq!(serde_json::to_string(&read(block).unwrap()).unwrap(), block);
        assert!(read(block).unwrap().is_edit() && !read(all).unwrap().is_edit());
        for wrong in [
            r#"{"do":"list"}"#,
            r#"{"do":"list","most":-1}"#,
            r#"{"do":"list","most":1,"sort":"colour"}"#,
            r#"{"do":"block"}"#,
            r#"{"do":"block","peer":"192.0.2.7","for":"10m"}"#,
            r#"{"do":"forget","peer":"192.0.2.7"}"#,
            "{}",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_in_the_roll_comes_back_as_it_was() {
        for (rank, peer) in [(0, "192.0.2.7"), (u64::MAX, "2001:db8:0:1::"), (7, "2001:db8::1")] {
            let whole = filter_common::PrefixLengths { ipv4: 32, ipv6: 128 };
            let cursor = Cursor { rank, peer: filter_common::PeerKey::from_ip(peer.parse().unwrap(), whole) };
            assert_eq!(read_cursor(&shown_cursor(&cursor)), Some(cursor));
        }
        for wrong in ["", "@", "1@", "@10.0.0.1", "-1@10.0.0.1", "1@here"] {
            assert_eq!(read_cursor(wrong), None, "{wrong}");
        }
    }
}
