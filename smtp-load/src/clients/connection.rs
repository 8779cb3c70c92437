//! One SMTP connection of a client that waits for each answer: for few sessions that carry mail. Not for floods.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// What went wrong with a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The connection could not be made.
    #[error("cannot connect to {target}: {source}")]
    Connect {
        /// Where to.
        target: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// It broke, or nothing came in time.
    #[error("{doing}: {source}")]
    Broken {
        /// What was being done.
        doing: &'static str,
        /// What happened.
        source: io::Error,
    },
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// What came is no SMTP reply.
    #[error("no SMTP reply: {0:?}")]
    NotAReply(String),
    /// The answer was not the one that is needed to go on.
    #[error("{command} was answered with {reply}")]
    Refused {
        /// The verb.
        command: &'static str,
        /// The answer.
        reply: Reply,
    },
}

/// An answer of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its code.
    pub code: u16,
    /// Its lines, without the codes.
    pub lines: Vec<String>,
}

impl Reply {
    /// Whether it says yes (2xx, or 354 to DATA).
    #[must_use]
    pub fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// The longest reply line that is taken, and the most lines: a server is not trusted either.
const REPLY_LINE: u64 = 4096;
const REPLY_LINES: usize = 100;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects, from `source` where it is given, and hears the banner. Nothing is waited for longer than `patience`.
    pub fn open(
        target: SocketAddr,
        source: Option<IpAddr>,
        patience: Duration,
    ) -> Result<(Self, Reply), ConnectionError> {
        let connect = || {
            let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
            if let Some(source) = source {
                socket.bind(&SocketAddr::new(source, 0).into())?;
            }
            socket.connect_timeout(&target.into(), patience)?;
            let stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect().map_err(|source| ConnectionError::Connect { target, source })?;
        let mut connection = Self { stream: BufReader::new(stream) };
        let banner = connection.read_reply()?;
        Ok((connection, banner))
    }

    /// Sends one command (its CR LF is added) and hears the answer.
    pub fn command(&mut self, line: &str) -> Result<Reply, ConnectionError> {
        self.send(format!("{line}\r\n").as_bytes())?;
        self.read_reply()
    }

    /// The same, where any answer but a positive one is an error.
    pub fn must(&mut self, verb: &'static str, line: &str) -> Result<Reply, ConnectionError> {
        let reply = self.command(line)?;
        if reply.is_positive() { Ok(reply) } else { Err(ConnectionError::Refused { command: verb, reply }) }
    }

    /// Sends a message, dot-stuffed, with the dot behind it, and hears the answer. `message` ends with CR LF.
    pub fn message(&mut self, message: &[u8]) -> Result<Reply, ConnectionError> {
        let mut stuffed = Vec::with_capacity(message.len() + message.len() / 64 + 8);
        for line in message.split_inclusive(|&byte| byte == b'\n') {
            if line.starts_with(b".") {
                stuffed.push(b'.');
            }
            stuffed.extend_from_slice(line);
        }
        stuffed.extend_from_slice(b".\r\n");
        self.send(&stuffed)?;
        self.read_reply()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        let doing = "sending";
        self.stream.get_mut().write_all(bytes).map_err(|source| ConnectionError::Broken { doing, source })
    }

    /// Hears one reply, of however many lines.
    pub fn read_reply(&mut self) -> Result<Reply, ConnectionError> {
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            let doing = "waiting for a reply";
            io::Read::take(&mut self.stream, REPLY_LINE)
                .read_until(b'\n', &mut line)
                .map_err(|source| ConnectionError::Broken { doing, source })?;
            if line.is_empty() {
                return Err(ConnectionError::Closed);
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\r', '\n']);
            let not_a_reply = || ConnectionError::NotAReply(text.chars().take(80).collect());
            let code = text.get(..3).and_then(|code| code.parse::<u16>().ok()).ok_or_else(not_a_reply)?;
            let (more, rest) = match text.as_bytes().get(3) {
                None => (false, ""),
                Some(b' ') => (false, &text[4..]),
                Some(b'-') => (true, &text[4..]),
                Some(_) => return Err(not_a_reply()),
            };
            if line.last() != Some(&b'\n') || lines.len() == REPLY_LINES {
                return Err(not_a_reply());
            }
            lines.push(rest.to_owned());
            if !more {
                return Ok(Reply { code, lines });
            }
        }
    }
}
