//! What a server's process has cost: CPU time and memory, read from outside. Generates no load.

use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::time::TimeSpec;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// CPU time of a process, all its threads, those that have ended too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In nanoseconds, from the process's own clock.
    pub total: Duration,
    /// Of it in user mode; in ticks of the kernel's, for the proportion only.
    pub user: Duration,
    /// Of it in the kernel; in ticks.
    pub system: Duration,
}

impl CpuTime {
    /// Of the process `pid`, since it was started.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("there is no process {pid}"))?;
        let (user, system) =
            user_and_system(&stat).with_context(|| format!("/proc/{pid}/stat is not as expected"))?;
        let per_tick = Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second())?;
        Ok(Self { total: process_clock(pid)?, user: per_tick * user, system: per_tick * system })
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    /// Microseconds for each of `sessions`.
    #[must_use]
    pub fn micros_per(&self, sessions: u64) -> f64 {
        self.total.as_secs_f64() * 1e6 / sessions.max(1) as f64
    }
}

fn process_clock(pid: u32) -> anyhow::Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))
        .with_context(|| format!("process {pid} has no CPU clock"))?;
    let now: TimeSpec = clock.now().with_context(|| format!("cannot read the CPU clock of process {pid}"))?;
    Ok(now.into())
}

/// The 14th and 15th field of `/proc/PID/stat`; the second may hold anything, blanks and brackets too.
fn user_and_system(stat: &str) -> Option<(u32, u32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user = fields.nth(11)?.parse().ok()?;
    Some((user, fields.next()?.parse().ok()?))
}

/// Memory of a process, in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Resident at most, since it was started.
    pub peak: u64,
}

impl Memory {
    /// Of the process `pid`.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .with_context(|| format!("there is no process {pid}"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line?.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        };
        match (field("VmRSS"), field("VmHWM")) {
            (Some(resident), Some(peak)) => Ok(Self { resident: resident * 1024, peak: peak * 1024 }),
            _ => bail!(
                "/proc/{pid}/status has no VmRSS and VmHWM: process {pid} has ended, or is the kernel's"
            ),
        }
    }
}

/// The middle and the ends of some values.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The one in the middle, or the mean of the two there.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of `values`; none of no values.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let (below, above) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { min, median: (below + above) / 2.0, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn cpu_time_of_threads_counts_also_when_they_have_ended() {
        let pid = std::process::id();
        let before = CpuTime::of(pid).unwrap();
        std::thread::spawn(|| {
            let end = Instant::now() + Duration::from_millis(60);
            while Instant::now() < end {}
        })
        .join()
        .unwrap();
        let spent = CpuTime::of(pid).unwrap().since(&before);
        // on a busy machine the thread may have had less than all of its 60 ms
        assert!(spent.total > Duration::from_millis(5), "{spent:?}");
    }

    #[test]
    fn stat_is_read_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 123 45 0 0 20 0 1 0 5 0 0";
        assert_eq!(user_and_system(stat), Some((123, 45)));
        for broken in ["", "7 (a", "7 (a) S 1 2 3", "7 (a) S 1 7 7 0 -1 4194560 100 0 0 0 x y 0"] {
            assert_eq!(user_and_system(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn memory_of_this_process_is_something() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.resident > 100_000 && memory.peak >= memory.resident / 2, "{memory:?}");
        assert!(Memory::of(u32::MAX - 1).is_err() && CpuTime::of(u32::MAX - 1).is_err());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of(&[3.0, 1.0, 9.0]), Some(Spread { min: 1.0, median: 3.0, max: 9.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { min: 1.0, median: 2.5, max: 4.0 }));
        assert_eq!(Spread::of(&[]), None);
    }
}
