//! One session of the sink: the dialogue of RFC 5321 as far as a relay uses it, and the misbehaviour that was asked for.
//! Checks the order of commands as a strict server does, so that a relay that errs is told; judges no address.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::arguments;
use super::behaviour::{Misbehaviour, Moment, SinkBehaviour};
use super::counts::{SinkCounts, TakenMessage};
use super::data_end::DataEnd;
use super::proxy_header::ProxyHeader;

/// A client that says nothing for so long is gone.
const IDLE: Duration = Duration::from_secs(300);
/// The longest command line.
const LINE: usize = 8192;
/// Octets read at once.
const READ: usize = 64 * 1024;

pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    behaviour: Arc<SinkBehaviour>,
    counts: Arc<SinkCounts>,
) {
    counts.sessions.fetch_add(1, Relaxed);
    let message = TakenMessage {
        connection_from: peer,
        proxied: None,
        xclient: BTreeMap::new(),
        helo: String::new(),
        mail_from: String::new(),
        recipients: Vec::new(),
        wire_body: Vec::new(),
    };
    let mut session = Session {
        socket,
        behaviour: &behaviour,
        counts: &counts,
        message,
        has_sender: false,
        input: Vec::new(),
        output: Vec::new(),
    };
    // A client that breaks off is an everyday thing: its session is over, and that is all.
    let _ = session.run().await;
    counts.sessions_ended.fetch_add(1, Relaxed);
}

/// What follows a command.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Command,
    Data,
    End,
}

struct Session<'s> {
    socket: TcpStream,
    behaviour: &'s SinkBehaviour,
    counts: &'s SinkCounts,
    /// The message that is being made; what concerns the session stays in it from one to the next.
    message: TakenMessage,
    has_sender: bool,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        self.socket.set_nodelay(true)?;
        if self.behaviour.proxy_header {
            match ProxyHeader::read(&mut self.socket).await {
                Ok(header) => self.message.proxied = Some(header),
                Err(error) => {
                    return self.socket.write_all(format!("421 4.3.0 {error}\r\n").as_bytes()).await;
                }
            }
        }
        let banner = format!("220 {} ESMTP", self.behaviour.hostname);
        let mut then = self.answer(Moment::Banner, &banner).await?;
        loop {
            match then {
                Then::End => return self.flush().await,
                Then::Data => then = self.take_data().await?,
                Then::Command => match memchr::memchr(b'\n', &self.input) {
                    Some(end) => {
                        let line: Vec<u8> = self.input.drain(..=end).collect();
                        then = self.command(&line).await?;
                    }
                    None if self.input.len() > LINE => {
                        self.say("500 5.5.2 line too long");
                        then = Then::End;
                    }
                    None if !self.read().await? => return Ok(()),
                    None => {}
                },
            }
        }
    }

    /// Writes what is to be said, then reads some. False: the client has closed.
    async fn read(&mut self) -> io::Result<bool> {
        self.flush().await?;
        let length = self.input.len();
        self.input.reserve(READ);
        let read = tokio::time::timeout(IDLE, self.socket.read_buf(&mut self.input)).await;
        Ok(matches!(read, Ok(Ok(_))) && self.input.len() > length)
    }

    async fn flush(&mut self) -> io::Result<()> {
        let written = self.socket.write_all(&self.output).await;
        self.output.clear();
        written
    }

    fn say(&mut self, reply: &str) {
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Says `reply`, or does what is to be done in place of it.
    async fn answer(&mut self, moment: Moment, reply: &str) -> io::Result<Then> {
        let behaviour = self.behaviour;
        match behaviour.at(moment) {
            None => self.say(reply),
            Some(Misbehaviour::Say(other)) => {
                self.say(other);
                if other.starts_with("421") {
                    return Ok(Then::End);
                }
            }
            Some(Misbehaviour::Close) => return Ok(Then::End),
            Some(Misbehaviour::Reset) => {
                self.flush().await?;
                // The only way to a reset that the standard library offers; nothing is left to be sent.
                socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO))?;
                return Ok(Then::End);
            }
            Some(Misbehaviour::Hang) => {
                self.flush().await?;
                // Not a read in sight: only the end of this task ends it, so that the peer's own patience is tested.
                std::future::pending::<()>().await;
            }
            Some(Misbehaviour::Garbage) => {
                self.output.extend_from_slice(b"\0\xff\x16\x03\x01 this is no reply\r\n\r\n?!\n");
            }
            Some(Misbehaviour::BareLf) => {
                self.output.extend_from_slice(reply.replace("\r\n", "\n").as_bytes());
                self.output.push(b'\n');
            }
            Some(Misbehaviour::Endless) => loop {
                for _ in 0..100 {
                    self.say(&format!("{}-and another thing", reply.get(..3).unwrap_or("250")));
                }
                self.flush().await?;
                tokio::task::yield_now().await;
            },
        }
        Ok(Then::Command)
    }

    async fn command(&mut self, line: &[u8]) -> io::Result<Then> {
        let Some(line) = line.strip_suffix(b"\r\n") else {
            self.say("500 5.5.2 a line ends with CR LF");
            return Ok(Then::Command);
        };
        let line = String::from_utf8_lossy(line).into_owned();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => self.greet(verb.eq_ignore_ascii_case("HELO"), argument).await,
            "XCLIENT" => self.xclient(argument).await,
            "MAIL" => self.mail(argument).await,
            "RCPT" => self.rcpt(argument).await,
            "DATA" if !self.has_sender => self.out_of_order("MAIL first"),
            "DATA" if self.message.recipients.is_empty() => {
                self.say("554 5.5.1 no valid recipients");
                Ok(Then::Command)
            }
            "DATA" => match self.answer(Moment::Data, "354 go on").await? {
                // Anything but 354 refuses the message: what follows are commands.
                Then::Command if self.says_354() => Ok(Then::Data),
                then => Ok(then),
            },
            "RSET" => {
                self.reset();
                self.answer(Moment::Rset, "250 2.0.0 ok").await
            }
            "NOOP" => {
                self.say("250 2.0.0 ok");
                Ok(Then::Command)
            }
            "QUIT" => {
                self.answer(Moment::Quit, "221 2.0.0 bye").await?;
                Ok(Then::End)
            }
            _ => {
                self.say("500 5.5.2 command unknown");
                Ok(Then::Command)
            }
        }
    }

    fn says_354(&self) -> bool {
        match self.behaviour.at(Moment::Data) {
            None | Some(Misbehaviour::BareLf | Misbehaviour::Garbage) => true,
            Some(Misbehaviour::Say(other)) => other.starts_with("354"),
            Some(_) => false,
        }
    }

    async fn greet(&mut self, is_helo: bool, name: &str) -> io::Result<Then> {
        self.reset();
        name.clone_into(&mut self.message.helo);
        let behaviour = self.behaviour;
        if is_helo {
            return self.answer(Moment::Ehlo, &format!("250 {}", behaviour.hostname)).await;
        }
        let mut lines = vec![behaviour.hostname.clone()];
        lines.extend(behaviour.extensions.iter().cloned());
        if !behaviour.xclient.is_empty() {
            lines.push(format!("XCLIENT {}", behaviour.xclient.join(" ")));
        }
        let last = lines.pop().unwrap_or_default();
        let mut reply: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        reply += &format!("250 {last}");
        self.answer(Moment::Ehlo, &reply).await
    }

    /// As Postfix has it: the session begins anew with the banner, and the client greets again.
    async fn xclient(&mut self, argument: &str) -> io::Result<Then> {
        let behaviour = self.behaviour;
        if self.has_sender {
            return self.out_of_order("not within a transaction");
        }
        let mut attributes = BTreeMap::new();
        for attribute in argument.split_ascii_whitespace() {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let name = name.to_ascii_uppercase();
            if !behaviour.xclient.contains(&name) {
                self.say(&format!("501 5.5.4 attribute {name} was not offered"));
                return Ok(Then::Command);
            }
            attributes.insert(name, arguments::decode_xtext(value));
        }
        if attributes.is_empty() {
            self.say("501 5.5.4 no attributes");
            return Ok(Then::Command);
        }
        self.message.xclient.append(&mut attributes);
        let banner = format!("220 {} ESMTP", behaviour.hostname);
        self.answer(Moment::Xclient, &banner).await
    }

    async fn mail(&mut self, argument: &str) -> io::Result<Then> {
        let Some(path) = arguments::after_keyword(argument, "FROM:") else {
            return self.out_of_order("MAIL FROM:<path>");
        };
        if self.has_sender || self.message.helo.is_empty() {
            return self.out_of_order("EHLO first, and one MAIL at a time");
        }
        if let Some(unknown) = arguments::not_offered(path, self.behaviour) {
            self.say(&format!("555 5.5.4 parameter {unknown} was not offered"));
            return Ok(Then::Command);
        }
        let then = self.answer(Moment::Mail, "250 2.1.0 ok").await?;
        if self.accepts(Moment::Mail) {
            self.counts.senders.fetch_add(1, Relaxed);
            self.has_sender = true;
            path.clone_into(&mut self.message.mail_from);
        }
        Ok(then)
    }

    async fn rcpt(&mut self, argument: &str) -> io::Result<Then> {
        let Some(path) = arguments::after_keyword(argument, "TO:") else {
            return self.out_of_order("RCPT TO:<path>");
        };
        if !self.has_sender {
            return self.out_of_order("MAIL first");
        }
        if let Some(unknown) = arguments::not_offered(path, self.behaviour) {
            self.say(&format!("555 5.5.4 parameter {unknown} was not offered"));
            return Ok(Then::Command);
        }
        let behaviour = self.behaviour;
        if let Some((_, reply)) = behaviour.recipient_replies.iter().find(|(holds, _)| path.contains(holds)) {
            self.say(reply);
            if !reply.starts_with('2') {
                return Ok(Then::Command);
            }
        } else {
            let then = self.answer(Moment::Rcpt, "250 2.1.5 ok").await?;
            if !self.accepts(Moment::Rcpt) {
                return Ok(then);
            }
        }
        self.counts.recipients.fetch_add(1, Relaxed);
        self.message.recipients.push(path.to_owned());
        Ok(Then::Command)
    }

    /// Whether what is said at `moment` is a yes.
    fn accepts(&self, moment: Moment) -> bool {
        match self.behaviour.at(moment) {
            None | Some(Misbehaviour::BareLf | Misbehaviour::Garbage) => true,
            Some(Misbehaviour::Say(other)) => other.starts_with('2'),
            Some(_) => false,
        }
    }

    fn out_of_order(&mut self, why: &str) -> io::Result<Then> {
        self.say(&format!("503 5.5.1 {why}"));
        Ok(Then::Command)
    }

    fn reset(&mut self) {
        self.has_sender = false;
        self.message.mail_from.clear();
        self.message.recipients.clear();
        self.message.wire_body.clear();
    }

    async fn take_data(&mut self) -> io::Result<Then> {
        let keeps = self.behaviour.keeps_messages || self.behaviour.hands_to.is_some();
        let mut end = DataEnd::default();
        loop {
            let found = end.find(&self.input);
            let taken = found.unwrap_or(self.input.len());
            self.counts.body_bytes.fetch_add(taken as u64, Relaxed);
            if keeps {
                self.message.wire_body.extend_from_slice(&self.input[..taken]);
            }
            self.input.drain(..taken);
            if found.is_some() {
                return self.end_message(keeps).await;
            }
            if taken > 0 && self.behaviour.at(Moment::MidData).is_some() {
                let then = self.answer(Moment::MidData, "421 4.3.0 no more").await?;
                if then == Then::End {
                    return Ok(then);
                }
            }
            if !self.read().await? {
                return Ok(Then::End);
            }
        }
    }

    async fn end_message(&mut self, keeps: bool) -> io::Result<Then> {
        // The terminator is not part of the message; the line end before it is.
        let length = self.message.wire_body.len().saturating_sub(b".\r\n".len());
        self.message.wire_body.truncate(length);
        let mut accepted = self.accepts(Moment::Dot);
        let mut reply = "250 2.0.0 taken";
        if accepted && keeps {
            let message = self.message.clone();
            if let Some(taker) = &self.behaviour.hands_to
                && taker.send(message.clone()).await.is_err()
            {
                (accepted, reply) = (false, "451 4.3.0 nobody takes it");
            }
            if accepted && self.behaviour.keeps_messages {
                self.counts.keep(message);
            }
        }
        // Counted before it is answered: who has heard the 250 finds it counted.
        if accepted {
            self.counts.messages.fetch_add(1, Relaxed);
        }
        self.reset();
        self.answer(Moment::Dot, reply).await
    }
}
