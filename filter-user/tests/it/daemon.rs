//! The relaygate binary as a test runs it: started with flags, waited for, watched, stopped by its process id.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything that should happen at once may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The binary under test.
pub(crate) fn relaygate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relaygate"));
    prepare(&mut command);
    command
}

/// A group of its own, so that no terminal's signal reaches it; of the environment nothing but the way to programs; and
/// nothing that outlasts it in the kernel, unless a flag says where.
fn prepare(command: &mut Command) {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("RELAYGATE_PIN_DIRECTORY", "none").process_group(0);
}

/// Runs the binary to its end: for what must fail at once.
pub(crate) fn run_to_end(arguments: &[&str]) -> Output {
    relaygate().args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Checks again and again, until it holds or patience ends.
pub(crate) fn eventually<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(Instant::now() < until, "{what} did not happen within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    pub address: SocketAddr,
    /// Of every listener, in their order.
    pub addresses: Vec<SocketAddr>,
    log: PathBuf,
    _folder: TempDir,
}

impl Daemon {
    /// Starts `relaygate run` on a port of its own; flags are split at spaces.
    pub(crate) fn start(flags: &str) -> Self {
        Self::start_listening_on("127.0.0.1:0", flags)
    }

    /// Starts `relaygate run` there.
    pub(crate) fn start_listening_on(listen: &str, flags: &str) -> Self {
        Self::start_command(relaygate(), &[listen], flags)
    }

    /// Starts `relaygate run` with these listeners.
    pub(crate) fn start_with_listeners(listen: &[&str], flags: &str) -> Self {
        Self::start_command(relaygate(), listen, flags)
    }

    /// The same, without a single capability.
    pub(crate) fn start_without_privilege(listen: &str, flags: &str) -> Self {
        Self::start_with_capabilities("-all", listen, flags)
    }

    /// The same, with these capabilities alone, as setpriv(1) writes them: `-all,+bpf`.
    pub(crate) fn start_with_capabilities(capabilities: &str, listen: &str, flags: &str) -> Self {
        let mut command = Command::new("setpriv");
        command.args([
            "--inh-caps=-all",
            &format!("--bounding-set={capabilities}"),
            env!("CARGO_BIN_EXE_relaygate"),
        ]);
        prepare(&mut command);
        Self::start_command(command, &[listen], flags)
    }

    /// The same, with so many file descriptors and no more.
    pub(crate) fn start_with_descriptors(count: u32, flags: &str) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={count}:{count}")).arg(env!("CARGO_BIN_EXE_relaygate"));
        prepare(&mut command);
        Self::start_command(command, &["127.0.0.1:0"], flags)
    }

    /// Starts `relaygate policy`, which answers Postfix there.
    pub(crate) fn start_policy(at: SocketAddr, flags: &str) -> Self {
        let mut command = relaygate();
        command.args(["policy", "--policy-listen", &format!("inet:{at}")]);
        Self::start_prepared(command, flags)
    }

    pub(crate) fn start_command(mut command: Command, listen: &[&str], flags: &str) -> Self {
        command.arg("run").args(listen.iter().flat_map(|listen| ["--listen", listen]));
        Self::start_prepared(command, flags)
    }

    fn start_prepared(mut command: Command, flags: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut child = command
            .args(["--log-format", "json"])
            .args(flags.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(list) = line.trim().strip_prefix("listening on ") else {
            let _ = child.kill();
            panic!("relaygate did not start: {line:?}\n{}", std::fs::read_to_string(&log).unwrap());
        };
        let addresses: Vec<SocketAddr> =
            list.split(", ").map(|address| address.trim_start_matches("inet:").parse().unwrap()).collect();
        Self { address: addresses[0], addresses, child, log, _folder: folder }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a log line that contains this, and gives it.
    pub(crate) fn logged(&self, text: &str) -> String {
        eventually(&format!("a log line with {text:?}"), || {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Asks it to stop, and waits.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        self.signal(Signal::SIGTERM);
        let status = eventually("the daemon's end", || self.child.try_wait().unwrap());
        (status, self.log())
    }

    /// Its metrics page, by a client that a user would have at hand: a plain GET.
    pub(crate) fn metrics(address: SocketAddr) -> String {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of relaygate\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// A value from a metrics page: the sum over all series whose name and labels begin so.
pub(crate) fn metric(page: &str, series: &str) -> f64 {
    page.lines()
        .filter(|line| line.starts_with(series))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// A port that nothing listens on now.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A file with this text in a folder.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
