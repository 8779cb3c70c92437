//! Metrics, log fields and logs: all names in one place. Knows no other module of ours.

pub mod field;
pub mod label;
pub mod log;
pub mod metric;
pub mod metrics;
pub mod refusals;

pub use self::log::LogError;
pub use self::metrics::Metrics;
pub use self::refusals::{Noted, RefusalLog, Summary};
