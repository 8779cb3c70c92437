//! Settings: logs and metrics.

use super::count;
use crate::config::kind::{Choice, Count, Endpoint, LogFilter};
use crate::config::setting::DefaultValue::{Is, Nothing};

settings! { "Logs and metrics":
    METRICS_LISTEN: Endpoint = "metrics-listen", Nothing, Endpoint,
        "Where metrics are served over HTTP, in the Prometheus format. Keep it away from the outside.";
    LOG_FORMAT: Choice<bool> = "log-format", Is("text"),
        Choice { placeholder: "FORMAT", words: &["text", "json"], values: &[false, true] },
        "How logs are written to standard error.";
    LOG_LEVEL: LogFilter = "log-level", Is("info"), LogFilter,
        "What is logged. A level, or a filter of levels by module as Rust's tracing has them.";
    LOG_REFUSALS: Count = "log-refusals", Is("10"), count("refusals a second", 0, 100_000),
        "Refusals that each worker logs one by one each second. The rest is counted, and summed up for each peer.";
}
