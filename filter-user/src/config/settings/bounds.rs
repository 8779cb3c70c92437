//! Settings: what a session may take.

use super::count;
use crate::config::kind::{Choice, Count, Octets};
use crate::config::setting::DefaultValue::Is;
use crate::smtp::BareNewline;

settings! { "Bounds":
    MAX_SESSIONS: Count = "max-sessions", Is("20000"), count("sessions", 1, 10_000_000),
        "Open sessions in all. Who comes when there are as many gets 421.";
    MAX_SESSIONS_PER_PEER: Count = "max-sessions-per-peer", Is("50"), count("sessions", 1, 10_000_000),
        "Open sessions of one peer. Its further ones get 421.";
    MAX_COMMAND_LINE: Octets = "max-command-line", Is("2048"), Octets { from: 512, to: 65_536 },
        "The longest command line, with its CR LF. RFC 5321 section 4.5.3.1.4 asks for 512, the extensions for more.";
    MAX_COMMANDS: Count = "max-commands", Is("10000"), count("commands", 10, 4_000_000_000),
        "Commands in one session.";
    MAX_ERRORS: Count = "max-errors", Is("20"), count("errors", 1, 1_000_000),
        "Errors in one session, after which it ends with a strike.";
    MAX_RECIPIENTS: Count = "max-recipients", Is("1000"), count("recipients", 1, 100_000),
        "Accepted recipients of one message. RFC 5321 section 4.5.3.1.8 asks for at least 100.";
    MAX_UNKNOWN_RECIPIENTS: Count = "max-unknown-recipients", Is("10"), count("recipients", 1, 1_000_000),
        "Recipients that nobody knows, in one session, after which it ends with a strike: who names more is after addresses.";
    MAX_MESSAGE_SIZE: Octets = "max-message-size", Is("50M"), Octets { from: 65_536, to: 1 << 40 },
        "The largest message; shown as SIZE.";
    BARE_NEWLINE: Choice<BareNewline> = "bare-newline", Is("normalise"),
        Choice { placeholder: "WHAT", words: &["normalise", "refuse"], values: &[BareNewline::Normalise, BareNewline::Refuse] },
        "What becomes of a bare CR or LF in message data. It is made CR LF, or the message is refused; it is never passed on as it is.";
}
