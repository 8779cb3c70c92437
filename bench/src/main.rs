//! The load-test suite's command line.
fn main() {}
