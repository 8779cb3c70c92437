//! xdp-filter of xdp-tools: its own object for addresses, with packets allowed but for those that are listed. Loaded
//! without its dispatcher, which users have before it and pay for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use aya::EbpfLoader;
use aya::maps::PerCpuHashMap;
use aya::maps::PerCpuValues;
use aya::util::nr_cpus;

use super::frame;
use super::program::Program;
use bench::namespace::{BPFFS, Own};

/// As many addresses as its table holds.
pub(super) const ROOM: u32 = 10_000;

/// Debian's architecture folders, one of which has it.
const LIBRARIES: &str = "/usr/lib";
const OBJECT: &str = "bpf/xdpfilt_alw_ip.o";

/// `MAP_FLAG_SRC`: the address is blocked as a source.
const SOURCE: u64 = 1;

/// Its program with these sources blocked.
pub(super) fn load(_own: &Own, sources: u32) -> anyhow::Result<Program> {
    let path = object()?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // Its object wants its maps pinned, so that its tool finds them again; nothing here does.
    let pins = Path::new(BPFFS).join("xdp-filter");
    fs::create_dir_all(&pins).with_context(|| format!("cannot make {}", pins.display()))?;
    let ebpf = EbpfLoader::new()
        .default_map_pin_directory(&pins)
        .load(&bytes)
        .with_context(|| format!("cannot load {}", path.display()))?;
    fs::remove_dir_all(&pins).with_context(|| format!("cannot remove {}", pins.display()))?;
    let mut program = Program::load(ebpf, "xdpfilt_alw_ip")?;
    let cpus = nr_cpus().map_err(|(_, error)| error).context("cannot count the CPUs")?;
    let mut filter: PerCpuHashMap<_, [u8; 4], u64> = program.map("filter_ipv4")?;
    for number in 0..sources.min(ROOM) {
        let value = PerCpuValues::try_from(vec![SOURCE; cpus]).context("a value for each CPU")?;
        filter
            .insert(frame::source(number).octets(), value, 0)
            .context("xdp-filter's table takes no more")?;
    }
    Ok(program)
}

fn object() -> anyhow::Result<PathBuf> {
    let libraries = fs::read_dir(LIBRARIES).with_context(|| format!("cannot read {LIBRARIES}"))?;
    let mut candidates = libraries.filter_map(|entry| Some(entry.ok()?.path().join(OBJECT)));
    candidates.find(|path| path.is_file()).with_context(|| {
        format!("no {LIBRARIES}/*/{OBJECT}: install xdp-tools (`cargo xtask doctor --install`)")
    })
}
