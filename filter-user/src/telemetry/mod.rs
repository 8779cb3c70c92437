//! Metrics, log fields and logs: all names in one place. Knows no other module of ours.

pub mod field;
mod kernel_table;
pub mod label;
pub mod log;
pub mod metric;
pub mod metrics;
pub mod refusals;

pub use self::kernel_table::KernelTableMetrics;
pub use self::log::LogError;
pub use self::metric::describe_all;
pub use self::metrics::{Gauge, Metrics, backend_up, kernel_packets, record_by, set_build_info};
pub use self::refusals::{Noted, RefusalLog, Summary};
