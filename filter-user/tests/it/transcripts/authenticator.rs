//! Who knows the credentials in the transcripts: says what the `A:` lines say, one after the other. Reads no mechanism.

use filter_user::smtp::reply::{AUTH_FAILED, AUTH_UNAVAILABLE};
use filter_user::smtp::{Answer, Question};

/// What is left to say.
pub(super) struct Authenticator<'s> {
    outcomes: &'s [String],
}

impl<'s> Authenticator<'s> {
    pub(super) fn new(outcomes: &'s [String]) -> Self {
        Self { outcomes }
    }

    /// The answer to AUTH or to a response.
    pub(super) fn answer(&mut self, question: &Question<'_>) -> Answer<'s> {
        let Some((said, left)) = self.outcomes.split_first() else {
            panic!("no A: line is left for {question:?}");
        };
        self.outcomes = left;
        match said.split_once(' ').unwrap_or((said, "")) {
            ("challenge", octets) => Answer::Challenge(octets.as_bytes()),
            ("yes", "") => Answer::Accept,
            ("no", "") => Answer::Refuse(AUTH_FAILED),
            ("away", "") => Answer::Refuse(AUTH_UNAVAILABLE),
            _ => panic!("A: {said} is no answer"),
        }
    }

    /// Answers that nobody asked for.
    pub(super) fn left_over(&self) -> Option<String> {
        self.outcomes.first().map(|said| format!("nobody was asked for A: {said}"))
    }
}
