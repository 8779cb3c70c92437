//! Everything that needs the outside: one binary, a module per subject.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

mod daemon;
mod decisions;
mod delivery;
mod dialogue;
mod kb_q255695;
mod netns;
mod packets;
mod postfix;

mod configs;
