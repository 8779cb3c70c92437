//! The command line of relaygate's build system.
fn main() {}
