//! The comparisons of relaygate's load-test suite, for its commands.
//!
//! What is measured is measured from outside, by the clients and servers of `smtp-load`.
#![forbid(unsafe_code)]

pub mod command;
pub mod compare;
pub mod cpus;
pub mod digits;
pub mod handshakes;
pub mod interrupt;
pub mod judged;
pub mod namespace;
pub mod peers;
pub mod provenance;
pub mod quick;
pub mod ratio;
pub mod record;
pub mod responder;
pub mod sink_thread;
