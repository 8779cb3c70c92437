//! Runs the emulated machine to its end, or ends it, and gives what its console showed.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const QEMU: &str = "qemu-system-x86_64";

/// No network, no disk, no monitor: a processor, memory and a console.
const MACHINE: [&str; 12] = [
    "-accel",
    "tcg",
    "-cpu",
    "max",
    "-m",
    "1024",
    "-nodefaults",
    "-nographic",
    "-no-reboot",
    "-serial",
    "stdio",
    "-append",
];
/// A kernel that panics ends at once, and what it says otherwise is not asked for.
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 quiet";

/// Boots `kernel` with `image`.
pub(super) fn run(kernel: &Path, image: &Path, patience: Duration) -> Result<String> {
    let mut machine = Command::new(QEMU);
    machine.args(MACHINE).arg(COMMAND_LINE).arg("-kernel").arg(kernel).arg("-initrd").arg(image);
    machine.stdin(Stdio::null()).stdout(Stdio::piped());
    let child =
        machine.spawn().with_context(|| format!("no {QEMU}: `cargo xtask doctor --install` installs it"))?;
    let mut machine = Machine(child);
    let mut console = machine.0.stdout.take().context("the machine has no console")?;
    let (tell, told) = channel();
    // Ends with the machine, which closes the console.
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let read = console.read_to_end(&mut said).map(|_| said);
        let _ = tell.send(read);
    });
    match told.recv_timeout(patience) {
        Ok(said) => {
            let said = said.context("cannot read the machine's console")?;
            Ok(String::from_utf8_lossy(&said).into_owned())
        }
        Err(RecvTimeoutError::Timeout) => {
            drop(machine);
            let said = told.recv().ok().and_then(Result::ok).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            bail!("no end after {} s; it said:\n{said}", patience.as_secs())
        }
        Err(RecvTimeoutError::Disconnected) => bail!("the thread that reads the console has ended"),
    }
}

/// The emulator's process, which does not outlive its value.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
