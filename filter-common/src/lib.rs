//! What the kernel program and userspace must agree on: peer keys, sanctions, the rule that turns them into a
//! verdict, the rate limiter's step, counters and events. Knows no map, no packet and no system call.
#![cfg_attr(not(any(test, feature = "user")), no_std)]

pub mod counter;
pub mod event;
pub mod gcra;
pub mod load_time;
pub mod peer_entry;
pub mod peer_key;
#[cfg(feature = "user")]
mod pod;
pub mod sanction;
pub mod schema;
pub mod timestamp;
pub mod verdict;

pub use counter::Counter;
pub use event::Event;
pub use gcra::Rate;
pub use load_time::LoadTime;
pub use peer_entry::PeerEntry;
pub use peer_key::{PeerKey, PrefixLengths};
pub use sanction::Sanction;
pub use timestamp::Timestamp;
pub use verdict::{Reason, Verdict};
