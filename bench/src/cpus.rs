//! Which CPU servers run on, and which those who drive them.

use std::thread::available_parallelism;

/// One each; none, on a machine with but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// Of the servers.
    pub servers: Option<usize>,
    /// Of clients and sink.
    pub clients: Option<usize>,
}

impl Cpus {
    /// The servers' as given, the clients' the one before it; or after, where it is 0.
    #[must_use]
    pub fn with_servers_on(cpu: usize) -> Self {
        let all = available_parallelism().map_or(1, usize::from);
        match (all, cpu) {
            (1, _) => Self { servers: None, clients: None },
            (_, 0) => Self { servers: Some(0), clients: Some(1) },
            (_, cpu) => Self { servers: Some(cpu), clients: Some(cpu - 1) },
        }
    }
}
