//! What the kernel program and userspace must agree on: peer keys, sanctions, the table of hosts, how a packet is read,
//! judged and answered, the rate limiter's step, counters and events. Pure, but for the one system call that maps a map's
//! memory (feature `user`).
#![cfg_attr(not(any(test, feature = "user")), no_std)]

pub mod address;
pub mod captured;
pub mod checksum;
pub mod control;
pub mod counter;
pub mod event;
pub mod gcra;
pub mod head;
pub mod judge;
pub mod load_time;
#[cfg(feature = "user")]
mod mapped;
pub mod network_entry;
pub mod packet;
pub mod peer_key;
#[cfg(feature = "user")]
mod pod;
pub mod reply;
pub mod sanction;
pub mod schema;
pub mod table;
pub mod timestamp;
pub mod verdict;

pub use address::Address;
pub use captured::Captured;
pub use control::Control;
pub use counter::Counter;
pub use event::Event;
pub use gcra::Rate;
pub use head::Head;
pub use load_time::LoadTime;
#[cfg(feature = "user")]
pub use mapped::Mapped;
pub use network_entry::NetworkEntry;
pub use peer_key::{PeerKey, PrefixLengths};
pub use sanction::Sanction;
pub use timestamp::Timestamp;
pub use verdict::{BlockAction, Reason, Verdict};
