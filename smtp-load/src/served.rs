//! A server run as a child process: started, known by the address it prints, ended when it is dropped.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// A server that runs and listens.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// Where it listens: the first address that it printed.
    pub address: SocketAddr,
    /// All of them.
    pub addresses: Vec<SocketAddr>,
    log: File,
}

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(20);

impl Served {
    /// Starts `command` on CPU number `cpu` (where given) and waits for its line `listening on ADDRESS, …`. Its stderr
    /// goes to memory: a terminal that scrolls would be part of what is measured.
    pub fn start(command: Command, cpu: Option<usize>) -> anyhow::Result<Self> {
        Self::start_and(command, cpu, |child| {
            child.stdout.take().context("the child has no stdout").and_then(announced)
        })
    }

    /// The same for a server that prints nothing, and listens where it was told to.
    pub fn start_at(command: Command, cpu: Option<usize>, address: SocketAddr) -> anyhow::Result<Self> {
        Self::start_and(command, cpu, |child| {
            let until = Instant::now() + START;
            while TcpStream::connect(address).is_err() {
                ensure!(child.try_wait()?.is_none(), "it ended");
                ensure!(Instant::now() < until, "nothing listens on {address} in {START:?}");
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok((address, vec![address]))
        })
    }

    fn start_and(
        mut command: Command,
        cpu: Option<usize>,
        listens: impl FnOnce(&mut Child) -> anyhow::Result<(SocketAddr, Vec<SocketAddr>)>,
    ) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let log: File = rustix::fs::memfd_create("log", rustix::fs::MemfdFlags::CLOEXEC)
            .context("no memory for a log")?
            .into();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone()?);
        let mut child = {
            // A child inherits the affinity of the thread that starts it: so no moment of it runs elsewhere.
            let _pinned = cpu.map(Pinned::to).transpose()?;
            command.spawn().with_context(|| format!("cannot start {program}"))?
        };
        match listens(&mut child) {
            Ok((address, addresses)) => Ok(Self { child, address, addresses, log }),
            Err(error) => {
                let _ = child.kill();
                let status = child.wait()?;
                Err(error).with_context(|| format!("{program} did not listen ({status}): {}", said(&log)))
            }
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        said(&self.log)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is in a log, up to a bound; read from a position of its own, so that the writer's stays.
fn said(log: &File) -> String {
    let mut text = Vec::new();
    let opened = File::open(format!("/proc/self/fd/{}", log.as_raw_fd()));
    match opened.and_then(|log| log.take(1 << 20).read_to_end(&mut text)) {
        Ok(_) => String::from_utf8_lossy(&text).trim().to_owned(),
        Err(error) => format!("(its log cannot be read: {error})"),
    }
}

/// Waits for the line, and goes on emptying the pipe behind it, so that the server never waits for its reader.
fn announced(stdout: std::process::ChildStdout) -> anyhow::Result<(SocketAddr, Vec<SocketAddr>)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        while matches!(stdout.read_line(&mut line), Ok(length) if length > 0) {
            if let Some(addresses) = line.trim_end().strip_prefix("listening on ") {
                let _ = sender.send(addresses.to_owned());
                break;
            }
            line.clear();
        }
        drop(sender);
        let mut scrap = [0; 4096];
        while matches!(stdout.read(&mut scrap), Ok(length) if length > 0) {}
    });
    match receiver.recv_timeout(START) {
        Ok(text) => {
            let addresses: Vec<SocketAddr> = text
                .split(',')
                .map(|address| address.trim().parse())
                .collect::<Result<_, _>>()
                .with_context(|| format!("it listens on {text:?}, which are no addresses"))?;
            let first = *addresses.first().context("it listens nowhere")?;
            Ok((first, addresses))
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("it closed its stdout without a word"),
        Err(mpsc::RecvTimeoutError::Timeout) => bail!("nothing in {START:?}"),
    }
}

/// This thread, on one CPU; on those it had before when this is dropped.
#[derive(Debug)]
pub struct Pinned {
    before: CpuSet,
}

impl Pinned {
    /// Pins the calling thread to CPU number `cpu`.
    pub fn to(cpu: usize) -> anyhow::Result<Self> {
        let this_thread = Pid::from_raw(0);
        let before = sched_getaffinity(this_thread).context("cannot read the CPU affinity")?;
        let mut only = CpuSet::new();
        only.set(cpu).with_context(|| format!("there can be no CPU {cpu}"))?;
        sched_setaffinity(this_thread, &only).with_context(|| format!("cannot run on CPU {cpu}"))?;
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_is_known_by_what_it_prints_and_its_log_is_kept() {
        let script = "echo one >&2; echo hello; echo listening on 127.0.0.1:25, [::1]:26; exec sleep 60";
        let mut served = Served::start(shell(script), Some(0)).unwrap();
        assert_eq!(served.address, "127.0.0.1:25".parse().unwrap());
        assert_eq!((served.addresses.len(), served.log().as_str()), (2, "one"));
        assert!(served.is_running());
    }

    #[test]
    fn one_that_prints_nothing_is_known_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = Served::start_at(shell("exec sleep 60"), None, address).unwrap();
        assert_eq!(served.address, address);
        drop(listener);
        let error = format!("{:#}", Served::start_at(shell("exit 3"), None, address).unwrap_err());
        assert!(error.contains("(exit status: 3)") && error.contains("it ended"), "{error}");
    }

    #[test]
    fn one_that_does_not_listen_says_why() {
        let rows = [
            ("echo no such flag >&2; exit 2", "(exit status: 2): no such flag"),
            ("echo listening on the moon; exec sleep 60", "\"the moon\""),
        ];
        for (script, expected) in rows {
            let error = format!("{:#}", Served::start(shell(script), None).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
