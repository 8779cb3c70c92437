//! What a result is of: which subcommand took it, when, on what machine, with which settings. Every result for programs
//! begins with it, and without it `bench report` reads none.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::record;

/// Of the results that this program writes and reads. One more, whenever a field of them changes its meaning or goes.
pub const FORMAT: u32 = 1;

/// The beginning of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The subcommand that took it.
    pub bench: String,
    /// See [`FORMAT`].
    pub format: u32,
    /// When it was taken: the end of the run, in UTC.
    pub time: String,
    /// The processor, as it names itself, and how many there are.
    pub machine: String,
    /// Of Linux.
    pub kernel: String,
    /// Of relaygate and of this program, which are built together.
    pub version: String,
    /// What the subcommand was given, as it was given.
    pub settings: Vec<String>,
}

impl Provenance {
    /// Of what this process has just taken.
    #[must_use]
    pub fn of(bench: &str) -> Self {
        // How it is printed is no setting of what is measured.
        let settings = std::env::args().skip(2).filter(|argument| argument != "--json");
        Self {
            bench: bench.to_owned(),
            format: FORMAT,
            time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            machine: record::machine(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: settings.collect(),
        }
    }

    /// In one line, for people.
    #[must_use]
    pub fn machine_and_kernel(&self) -> String {
        format!("{}, Linux {}", self.machine, self.kernel)
    }
}
