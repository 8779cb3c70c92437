//! What Ctrl-C and SIGTERM mean to a comparison: it stops measuring, ends the peers, and prints what it has.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Set, once somebody wants it to end.
static WANTED: AtomicBool = AtomicBool::new(false);

/// From here on an interrupt sets the flag, and does nothing else.
pub(super) fn watch() -> anyhow::Result<&'static AtomicBool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        let watch = |kind| signal(kind).context("cannot watch for signals");
        (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        WANTED.store(true, Ordering::Relaxed);
    });
    Ok(&WANTED)
}
