//! One transaction's way to its destination: dialled at the first recipient that may pass, host after host until one
//! answers MAIL, the envelope replayed there, every answer its own. Keeps the connection for the session's next message.

use super::backend::{Backend, BackendSettings};
use super::backend_error::BackendError;
use super::destination::{Destinations, Host};
use super::envelope::{Envelope, Unfit};
use super::reply_reader::{GarbledReply, OwnedReply};
use super::true_address::TrueClient;
use crate::judge::Passage;
use crate::smtp::{Answer, Reply, reply};

/// What the backend, or we in its place, say to the client.
#[derive(Debug)]
pub(super) enum Word {
    /// Its reply.
    Backend(OwnedReply),
    /// Ours, because it gave none; and why.
    Ours(Reply, Option<BackendError>),
}

impl Word {
    /// As the session takes it.
    #[must_use]
    pub(super) fn as_answer(&self) -> Answer<'_> {
        match self {
            Self::Backend(reply) => Answer::Backend(reply.as_answer()),
            Self::Ours(reply, _) => Answer::Refuse(*reply),
        }
    }

    /// Whether the backend said yes.
    #[must_use]
    pub(super) fn is_positive(&self) -> bool {
        matches!(self, Self::Backend(reply) if reply.is_positive())
    }

    fn failed(error: BackendError) -> Self {
        Self::Ours(error.reply(), Some(error))
    }
}

/// What was dialled.
#[derive(Debug, Default)]
pub(super) struct Dials {
    /// How many times.
    pub(super) begun: u32,
    /// How those went wrong after which another host was tried.
    pub(super) failed: Vec<BackendError>,
}

/// The backend's side of a session.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    backend: Option<Backend>,
    /// The number of the destination that the connection and the transaction are of.
    destination: usize,
    /// The backend has accepted MAIL, and nothing has ended the transaction since.
    open: bool,
    /// The backend is gone for the rest of this transaction, and what every further question about it is told.
    lost: Option<Reply>,
    /// Connections made since somebody asked.
    dials: Dials,
    /// Recipients that the backend accepted.
    recipients: u32,
    /// The backend has authenticated the client on this connection: on another one it would be somebody else.
    authenticated: bool,
}

impl Delivery {
    /// Whether the backend has something of ours that is not ended.
    #[must_use]
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// The host that has the transaction, or had the last.
    #[must_use]
    pub(super) fn host(&self) -> Option<&Host> {
        self.backend.as_ref().map(Backend::host)
    }

    /// Recipients of this message that the backend accepted.
    #[must_use]
    pub(super) fn recipients(&self) -> u32 {
        self.recipients
    }

    /// Connections made since the last call.
    pub(super) fn take_dials(&mut self) -> Dials {
        std::mem::take(&mut self.dials)
    }

    /// The transaction is over, or a new one begins.
    pub(super) fn reset(&mut self) {
        self.open = false;
        self.lost = None;
        self.recipients = 0;
    }

    /// Asks about the recipient in the envelope, after all that must come before it.
    pub(super) async fn recipient(
        &mut self,
        passage: Passage,
        envelope: &Envelope,
        client: &TrueClient<'_>,
        settings: &BackendSettings,
        destinations: &Destinations,
    ) -> Word {
        let wanted = destination_of(passage);
        if wanted != self.destination {
            if self.recipients > 0 {
                return Word::Ours(reply::ANOTHER_DESTINATION, None);
            }
            // Nobody was accepted yet, so nobody has chosen: what was begun elsewhere is given up.
            self.leave();
            self.destination = wanted;
        }
        if let Some(reply) = self.lost {
            return Word::Ours(reply, None);
        }
        let outcome = if self.open {
            self.further_recipient(envelope, settings).await
        } else {
            self.first_recipient(envelope, client, settings, destinations).await
        };
        match outcome {
            Ok(word) => {
                self.recipients += u32::from(word.is_positive());
                word
            }
            Err(error) => self.lose(error),
        }
    }

    /// Asks whether the message may begin: 354, or a refusal.
    pub(super) async fn data(&mut self, settings: &BackendSettings) -> Word {
        let backend = match (&mut self.backend, self.lost) {
            (_, Some(reply)) => return Word::Ours(reply, None),
            (None, None) => return self.lose(BackendError::Lost { what: "DATA" }),
            (Some(backend), None) => backend,
        };
        match backend.ask(b"DATA\r\n", settings.reply_timeout, "DATA").await {
            Ok(answer) if answer.code == 354 || answer.code >= 400 => Word::Backend(answer),
            Ok(_) => self.lose(BackendError::Garbled { what: "DATA", garbled: GarbledReply::NoCode }),
            Err(error) => self.lose(error),
        }
    }

    /// Hands on message data.
    pub(super) async fn pass(&mut self, octets: &[u8], settings: &BackendSettings) -> Result<(), Word> {
        let Some(backend) = &mut self.backend else {
            return Err(self.lose(BackendError::Lost { what: "message data" }));
        };
        // RFC 5321 section 4.5.3.2.5: a data block is given at least the time of a command.
        match backend.send(octets, settings.reply_timeout, "message data").await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.lose(error)),
        }
    }

    /// The client has sent its dot: sends ours, and waits for the one answer that counts.
    pub(super) async fn end(&mut self, settings: &BackendSettings) -> Word {
        let Some(backend) = &mut self.backend else {
            return self.lose(BackendError::Lost { what: "the end of data" });
        };
        match backend.ask(b".\r\n", settings.final_timeout, "the end of data").await {
            Ok(answer) if answer.is_positive() || answer.code >= 400 => {
                backend.dirty = false;
                self.open = false;
                Word::Backend(answer)
            }
            Ok(_) => {
                self.lose(BackendError::Garbled { what: "the end of data", garbled: GarbledReply::NoCode })
            }
            Err(error) => self.lose(error),
        }
    }

    /// Drops the connection without a word: what was half-sent is never taken for whole.
    pub(super) fn abandon(&mut self) {
        self.backend = None;
    }

    /// The session is over.
    pub(super) fn quit(&mut self) {
        if let Some(backend) = self.backend.take().filter(|_| !self.open) {
            backend.quit();
        }
    }

    /// More is known of the client, or it calls itself otherwise, which a backend is told when it is dialled: the next
    /// message gets another connection. Not so where the client has authenticated on this one.
    pub(super) fn retire(&mut self) {
        if !self.authenticated {
            self.quit();
        }
    }

    /// Takes leave of the backend and forgets what was begun there, but how much was dialled.
    fn leave(&mut self) {
        if let Some(backend) = self.backend.take() {
            backend.quit();
        }
        (self.open, self.lost) = (false, None);
    }

    /// The connection to the default backend, if there is one on which nothing is begun; one to another is given up.
    pub(super) fn take_default(&mut self) -> Option<Backend> {
        if self.destination != 0 || self.backend.as_ref().is_some_and(|backend| backend.dirty) {
            self.leave();
        }
        self.destination = 0;
        self.backend.take()
    }

    /// Keeps it for the session's mail; whether the client has authenticated on it.
    pub(super) fn keep_backend(&mut self, backend: Backend, authenticated: bool) {
        self.backend = Some(backend);
        self.authenticated |= authenticated;
    }

    /// Another connection is begun.
    pub(super) fn count_dial(&mut self) {
        self.dials.begun += 1;
    }

    async fn first_recipient(
        &mut self,
        envelope: &Envelope,
        client: &TrueClient<'_>,
        settings: &BackendSettings,
        destinations: &Destinations,
    ) -> Result<Word, BackendError> {
        if let Some(mut backend) = self.backend.take() {
            // A connection kept from an earlier message may have been closed meanwhile; then another is dialled.
            match self.replay(&mut backend, envelope, settings).await {
                // 421 on a kept connection is that it was kept too long.
                Ok(Word::Backend(reply)) if reply.code == 421 => self.open = false,
                Ok(word) => {
                    self.backend = Some(backend);
                    return Ok(word);
                }
                Err(_) => self.open = false,
            }
        }
        if self.authenticated && self.destination == 0 {
            return Err(BackendError::Lost { what: "MAIL" });
        }
        self.dial(envelope, client, settings, destinations).await
    }

    /// Tries host after host. One that was lost before it answered MAIL, or that said it is closing, is made good by the
    /// next; from then on the transaction is the host's own.
    async fn dial(
        &mut self,
        envelope: &Envelope,
        client: &TrueClient<'_>,
        settings: &BackendSettings,
        destinations: &Destinations,
    ) -> Result<Word, BackendError> {
        let destination = destinations.get(self.destination);
        let hosts = destination.find_hosts(settings).await?;
        for (at, host) in hosts.iter().enumerate() {
            let is_last = at + 1 == hosts.len();
            self.dials.begun += 1;
            let failed = match Backend::dial(host, &destination.settings, settings, client).await {
                Ok(mut backend) => {
                    destinations.found_up(destination, host, &backend.greeted_with);
                    match self.replay(&mut backend, envelope, settings).await {
                        Ok(Word::Backend(reply)) if reply.code == 421 && !is_last => {
                            self.open = false;
                            BackendError::Refused { what: "MAIL", summary: reply.summary() }
                        }
                        Ok(word) => {
                            self.backend = Some(backend);
                            return Ok(word);
                        }
                        Err(error) if self.open => return Err(error),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            destinations.found_failing(destination, host, &failed);
            self.dials.failed.push(failed);
        }
        // The last is the answer, and told of as that.
        Err(self.dials.failed.pop().unwrap_or(BackendError::NoHost))
    }

    /// MAIL and RCPT, in one write where the backend allows it.
    async fn replay(
        &mut self,
        backend: &mut Backend,
        envelope: &Envelope,
        settings: &BackendSettings,
    ) -> Result<Word, BackendError> {
        let mail = match envelope.mail_command(&backend.capabilities) {
            Ok(mail) => mail,
            Err(Unfit::EightBit) => return Ok(Word::Ours(reply::CONVERSION_REFUSED, None)),
            Err(Unfit::Tls) => return Ok(Word::Ours(reply::REQUIRETLS_REFUSED, None)),
            Err(Unfit::Utf8) => return Ok(Word::Ours(reply::SMTPUTF8_REFUSED, None)),
        };
        let rcpt = envelope.rcpt_command(&backend.capabilities);
        let within = settings.reply_timeout;
        let reset = if std::mem::replace(&mut backend.dirty, true) { "RSET\r\n" } else { "" };
        let pipelined = backend.capabilities.pipelining;
        backend.expect_silence("MAIL")?;
        if pipelined {
            backend.send(format!("{reset}{mail}{rcpt}").as_bytes(), within, "MAIL").await?;
        }
        if !reset.is_empty() {
            let answer = if pipelined {
                backend.reply(within, "RSET").await?
            } else {
                backend.ask(reset.as_bytes(), within, "RSET").await?
            };
            if !answer.is_positive() {
                return Err(BackendError::Refused { what: "RSET", summary: answer.summary() });
            }
        }
        let of_mail = if pipelined {
            backend.reply(within, "MAIL").await?
        } else {
            backend.ask(mail.as_bytes(), within, "MAIL").await?
        };
        if !of_mail.is_positive() {
            if pipelined && of_mail.code != 421 {
                // It refuses RCPT too, for want of a MAIL; that answer says nothing to the client.
                backend.reply(within, "RCPT").await?;
            }
            return sensible(of_mail, "MAIL");
        }
        self.open = true;
        let of_rcpt = if pipelined {
            backend.reply(within, "RCPT").await?
        } else {
            backend.ask(rcpt.as_bytes(), within, "RCPT").await?
        };
        sensible(of_rcpt, "RCPT")
    }

    async fn further_recipient(
        &mut self,
        envelope: &Envelope,
        settings: &BackendSettings,
    ) -> Result<Word, BackendError> {
        let Some(backend) = &mut self.backend else { return Err(BackendError::Lost { what: "RCPT" }) };
        let rcpt = envelope.rcpt_command(&backend.capabilities);
        sensible(backend.ask(rcpt.as_bytes(), settings.reply_timeout, "RCPT").await?, "RCPT")
    }

    fn lose(&mut self, error: BackendError) -> Word {
        let word = Word::failed(error);
        if let Word::Ours(reply, _) = &word {
            self.lost = Some(*reply);
        }
        self.backend = None;
        self.open = false;
        word
    }
}

/// The number of the destination that a recipient is to be handed to.
fn destination_of(passage: Passage) -> usize {
    let number = match passage {
        Passage::Route(backend) => backend.0,
        Passage::Relay(_, Some(route)) => route.0,
        Passage::Relay(_, None) => 0,
    };
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// An answer to MAIL or RCPT is yes or no; anything else is none.
fn sensible(answer: OwnedReply, what: &'static str) -> Result<Word, BackendError> {
    if (300..400).contains(&answer.code) {
        return Err(BackendError::Garbled { what, garbled: GarbledReply::NoCode });
    }
    Ok(Word::Backend(answer))
}
