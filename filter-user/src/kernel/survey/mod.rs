//! What this machine can do for the kernel's part, found out without changing anything: kernel, privileges, file system for
//! pins, and of each interface its driver, what is on its hooks, and which hook would be taken.

mod conclusion;
mod drivers;
mod finding;
mod hooks;
mod interface;
mod link;
mod machine;

use std::path::Path;

use serde::Serialize;

use super::probe;

pub use conclusion::Conclusion;
pub use drivers::{NativeXdp, Source};
pub use finding::{Finding, Level};
pub use hooks::{Attached, Place};
pub use interface::InterfaceSurvey;
pub use machine::Feature;

/// All that was found.
#[derive(Clone, Debug, Serialize)]
pub struct Survey {
    /// The kernel's release.
    pub kernel: String,
    /// The machine and this process.
    pub findings: Vec<Finding>,
    /// What kernels have learnt since, and whether this one has.
    pub features: Vec<Feature>,
    /// Those that were asked about.
    pub interfaces: Vec<InterfaceSurvey>,
    /// Whether sanctions can be enforced in the kernel, on each of these interfaces.
    pub can_enforce: bool,
}

/// Looks at the machine, and at these interfaces.
#[must_use]
pub fn survey(interfaces: &[String], pins: Option<&Path>) -> Survey {
    let kernel = probe::release();
    let version = probe::version(&kernel);
    let findings = machine::findings(&kernel, pins);
    let interfaces: Vec<_> =
        interfaces.iter().map(|interface| InterfaceSurvey::of(interface, version)).collect();
    let can_enforce = findings.iter().all(|finding| finding.level != Level::Missing)
        && interfaces.iter().all(InterfaceSurvey::can_enforce);
    Survey { kernel, findings, features: machine::features(version), interfaces, can_enforce }
}
