//! What was counted of a figure that is judged.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// CPU time of a whole run by the kernel, for each packet.
    NanosecondsRun,
    /// CPU time of the program alone, for each packet.
    NanosecondsProgram,
    /// CPU time of the whole receive path, for each packet.
    NanosecondsReceived,
    /// Memory of the kernel.
    Mebibytes,
    /// Sanctions put into the table.
    MillionsASecond,
    /// From the call that blocks to the first packet that is dropped.
    Microseconds,
    /// Time of one thread, for each piece of work.
    NanosecondsEach,
    /// Octets that one thread gets through.
    GigabytesASecond,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NanosecondsRun => "ns, run",
            Self::NanosecondsProgram => "ns, program",
            Self::NanosecondsReceived => "ns, received",
            Self::Mebibytes => "MiB",
            Self::MillionsASecond => "million/s",
            Self::Microseconds => "us",
            Self::NanosecondsEach => "ns, each",
            Self::GigabytesASecond => "GB/s",
        })
    }
}
