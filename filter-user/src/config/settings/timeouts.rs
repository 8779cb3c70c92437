//! Settings: how long a peer may take.

use std::time::Duration;

use super::{DAY, HOUR, MOMENT, time};
use crate::config::kind::Time;
use crate::config::setting::DefaultValue::Is;

settings! { "Time-outs":
    GREET_DELAY: Time = "greet-delay", Is("0s"), time(Duration::ZERO, Duration::from_secs(60)),
        "Wait before the banner. Who talks meanwhile is an early talker, and refused.";
    COMMAND_TIMEOUT: Time = "command-timeout", Is("5m"), time(MOMENT, HOUR),
        "How long a peer may take for each command (RFC 5321 section 4.5.3.2.7).";
    DATA_TIMEOUT: Time = "data-timeout", Is("3m"), time(MOMENT, HOUR),
        "How long a peer may take for each block of message data (RFC 5321 section 4.5.3.2.5).";
    WRITE_TIMEOUT: Time = "write-timeout", Is("30s"), time(MOMENT, HOUR),
        "How long a peer may take to accept our replies.";
    SESSION_TIMEOUT: Time = "session-timeout", Is("1h"), time(MOMENT, DAY),
        "How long a session may take in all.";
    DRAIN_TIMEOUT: Time = "drain-timeout", Is("30s"), time(Duration::ZERO, DAY),
        "How long open sessions may go on after SIGTERM.";
}
