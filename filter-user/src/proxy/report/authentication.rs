//! Counts and logs attempts to authenticate. No secret gets here: who is claimed to be is all that is known of what was
//! said.

use super::{Report, Whose};
use crate::telemetry::field;
use crate::telemetry::label::{AuthMechanism, AuthOutcome, Bound, Label as _};

impl Report {
    /// A peer has guessed too often.
    pub(in crate::proxy) fn too_many_guesses(&self) {
        self.metrics.bounds_reached.of(Bound::AuthAttemptsPerPeer).increment(1);
    }

    /// An attempt has ended; `login` is who was proven or, where nobody was, who was claimed.
    pub(in crate::proxy) fn auth_ended(
        &self,
        whose: Whose,
        mechanism: &str,
        login: Option<&str>,
        outcome: AuthOutcome,
    ) {
        self.metrics.auth_attempts.of(label(mechanism), outcome).increment(1);
        if outcome == AuthOutcome::Ok {
            tracing::info!(
                { field::PEER } = %whose.address,
                { field::LOGIN } = login,
                { field::MECHANISM } = mechanism,
                "authenticated"
            );
        } else if self.is_sampled(whose) {
            tracing::info!(
                { field::PEER } = %whose.address,
                { field::LOGIN } = login,
                { field::MECHANISM } = mechanism,
                { field::REASON } = AuthOutcome::NAMES[outcome.index()],
                "not authenticated"
            );
        }
    }
}

fn label(mechanism: &str) -> AuthMechanism {
    match mechanism {
        "PLAIN" => AuthMechanism::Plain,
        "LOGIN" => AuthMechanism::Login,
        "SCRAM-SHA-256" => AuthMechanism::ScramSha256,
        "SCRAM-SHA-256-PLUS" => AuthMechanism::ScramSha256Plus,
        "OAUTHBEARER" => AuthMechanism::Oauthbearer,
        "XOAUTH2" => AuthMechanism::Xoauth2,
        _ => AuthMechanism::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mechanism_is_counted_by_its_name() {
        for name in AuthMechanism::NAMES {
            assert_eq!(AuthMechanism::NAMES[label(name).index()], *name);
        }
        assert_eq!(label("GSSAPI"), AuthMechanism::Other);
    }
}
