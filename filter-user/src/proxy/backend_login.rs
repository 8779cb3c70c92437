//! Authenticates towards a relay host that asks for it (RFC 4954): by PLAIN, else by LOGIN, over TLS alone.

use super::backend::{Backend, BackendSettings};
use super::backend_error::BackendError;
use super::destination::{Credentials, Host};
use super::reply_reader::{GarbledReply, OwnedReply};

const AUTH: &str = "AUTH";

impl Backend {
    /// Says login and password. A host that asks for them by no way that we know is told nothing.
    pub(super) async fn log_in(
        &mut self,
        host: &Host,
        credentials: &Credentials,
        settings: &BackendSettings,
    ) -> Result<(), BackendError> {
        if !self.is_encrypted() {
            return Err(BackendError::Unencrypted { host: host.to_string() });
        }
        let offers = |mechanism: &str| self.capabilities.auth.iter().any(|name| name == mechanism);
        let answer = if offers("PLAIN") {
            let command = zeroize::Zeroizing::new(format!("AUTH PLAIN {}\r\n", *credentials.plain()));
            self.ask(command.as_bytes(), settings.reply_timeout, AUTH).await?
        } else if offers("LOGIN") {
            let mut answer = self.ask(b"AUTH LOGIN\r\n", settings.reply_timeout, AUTH).await?;
            for said in credentials.login() {
                if answer.code != 334 {
                    return Err(refused(&answer));
                }
                let line = zeroize::Zeroizing::new(format!("{}\r\n", *said));
                answer = self.ask(line.as_bytes(), settings.reply_timeout, AUTH).await?;
            }
            answer
        } else {
            return Err(BackendError::NoMechanism { host: host.to_string() });
        };
        match answer.code {
            235 => Ok(()),
            400.. => Err(refused(&answer)),
            _ => Err(BackendError::Garbled { what: AUTH, garbled: GarbledReply::NoCode }),
        }
    }
}

fn refused(answer: &OwnedReply) -> BackendError {
    BackendError::Refused { what: AUTH, summary: answer.summary() }
}
