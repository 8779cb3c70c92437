//! relaygate: an SMTP filter that decides at RCPT whether a message may be relayed, and sanctions who keeps trying.
//!
//! The modules stand in layer order. The **core** (`octets`, `address`, `network_map`, `smtp`, `policy`, `peers`) takes bytes, addresses and
//! instants and gives decisions and replies; it knows no socket, file, clock or kernel, and is all there is without
//! the feature `daemon`. The **shell** around it does the rest. `docs/architecture.md` says who may know whom.
#![forbid(unsafe_code)]

// the core
pub mod address;
mod network_map;
mod octets;
pub mod peers;
pub mod policy;
pub mod smtp;

// the shell
#[cfg(feature = "daemon")]
pub mod auth;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod control;
#[cfg(feature = "daemon")]
pub mod delegation;
#[cfg(feature = "daemon")]
pub mod judge;
#[cfg(feature = "daemon")]
pub mod kernel;
#[cfg(feature = "daemon")]
pub mod lookup;
#[cfg(feature = "daemon")]
pub mod privilege;
#[cfg(feature = "daemon")]
pub mod proxy;
#[cfg(feature = "daemon")]
pub mod state;
#[cfg(feature = "daemon")]
pub mod telemetry;
