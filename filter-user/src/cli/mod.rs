//! The command line: puts everything together; nobody imports it.
