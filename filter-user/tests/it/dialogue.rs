//! An SMTP client that says what it is told to and reads what comes, for tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A conversation.
pub(crate) struct Dialogue {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Dialogue {
    /// Connects and reads the banner.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut dialogue = Self::silent(address);
        let banner = dialogue.reply();
        assert!(banner.starts_with("220 "), "{banner}");
        dialogue
    }

    /// Connects and reads nothing.
    pub(crate) fn silent(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap())
    }

    /// Connects from this address and reads the banner.
    pub(crate) fn from(client: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(client, 0).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let mut dialogue = Self::over(socket.into());
        let banner = dialogue.reply();
        assert!(banner.starts_with("220 "), "{banner}");
        dialogue
    }

    /// Talks over this connection.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self { stream, reader }
    }

    /// Sends octets as they are.
    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
    }

    /// Connects and reads the first reply; empty where there is none, because the connection is reset.
    pub(crate) fn first_reply(address: SocketAddr) -> String {
        TcpStream::connect(address).map_or_else(|_| String::new(), |stream| Self::over(stream).reply())
    }

    /// Reads one reply, all lines of it; empty at the end of the connection.
    pub(crate) fn reply(&mut self) -> String {
        let mut text = String::new();
        loop {
            let begin = text.len();
            if self.reader.read_line(&mut text).unwrap_or(0) == 0 {
                return text;
            }
            if text.as_bytes().get(begin + 3) != Some(&b'-') {
                return text;
            }
        }
    }

    /// Sends a line, reads the reply.
    pub(crate) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n"));
        self.reply()
    }

    /// Sends a line to who may have hung up, reads what comes: nothing then.
    pub(crate) fn try_say(&mut self, line: &str) -> String {
        match self.stream.write_all(format!("{line}\r\n").as_bytes()) {
            Ok(()) => self.reply(),
            Err(_) => String::new(),
        }
    }

    /// Says lines, expecting the beginning of each reply.
    pub(crate) fn expect(&mut self, script: &[(&str, &str)]) {
        for (line, expected) in script {
            let reply = self.say(line);
            assert!(reply.starts_with(expected), "{line:?} was answered {reply:?}, not {expected:?}");
        }
    }

    /// From EHLO to the 354 of a message for a local user.
    pub(crate) fn begin_message(&mut self) {
        self.expect(&[
            ("EHLO a.example", "250"),
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<user@example.test>", "250"),
            ("DATA", "354"),
        ]);
    }

    /// Everything until the other end closes, by whatever means.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let mut octets = [0; 4096];
        loop {
            match self.reader.read(&mut octets) {
                Ok(0) | Err(_) => return rest,
                Ok(read) => rest.extend_from_slice(&octets[..read]),
            }
        }
    }
}
