//! Everything that needs the outside: one binary, a module per subject.
// clippy.toml allows unwrap in test functions, not in what they call.
#![allow(clippy::unwrap_used)]

mod configs;
