//! What the kernel program and userspace must agree on: peer keys, sanctions, the rule that turns them into a
//! verdict, the rate limiter's step, counters and events. Knows no map, no packet and no system call.
#![cfg_attr(not(feature = "user"), no_std)]

pub mod gcra;
pub mod peer_key;
pub mod sanction;
pub mod timestamp;

pub use gcra::Rate;
pub use peer_key::{PeerKey, PrefixLengths};
pub use sanction::Sanction;
pub use timestamp::Timestamp;
