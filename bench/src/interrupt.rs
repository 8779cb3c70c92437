//! Ctrl-C: the first asks a command to come to its end and print what it has, the second ends it at once.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context as _;

/// The exit code of who was interrupted, as shells have it: 128 and the signal's number.
pub(crate) const INTERRUPTED: u8 = 130;

/// From now on Ctrl-C sets what this returns.
pub(crate) fn watch() -> anyhow::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("no runtime to hear Ctrl-C with")?;
    let mut interrupts = {
        let _entered = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
            .context("cannot hear Ctrl-C")?
    };
    let sets = asked.clone();
    let hear = move || {
        runtime.block_on(async {
            while interrupts.recv().await.is_some() {
                if sets.swap(true, Ordering::Relaxed) {
                    process::exit(i32::from(INTERRUPTED));
                }
            }
        });
    };
    thread::Builder::new().name("ctrl-c".to_owned()).spawn(hear).context("no thread to hear Ctrl-C with")?;
    Ok(asked)
}
