//! Status and metrics of the running daemon.
