//! The kernel's maps as tests have them without privilege: memory of this process.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filter_common::table::{BUCKET_WORDS, Seed, Table};
use filter_common::{Control, Mapped, PeerKey, PrefixLengths, Rate, Timestamp};
use ipnet::IpNet;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::aggregates::{Aggregates, LimitedNetworks};
use super::allow::AllowList;
use super::allow::Allowed;
use super::control::ControlPage;
use super::enforcer::KernelEnforcer;
use super::growing_table::{GrowingTable, Maker};
use super::hosts::{Bounds, HostTable};
use crate::peers::{LocalEnforcer, NotExempted};

pub(super) const SEED: Seed = Seed([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]);

pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn peer(n: u32) -> PeerKey {
    PeerKey::from(Ipv4Addr::from(0x0a00_0000 + n))
}

pub(super) fn minute(n: u32) -> Timestamp {
    Timestamp::default().plus(n * MINUTE)
}

/// Memory that may be mapped as often as is wanted.
#[derive(Debug)]
pub(super) struct Memory {
    descriptor: std::os::fd::OwnedFd,
    words: usize,
}

impl Memory {
    pub(super) fn new(words: usize) -> Self {
        let descriptor = memfd_create("memory", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&descriptor, (words * size_of::<u64>()) as u64).unwrap();
        Self { descriptor, words }
    }

    pub(super) fn map(&self) -> Mapped {
        Mapped::new(&self.descriptor, self.words).unwrap()
    }
}

/// A page of control, and the same as the program sees it.
pub(super) fn control() -> (Arc<ControlPage>, Mapped) {
    let memory = Memory::new(Control::WORDS);
    (Arc::new(ControlPage::of(memory.map())), memory.map())
}

/// What the kernel holds: by generation, its memory; which is in force.
#[derive(Debug, Default)]
pub(super) struct Made {
    generations: Vec<(u32, Memory)>,
    /// Larger ones than this are refused.
    pub(super) largest: u32,
    /// How often one was asked for.
    pub(super) asked: usize,
    /// Those that came in force, in order.
    pub(super) in_force: Vec<u32>,
}

/// Makes generations, and lets the test see them.
#[derive(Clone, Debug)]
pub(super) struct FakeMaker(pub(super) Arc<Mutex<Made>>);

impl FakeMaker {
    pub(super) fn new(largest: u32) -> Self {
        Self(Arc::new(Mutex::new(Made { largest, ..Made::default() })))
    }

    pub(super) fn made(&self) -> Vec<u32> {
        self.0.lock().unwrap().generations.iter().map(|(generation, _)| *generation).collect()
    }
}

impl Maker for FakeMaker {
    fn make(&mut self, generation: u32) -> io::Result<Mapped> {
        let mut made = self.0.lock().unwrap();
        made.asked += 1;
        if generation > made.largest {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        let memory = Memory::new(BUCKET_WORDS << generation);
        let mapped = memory.map();
        made.generations.push((generation, memory));
        Ok(mapped)
    }

    fn in_force(&mut self, generation: u32) -> io::Result<()> {
        self.0.lock().unwrap().in_force.push(generation);
        Ok(())
    }

    fn retire(&mut self, generation: u32) -> io::Result<()> {
        self.0.lock().unwrap().generations.retain(|(made, _)| *made != generation);
        Ok(())
    }
}

#[derive(Debug)]
struct NoNetworks;

impl LimitedNetworks for NoNetworks {
    fn put(&mut self, _: IpNet, _: Timestamp) -> io::Result<()> {
        Ok(())
    }
    fn remove(&mut self, _: IpNet) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct NoList;

impl AllowList for NoList {
    fn set(&self, _: IpNet, _: bool) -> Result<(), NotExempted> {
        Ok(())
    }
    fn left(&self) -> &[IpNet] {
        &[]
    }
}

/// A kernel's table and its control page, without a kernel.
#[derive(Debug)]
pub(super) struct FakeKernel {
    pub(super) maker: FakeMaker,
    control: Arc<ControlPage>,
    program: Mapped,
}

impl FakeKernel {
    /// With one generation of 2^`first` buckets, of which the `largest` is allowed.
    pub(super) fn new(first: u32, largest: u32) -> Self {
        let (control, program) = control();
        let mut maker = FakeMaker::new(largest);
        maker.make(first).unwrap();
        control.set_generation(first);
        Self { maker, control, program }
    }

    /// What takes it over now, as another process would.
    pub(super) fn enforcer(&self, bounds: Bounds, local: usize) -> KernelEnforcer {
        self.enforcer_at(bounds, local, minute(0))
    }

    /// The same, at this time.
    pub(super) fn enforcer_at(&self, bounds: Bounds, local: usize, now: Timestamp) -> KernelEnforcer {
        let largest = self.maker.0.lock().unwrap().largest;
        let generations = GrowingTable::new(
            self.in_force(),
            SEED,
            largest,
            self.control.clone(),
            Arc::new(Mutex::new(self.maker.clone())),
        )
        .unwrap();
        let aggregates = Aggregates::new(2, PrefixLengths::default(), Box::new(NoNetworks));
        let hosts =
            HostTable::new(generations, aggregates, Allowed::new(&[], PrefixLengths::default()), bounds);
        KernelEnforcer::new(hosts, Box::new(NoList), LocalEnforcer::new(Rate::new(6, MINUTE, 2), local), now)
    }

    /// The generation that the program would look into.
    pub(super) fn in_force(&self) -> Mapped {
        let generation = self.program[Control::GENERATION].load(Ordering::Acquire);
        let made = self.maker.0.lock().unwrap();
        let found = made.generations.iter().find(|(made, _)| u64::from(*made) == generation);
        found.expect("what is in force is never retired").1.map()
    }

    /// The same, to look into or to write meters as the program does.
    pub(super) fn table(&self) -> Table<Mapped> {
        Table::new(self.in_force(), SEED).unwrap()
    }
}

pub(super) fn bounds(max_peers: usize, max_authenticated: usize) -> Bounds {
    Bounds { max_peers, max_authenticated, authenticated_max: 24 * 60 * MINUTE }
}
