//! What the kernel program and userspace must agree on: peer keys, sanctions, the rule that turns them into a
//! verdict, the table of hosts, the rate limiter's step, counters and events. Knows no packet, and no system call but
//! the one that maps a map's memory (feature `user`).
#![cfg_attr(not(any(test, feature = "user")), no_std)]

pub mod control;
pub mod counter;
pub mod event;
pub mod gcra;
pub mod head;
pub mod load_time;
#[cfg(feature = "user")]
mod mapped;
pub mod peer_entry;
pub mod peer_key;
#[cfg(feature = "user")]
mod pod;
pub mod sanction;
pub mod schema;
pub mod table;
pub mod timestamp;
pub mod verdict;

pub use control::Control;
pub use counter::Counter;
pub use event::Event;
pub use gcra::Rate;
pub use head::Head;
pub use load_time::LoadTime;
#[cfg(feature = "user")]
pub use mapped::Mapped;
pub use peer_entry::PeerEntry;
pub use peer_key::{PeerKey, PrefixLengths};
pub use sanction::Sanction;
pub use timestamp::Timestamp;
pub use verdict::{Reason, Verdict};
