//! What went on with backends: dials, failures, answers that did not come.

use super::Report;
use crate::proxy::backend_error::BackendError;
use crate::proxy::delivery::{Dials, Word};
use crate::telemetry::field;
use crate::telemetry::label::BackendFailure;

impl Report {
    /// Backends were dialled.
    pub(in crate::proxy) fn dialled(&self, dials: &Dials) {
        self.metrics.backend_dials.increment(dials.begun.into());
        for error in &dials.failed {
            self.count_failure(error);
        }
    }

    /// The backend answered, or did not.
    pub(in crate::proxy) fn backend_said(&self, word: &Word) {
        if let Word::Ours(_, Some(error)) = word {
            self.backend_failed(error);
        }
    }

    /// A backend gave no answer.
    pub(in crate::proxy) fn backend_failed(&self, error: &BackendError) {
        self.count_failure(error);
        // A domain that takes no mail is no trouble: its reply is in the line of the recipient.
        if error.reply().code() < 500 && self.trouble_is_due() {
            tracing::warn!({ field::ERROR } = %error, "the backend failed; clients are told to try later");
        }
    }

    fn count_failure(&self, error: &BackendError) {
        let kind = match error {
            BackendError::NoHost | BackendError::NoExchange(_) | BackendError::Unresolved { .. } => {
                BackendFailure::Unresolved
            }
            BackendError::Unavailable { .. }
            | BackendError::Ourselves { .. }
            | BackendError::NotTransparent { .. }
            | BackendError::OtherFamily { .. } => BackendFailure::Unreachable,
            BackendError::TimedOut { .. } => BackendFailure::TimedOut,
            BackendError::Lost { .. } => BackendFailure::Closed,
            BackendError::Garbled { .. } => BackendFailure::Garbage,
            BackendError::Unencrypted { .. } | BackendError::Tls { .. } => BackendFailure::Tls,
            BackendError::NoMechanism { .. } | BackendError::Refused { .. } => BackendFailure::Refused,
        };
        self.metrics.backend_failures.of(kind).increment(1);
    }
}
