//! Ctrl-C and SIGTERM: a command comes to its end in order, and prints what it has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code of who was interrupted, as shells have it: 128 and the signal's number.
pub const INTERRUPTED: u8 = 130;

/// Set, once somebody wants it to end.
static WANTED: AtomicBool = AtomicBool::new(false);

/// From here on an interrupt sets the flag, and does nothing else.
pub fn watch() -> anyhow::Result<&'static AtomicBool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let watch = |kind| signal(kind).context("cannot watch for signals");
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?)
    };
    let watches = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        WANTED.store(true, Ordering::Relaxed);
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watches)
        .context("no thread to watch for signals")?;
    Ok(&WANTED)
}
