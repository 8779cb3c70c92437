//! The state file: what is remembered of peers and what is in force for them, over a restart and a reboot. Decides nothing:
//! `peers` gives values and takes them back.
//!
//! The file is lines of JSON (`line`): a header that names the format and the moment, a line for each peer and for each order by hand, and an end. Times in
//! it are how long from that moment; `moment` says how they are carried over to another.

mod by_hand;
mod clocks;
mod error;
mod file;
mod keeper;
mod line;
mod moment;

pub use clocks::boot_id;
pub use error::StateError;
pub use keeper::Keeper;
pub use moment::Moment;
