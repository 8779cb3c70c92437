//! A mail server as a directory: it is asked whether it would take mail for a recipient (RFC 5321 MAIL and RCPT), from
//! the null sender so that nothing can come back, and is never given any.

use tokio::io::{AsyncWriteExt as _, BufReader};

use super::error::DirectoryError;
use super::pool::Server;
use super::question::Question;
use super::smtp_reply::SmtpReply;
use super::stream::Stream;
use crate::config::StreamAddress;

/// Probes over one connection: servers take many that bring no mail for abuse (Postfix: smtpd_junk_command_limit is 100).
const PROBES: u32 = 50;
/// Refusals over one connection: servers become slow after more (Postfix: smtpd_soft_error_limit is 10).
const REFUSALS: u32 = 8;

/// A mail server that is asked.
#[derive(Debug)]
pub(super) struct Callout {
    pub(super) at: StreamAddress,
    /// Our name.
    pub(super) hostname: String,
}

/// A connection that is through with EHLO.
#[derive(Debug)]
pub(super) struct Connection {
    stream: BufReader<Stream>,
    smtputf8: bool,
    probes: u32,
    refusals: u32,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Good manners, where there is room for them; nobody waits for the reply.
        self.stream.get_ref().say_at_once(b"QUIT\r\n");
    }
}

impl Server for Callout {
    type Connection = Connection;

    async fn dial(&self) -> Result<Connection, DirectoryError> {
        let stream = BufReader::new(Stream::connect(&self.at).await?);
        let mut connection = Connection { stream, smtputf8: false, probes: 0, refusals: 0 };
        let banner = SmtpReply::read(&mut connection.stream).await?;
        if banner.code != 220 {
            return Err(DirectoryError::CannotSay(format!("its banner: {}", banner.shown())));
        }
        let mut hello = connection.say(&format!("EHLO {}", self.hostname)).await?;
        if hello.is_positive() {
            let offered = |line: &str| line.trim_end().eq_ignore_ascii_case("SMTPUTF8");
            connection.smtputf8 = hello.text.lines().skip(1).any(offered);
        } else {
            hello = connection.say(&format!("HELO {}", self.hostname)).await?;
        }
        if hello.is_positive() { Ok(connection) } else { Err(cannot_say("HELO", &hello)) }
    }

    async fn ask(&self, connection: &mut Connection, question: &Question) -> Result<bool, DirectoryError> {
        let utf8 = !question.local_part.is_ascii();
        if utf8 && !connection.smtputf8 {
            // A server that cannot be told of such a mailbox has none.
            return Ok(false);
        }
        if connection.probes > 0 {
            connection.must("RSET", "RSET").await?;
        }
        connection.probes += 1;
        connection.must("MAIL", if utf8 { "MAIL FROM:<> SMTPUTF8" } else { "MAIL FROM:<>" }).await?;
        let rcpt = format!("RCPT TO:<{}@{}>", question.local_part, question.domain);
        let reply = connection.say(&rcpt).await?;
        connection.refusals += u32::from(!reply.is_positive());
        match reply.is_positive() {
            true => Ok(true),
            false if reply.code == 421 => Err(closing()),
            false if reply.says_unknown() => Ok(false),
            false => Err(cannot_say("RCPT", &reply)),
        }
    }

    fn is_spent(&self, connection: &Connection) -> bool {
        connection.probes >= PROBES || connection.refusals >= REFUSALS
    }
}

impl Connection {
    async fn say(&mut self, command: &str) -> Result<SmtpReply, DirectoryError> {
        let lost = |source| DirectoryError::Lost { doing: "sending a command", source };
        self.stream.write_all(format!("{command}\r\n").as_bytes()).await.map_err(lost)?;
        SmtpReply::read(&mut self.stream).await
    }

    async fn must(&mut self, what: &str, command: &str) -> Result<(), DirectoryError> {
        let reply = self.say(command).await?;
        match reply.is_positive() {
            true => Ok(()),
            // On a kept connection that is that it was kept too long.
            false if reply.code == 421 => Err(closing()),
            false => Err(cannot_say(what, &reply)),
        }
    }
}

fn cannot_say(what: &str, reply: &SmtpReply) -> DirectoryError {
    DirectoryError::CannotSay(format!("its reply to {what}: {}", reply.shown()))
}

fn closing() -> DirectoryError {
    DirectoryError::Lost { doing: "asking, by a 421", source: std::io::ErrorKind::ConnectionAborted.into() }
}
