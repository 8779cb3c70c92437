//! Sockets, sessions and the backend: drives the core.
