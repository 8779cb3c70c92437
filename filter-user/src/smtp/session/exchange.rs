//! Takes the lines of an AUTH exchange (RFC 4954 section 4): responses are handed on as they are, what is none ends it.
//! What they say, and whether it is right, is not known here.

use std::time::Instant;

use super::super::auth::is_base64;
use super::super::question::{Question, Said};
use super::super::reply::{self, Reply};
use super::super::service::Service;
use super::{CloseReason, Parked, Session, State};

/// RFC 4954 section 4: the client gives up.
const CANCEL: &[u8] = b"*";

impl Session {
    /// Says a challenge, and waits for the response.
    pub(super) fn challenge(&mut self, service: &Service, challenge: &[u8], out: &mut Vec<u8>) {
        if !is_base64(challenge) {
            // Whoever made it does not know how: nothing of it reaches the client.
            return self.refuse(service, reply::AUTH_UNAVAILABLE, out);
        }
        out.extend_from_slice(b"334 ");
        out.extend_from_slice(challenge);
        out.extend_from_slice(b"\r\n");
        self.state = State::AuthResponse;
    }

    /// Takes one response.
    pub(super) fn handle_response<'b>(
        &mut self,
        service: &Service,
        text: &'b [u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> Option<Question<'b>> {
        self.await_command(service, now);
        if !self.count_command(service, out) {
            return None;
        }
        if text == CANCEL {
            self.end_exchange(service, reply::AUTH_CANCELLED, out);
        } else if !is_base64(text) {
            self.end_exchange(service, reply::AUTH_NOT_BASE64, out);
        } else {
            self.state = State::Answer(Parked::Auth);
            return Some(Question::AuthResponse(Said(text)));
        }
        None
    }

    /// The exchange has no outcome.
    pub(super) fn end_exchange(&mut self, service: &Service, reply: Reply, out: &mut Vec<u8>) {
        reply.say(out);
        self.state = State::ExchangeOver;
        self.handle_auth_refused(service, reply.code(), out);
    }

    /// What a refused AUTH leads to, when its reply is in the buffer. That the credentials cannot be looked up now is no
    /// fault of the peer's.
    pub(super) fn handle_auth_refused(&mut self, service: &Service, code: u16, out: &mut Vec<u8>) {
        self.handle_refused(service, code, out);
        if code < 500 || matches!(self.state, State::Closed(_)) {
            return;
        }
        self.auth_failures = self.auth_failures.saturating_add(1);
        if self.auth_failures >= service.limits.auth_attempts {
            reply::TOO_MANY_AUTH_ATTEMPTS.say(out);
            self.state = State::Closed(CloseReason::TooManyAuthAttempts);
        }
    }
}
