//! The relaygate binary: calls the command line, prints what went wrong, decides the exit code.
fn main() {}
