//! Threads of this process and of the kernel: on which CPU they run, and before whom.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::command;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// How long the kernel may take to start a thread that receives.
const START: Duration = Duration::from_secs(5);

/// Puts a thread before all without a fixed rank, and after those of a higher one.
pub(super) fn rank(thread: Pid, priority: &str) -> anyhow::Result<()> {
    command::run("chrt", &["--fifo", "--pid", priority, &thread.to_string()])
}

/// Keeps a thread on one CPU, for good.
pub(super) fn keep(thread: Pid, cpu: usize) -> anyhow::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu).with_context(|| format!("there can be no CPU {cpu}"))?;
    sched_setaffinity(thread, &only).with_context(|| format!("cannot keep thread {thread} on CPU {cpu}"))
}

/// Lets a thread of the kernel receive what comes in by an interface of this namespace.
pub(super) fn receive_in_thread(interface: &str) -> anyhow::Result<()> {
    let path = format!("/sys/class/net/{interface}/threaded");
    fs::write(&path, "1").with_context(|| format!("cannot write {path}: threaded NAPI needs Linux 5.12"))
}

/// That thread, when the kernel has started it. The interface's name must be like no other's on this machine, and so short
/// that the thread's name holds it.
pub(super) fn that_receives(interface: &str) -> anyhow::Result<Pid> {
    let until = Instant::now() + START;
    let prefix = format!("napi/{interface}");
    loop {
        if let Some(thread) = of_the_kernel(&prefix)? {
            return Ok(thread);
        }
        ensure!(Instant::now() < until, "the kernel has started no thread {prefix} in {START:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The kernel's thread whose name begins so, if there is one.
fn of_the_kernel(prefix: &str) -> anyhow::Result<Option<Pid>> {
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let entry = entry.context("cannot read /proc")?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended meanwhile.
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
        if name.starts_with(prefix) {
            return Ok(Some(Pid::from_raw(pid)));
        }
    }
    Ok(None)
}
