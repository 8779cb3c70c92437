//! The state file of the daemon that serves: read before the first client comes, written from time to time and at the end.

use std::sync::Arc;

use crate::config::Config;
use crate::judge::{Judge, boot_now};
use crate::state::{Keeper, Moment, StateError, boot_id};

/// What remembers over a restart.
#[derive(Clone)]
pub(super) struct Remembering(Arc<Inner>);

struct Inner {
    keeper: Keeper,
    boot_id: String,
    judge: Arc<Judge>,
}

impl Remembering {
    /// Reads the state file, where one is set.
    pub(super) fn start(config: &Config, judge: &Arc<Judge>) -> Result<Option<Self>, StateError> {
        let Some(path) = &config.kernel.state_file else { return Ok(None) };
        let boot_id = boot_id()?;
        let keeper = Keeper::start(path, &judge.register, &Moment::now(&boot_id, boot_now()))?;
        Ok(Some(Self(Arc::new(Inner { keeper, boot_id, judge: Arc::clone(judge) }))))
    }

    /// Writes, if it is time to; on a thread of its own, for a disk takes its time.
    pub(super) fn tick(&self) {
        if self.0.keeper.is_due(&self.0.judge.register, boot_now()) {
            let remembering = self.clone();
            drop(tokio::task::spawn_blocking(move || remembering.write()));
        }
    }

    /// Writes now.
    pub(super) fn write(&self) {
        let Inner { keeper, boot_id, judge } = &*self.0;
        keeper.write(&judge.register, &Moment::now(boot_id, boot_now()));
    }
}
