//! One peer in a comparison: what became of it, and what was measured. Drives nothing.

use std::collections::BTreeMap;
use std::path::Path;

use smtp_load::measure::Spread;

use super::quantity::Quantity;
use crate::peers::{self, Installed, Instance, LOOPBACK, Peer, Place};
use crate::sink_thread::SinkThread;

/// A peer, its column.
pub(crate) struct Contestant {
    pub(crate) peer: Box<dyn Peer>,
    installed: Installed,
    /// One that runs all the time; memory is measured on others.
    pub(crate) running: Option<Instance>,
    /// Why there is none.
    pub(crate) missing: Option<String>,
    /// What could not be measured, and why.
    pub(crate) faults: BTreeMap<&'static str, String>,
    values: BTreeMap<Quantity, BTreeMap<u32, f64>>,
}

impl Contestant {
    /// Installs and starts it; where that fails, the column says why.
    pub(crate) fn new(peer: Box<dyn Peer>, cache: &Path, sink: &SinkThread, cpu: Option<usize>) -> Self {
        let mut contestant = Self {
            peer,
            installed: Installed::default(),
            running: None,
            missing: None,
            faults: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        if let Err(error) = contestant.prepare(cache, sink, cpu) {
            contestant.missing = Some(format!("{error:#}"));
        }
        contestant
    }

    fn prepare(&mut self, cache: &Path, sink: &SinkThread, cpu: Option<usize>) -> anyhow::Result<()> {
        self.installed = peers::install(&*self.peer, cache)?;
        self.running = Some(self.start(sink, cpu)?);
        Ok(())
    }

    /// Of what was installed.
    pub(crate) fn version(&self) -> Option<&str> {
        self.installed.version.as_deref()
    }

    /// One more instance of it.
    pub(crate) fn start(&self, sink: &SinkThread, cpu: Option<usize>) -> anyhow::Result<Instance> {
        Instance::start(&*self.peer, &self.installed, Place { host: LOOPBACK, sink: sink.address, cpu })
    }

    pub(crate) fn add(&mut self, round: u32, figures: Vec<(Quantity, f64)>) {
        for (figure, value) in figures {
            self.values.entry(figure).or_default().insert(round, value);
        }
    }

    /// All rounds of a figure.
    pub(crate) fn spread(&self, figure: Quantity) -> Option<Spread> {
        Spread::of(&self.values.get(&figure)?.values().copied().collect::<Vec<_>>())
    }

    /// What it is to another's, round by round.
    pub(crate) fn ratio(&self, figure: Quantity, limit: &Self) -> Option<Spread> {
        let (ours, theirs) = (self.values.get(&figure)?, limit.values.get(&figure)?);
        let ratios = ours.iter().filter_map(|(round, ours)| {
            let theirs = theirs.get(round).filter(|theirs| **theirs > 0.0)?;
            Some(ours / theirs)
        });
        Spread::of(&ratios.collect::<Vec<_>>())
    }

    /// Its figures, in the order of the table.
    pub(crate) fn figures(&self) -> impl Iterator<Item = Quantity> {
        self.values.keys().copied()
    }
}
