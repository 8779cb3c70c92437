//! Makes generations of the table of hosts in the kernel, puts them where the program looks for them, and lets the one in
//! force outlast the process.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use aya::maps::{ArrayOfMaps, MapData};
use filter_common::Mapped;
use filter_common::table::SMALLEST;

use super::KernelError;
use super::generation::Generation;
use super::growing_table::Maker;
use super::growth::Growth;
use super::pin::Pins;

/// Who makes larger generations of the table of hosts, when more hosts come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Growing {
    /// Nobody: it is as large as it may ever be when the kernel's part has started.
    Never,
    /// This process, which keeps its privileges.
    Here,
    /// A process beside this one, which gives its privileges up.
    Beside {
        /// What it is started from, as [`SUBCOMMAND`](super::growth::SUBCOMMAND).
        program: PathBuf,
        /// Who it becomes.
        user: Option<String>,
    },
}

/// Who makes them.
#[derive(Debug)]
pub(super) enum Source {
    /// Nobody.
    None,
    /// This process.
    Here,
    /// Another.
    Beside(Growth),
}

impl Source {
    /// Starts the process that makes them, where that is another.
    pub(super) fn start(growing: &Growing, largest: u32) -> Result<Self, KernelError> {
        match growing {
            Growing::Never | Growing::Here => Ok(Self::Here),
            Growing::Beside { program, user } => Growth::start(program, largest, user.as_deref())
                .map(Self::Beside)
                .map_err(|source| KernelError::Growth { program: program.clone(), source }),
        }
    }
}

/// The map of generations, and where those come from.
pub(super) struct GenerationMaker {
    hosts: Option<ArrayOfMaps<MapData, MapData>>,
    source: Source,
    pins: Option<Pins>,
    /// The one in force, and the next one.
    held: Vec<Generation>,
}

impl GenerationMaker {
    /// `first` is in force, and where it belongs. Without the map of generations there will be no other.
    pub(super) fn new(
        hosts: Option<ArrayOfMaps<MapData, MapData>>,
        source: Source,
        pins: Option<Pins>,
        first: Generation,
    ) -> Self {
        Self { hosts, source, pins, held: vec![first] }
    }

    fn obtain(&self, number: u32) -> io::Result<Generation> {
        match &self.source {
            Source::None => Err(io::Error::other("it was loaded in its full size")),
            Source::Here => Generation::make(number).map_err(io::Error::other),
            Source::Beside(growth) => {
                Generation::made(number, growth.make(number)?).map_err(io::Error::other)
            }
        }
    }
}

impl Maker for GenerationMaker {
    fn make(&mut self, generation: u32) -> io::Result<Mapped> {
        let made = self.obtain(generation)?;
        let hosts =
            self.hosts.as_mut().ok_or_else(|| io::Error::other("the map of its sizes is not at hand"))?;
        made.put(hosts).map_err(io::Error::other)?;
        let memory = made.memory().map_err(io::Error::other)?;
        self.held.push(made);
        Ok(memory)
    }

    fn in_force(&mut self, generation: u32) -> io::Result<()> {
        let (Some(pins), Some(in_force)) =
            (&self.pins, self.held.iter().find(|held| held.number() == generation))
        else {
            return Ok(());
        };
        in_force.pin(pins).map_err(io::Error::other)
    }

    fn retire(&mut self, generation: u32) -> io::Result<()> {
        self.held.retain(|held| held.number() != generation);
        if let Some(pins) = &self.pins {
            Generation::unpin(generation, pins).map_err(io::Error::other)?;
        }
        // An element cannot be emptied through aya: a page takes its place, and the rest is given back.
        let page = self.obtain(SMALLEST)?;
        let Some(hosts) = &mut self.hosts else { return Ok(()) };
        page.put_as(generation, hosts).map_err(io::Error::other)
    }
}

impl std::fmt::Debug for GenerationMaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenerationMaker")
            .field("source", &self.source)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

/// An empty generation, for the process that makes them for another.
pub fn make_generation(number: u32) -> io::Result<OwnedFd> {
    Generation::make(number).map_err(into_io)?.descriptor()
}

/// The system's own error, for who is told its number alone.
fn into_io(error: KernelError) -> io::Error {
    match super::error::system_error(&error).and_then(io::Error::raw_os_error) {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::other(error),
    }
}
