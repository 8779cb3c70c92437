//! One exchange: from the mechanism's name to who was proven, or to nobody. Takes and gives base64, bounded and wiped;
//! what a mechanism hears is never in a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::authenticator::{Authenticator, Backend};
use super::credentials::{Credentials, prepared_login};
use super::dovecot::{self, Dovecot};
use super::facts::ExchangeFacts;
use super::scram::{self, Binding, ClientFirst, Scram};
use crate::policy::Login;

/// The longest response, in base64: what RFC 4954 section 4 asks servers to take.
const MAX_RESPONSE: usize = 12_288;

/// How the exchange goes on.
#[derive(Debug)]
pub enum Step {
    /// This, in base64, is put to the client, and its answer is awaited.
    Challenge(Vec<u8>),
    /// The client is who it claims to be.
    Proven(Login),
    /// It is not, or said what no client says.
    Failed,
    /// What it said is not base64, or too long.
    Malformed,
    /// Who would know cannot say now.
    Unavailable,
}

impl Step {
    /// The one place where a login becomes a proof.
    pub(super) fn proven(login: &str) -> Self {
        Self::Proven(Login::proven(login))
    }
}

/// What a mechanism waits for.
enum State {
    /// PLAIN's one message.
    Plain,
    /// LOGIN's first answer.
    LoginName,
    /// LOGIN's second.
    LoginPassword(Zeroizing<Vec<u8>>),
    /// SCRAM's first message.
    ScramFirst {
        plus: bool,
    },
    /// SCRAM's final message.
    ScramFinal(Box<Scram>, String),
    /// The client's word that it believes us too: an empty response (RFC 5802 section 5, in SMTP).
    ScramEnd(String),
    /// A mechanism that is Dovecot's affair, before its first message and within it.
    DovecotFirst(Dovecot, Box<str>),
    DovecotOn(dovecot::Conversation),
    /// Nothing.
    Over,
}

/// One exchange with one client. Dropped before its end, it was cancelled.
pub struct Exchange {
    authenticator: Authenticator,
    facts: ExchangeFacts,
    state: State,
}

impl Exchange {
    /// Begins one; none where the mechanism is not offered.
    pub(super) fn new(authenticator: Authenticator, mechanism: &str, facts: ExchangeFacts) -> Option<Self> {
        let mechanism = mechanism.to_ascii_uppercase();
        if !authenticator.mechanisms(!facts.bindings.is_empty()).contains(&mechanism) {
            return None;
        }
        let state = match mechanism.as_str() {
            "PLAIN" => State::Plain,
            "LOGIN" => State::LoginName,
            scram::SHA_256_PLUS => State::ScramFirst { plus: true },
            scram::SHA_256 => State::ScramFirst { plus: false },
            _ => State::DovecotFirst(
                authenticator.dovecot_with(&mechanism)?.clone(),
                mechanism.as_str().into(),
            ),
        };
        Some(Self { authenticator, facts, state })
    }

    /// Takes what the client sent: the initial response, if there was one, then each response.
    pub async fn step(&mut self, response: Option<&[u8]>) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        let octets = match response.map(decode).transpose() {
            Ok(octets) => octets,
            Err(NotBase64) => return Step::Malformed,
        };
        match (state, octets) {
            (State::LoginName, None) => self.ask(State::LoginName, b"Username:"),
            (State::LoginName, Some(login)) => self.ask(State::LoginPassword(login), b"Password:"),
            (State::LoginPassword(login), Some(password)) => {
                self.password(Credentials::new(&login, &password)).await
            }
            (State::Plain, Some(message)) => self.password(Credentials::from_plain(&message)).await,
            (State::ScramFirst { plus }, Some(first)) => self.scram_first(plus, &first).await,
            (State::ScramFinal(scram, login), Some(last)) => match scram.finish(&last) {
                Some(signature) => self.ask(State::ScramEnd(login), &signature),
                None => Step::Failed,
            },
            (State::ScramEnd(login), Some(nothing)) if nothing.is_empty() => Step::proven(&login),
            (State::DovecotFirst(dovecot, mechanism), octets) => {
                let initial = octets.map(|octets| encode(&octets));
                let initial = initial.as_ref().map(|text| text.as_str());
                let said = dovecot.begin(&mechanism, &self.facts, initial).await;
                self.dovecot(said)
            }
            (State::DovecotOn(conversation), Some(octets)) => {
                let said = conversation.answer(&encode(&octets)).await;
                self.dovecot(said)
            }
            // An empty challenge asks for the first message of a mechanism that begins with the client.
            (state @ (State::Plain | State::ScramFirst { .. }), None) => self.ask(state, b""),
            (_, _) => Step::Failed,
        }
    }

    fn ask(&mut self, next: State, challenge: &[u8]) -> Step {
        self.state = next;
        Step::Challenge(STANDARD.encode(challenge).into_bytes())
    }

    async fn password(&self, credentials: Option<Credentials>) -> Step {
        match credentials {
            Some(credentials) => self.authenticator.verify(credentials, &self.facts).await,
            None => Step::Failed,
        }
    }

    async fn scram_first(&mut self, plus: bool, octets: &[u8]) -> Step {
        let Some(first) = ClientFirst::read(octets) else { return Step::Failed };
        let bindings_offered = self
            .authenticator
            .mechanisms(!self.facts.bindings.is_empty())
            .iter()
            .any(|name| name == scram::SHA_256_PLUS);
        match (first.binding, plus) {
            (Binding::Used, true) | (Binding::NotKnown, false) => {}
            (Binding::Unused, false) if !bindings_offered => {}
            // The client can bind and was led to believe that we cannot: somebody has left -PLUS out of our offer.
            (Binding::Unused, _) | (Binding::Used, false) | (Binding::NotKnown, true) => return Step::Failed,
        }
        match self.authenticator.scram_backend(&first.login, plus) {
            Some(Backend::File(file)) => {
                let begun = Scram::begin(&first, file.scram(&first.login), self.facts.bindings.clone());
                match begun {
                    Some((scram, challenge)) => {
                        self.ask(State::ScramFinal(Box::new(scram), first.login), &challenge)
                    }
                    None => Step::Failed,
                }
            }
            Some(Backend::Dovecot(dovecot)) => {
                let said = dovecot.begin(scram::SHA_256, &self.facts, Some(&encode(octets))).await;
                self.dovecot(said)
            }
            None => Step::Failed,
        }
    }

    fn dovecot(&mut self, said: dovecot::Said) -> Step {
        match said {
            dovecot::Said::Challenge(conversation, challenge) => {
                self.state = State::DovecotOn(conversation);
                Step::Challenge(challenge.into_bytes())
            }
            dovecot::Said::Proven(login) => match prepared_login(&login) {
                Some(login) => Step::proven(&login),
                None => Step::Unavailable,
            },
            dovecot::Said::Refused => Step::Failed,
            dovecot::Said::Unavailable => Step::Unavailable,
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("client", &self.facts.client).finish_non_exhaustive()
    }
}

struct NotBase64;

fn decode(response: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotBase64> {
    if response.len() > MAX_RESPONSE {
        return Err(NotBase64);
    }
    STANDARD.decode(response).map(Zeroizing::new).map_err(|_| NotBase64)
}

fn encode(octets: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(octets))
}

#[cfg(test)]
mod tests;
