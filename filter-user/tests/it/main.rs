//! Everything that needs the outside: one binary, a module per subject; what needs root is in `as_root`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

mod as_root;
mod authentication;
mod authority;
mod backend_faults;
mod bad_input;
mod configs;
mod control;
mod daemon;
mod decisions;
mod delegation;
mod demo;
mod dialogue;
mod directories;
mod dovecot;
mod failover;
mod guessing;
mod haproxy;
mod idle_sessions;
mod listeners;
mod metrics;
mod netns;
mod open_relay;
mod packets;
mod peers;
mod postfix;
mod restrictions;
mod routing;
mod snapshots;
mod state_file;
mod tls;
mod transcripts;
mod true_address;
mod units;
