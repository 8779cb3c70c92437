//! Counts how sessions ended, and which of their bounds they reached.

use super::driver::End;
use super::report::Report;
use crate::smtp::{BoundsReached, CloseReason, Session};
use crate::telemetry::label::{Bound, SessionEnd, TimeoutKind};

impl Report {
    /// A session is over.
    pub(super) fn session_closed(&self, end: End, session: &Session) {
        self.metrics.sessions_open.decrement(1);
        self.metrics.commands.increment(session.commands().into());
        let reached = session.bounds_reached();
        if reached != BoundsReached::default() {
            let bounds = &self.metrics.bounds_reached;
            bounds.of(Bound::CommandLine).increment(reached.command_line.into());
            bounds.of(Bound::Recipients).increment(reached.recipients.into());
            bounds.of(Bound::MessageSize).increment(reached.message_size.into());
            bounds.of(Bound::AuthLine).increment(reached.auth_line.into());
        }
        let end = match end {
            End::Closed(reason) => {
                match reason {
                    CloseReason::TooManyCommands => {
                        self.metrics.bounds_reached.of(Bound::Commands).increment(1)
                    }
                    CloseReason::TooManyErrors => self.metrics.bounds_reached.of(Bound::Errors).increment(1),
                    CloseReason::TooManyAuthAttempts => {
                        self.metrics.bounds_reached.of(Bound::AuthAttempts).increment(1)
                    }
                    CloseReason::TooManyUnknownRecipients => {
                        self.metrics.bounds_reached.of(Bound::UnknownRecipients).increment(1)
                    }
                    _ => {}
                }
                closed(reason)
            }
            End::HungUp => SessionEnd::PeerClosed,
            End::NoTls => SessionEnd::TlsFailed,
            End::StoppedReading => {
                self.metrics.timeouts.of(TimeoutKind::Write).increment(1);
                SessionEnd::TimedOut
            }
            End::Blocked => SessionEnd::Sanctioned,
            End::NoHeader => SessionEnd::NoHeader,
            End::TurnedAway => SessionEnd::TurnedAway,
            End::Drained => SessionEnd::Drained,
        };
        self.metrics.sessions_ended.of(end).increment(1);
    }
}

fn closed(reason: CloseReason) -> SessionEnd {
    match reason {
        CloseReason::Quit => SessionEnd::Quit,
        CloseReason::EarlyTalker => SessionEnd::EarlyTalker,
        CloseReason::NotSmtp => SessionEnd::NotSmtp,
        CloseReason::BareNewline => SessionEnd::BareNewline,
        CloseReason::LineTooLong => SessionEnd::LineTooLong,
        CloseReason::TooManyErrors => SessionEnd::TooManyErrors,
        CloseReason::TooManyCommands => SessionEnd::TooManyCommands,
        CloseReason::TooManyAuthAttempts => SessionEnd::TooManyAuthAttempts,
        CloseReason::TooManyUnknownRecipients => SessionEnd::TooManyUnknownRecipients,
        CloseReason::TalkBeforeTls => SessionEnd::TalkBeforeTls,
        CloseReason::TurnedAway => SessionEnd::TurnedAway,
        CloseReason::TimedOut => SessionEnd::TimedOut,
        CloseReason::ServiceUnavailable => SessionEnd::ServiceUnavailable,
    }
}
