//! The least a server can do: every command has its constant reply, nothing is parsed, decided, logged or remembered.
//! It is the denominator of the CPU ratio, so it is as lean as it can be made, and fair: it makes the system calls that
//! no server with this dialogue can go without, and no others.
//!
//! One thread, edge-triggered epoll: one `accept4`, one `epoll_ctl` and one `close` per connection (closing takes the
//! socket out of the epoll set), one `recv` and one `send` per round trip. The read that would only say *nothing more*
//! is not made: a read that did not fill the buffer has emptied the socket. TCP_NODELAY is set once, on the listener,
//! from which Linux hands it down. A peer that does not take its few hundred octets is dropped rather than buffered for.

use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::Context;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

const BANNER: &[u8] = b"220 responder.example ESMTP\r\n";
const EHLO: &[u8] = b"250-responder.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n\
                      250-SMTPUTF8\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n";
const MAIL: &[u8] = b"250 2.1.0 sender ok\r\n";
const RCPT: &[u8] = b"550 5.7.1 relaying is prohibited\r\n";
const QUIT: &[u8] = b"221 2.0.0 goodbye\r\n";
const OTHER: &[u8] = b"500 5.5.2 command unknown\r\n";

/// Bytes read at once.
const READ: usize = 4096;
/// Replies to what fits into one read: a line has two octets at least, no reply is longer than EHLO's. A batch whose
/// replies do not fit is not answered: no batch of the generators comes near.
const REPLIES: usize = 4096;
/// The key of the listener; connections have theirs from the slab.
const LISTENER: u64 = u64::MAX;

/// The peer has said all it will say. It is asked for and comes with the last bytes: so no read is made for the end.
const ENDED: epoll::EventFlags =
    epoll::EventFlags::RDHUP.union(epoll::EventFlags::HUP).union(epoll::EventFlags::ERR);

/// The responder, bound and listening.
#[derive(Debug)]
pub struct Responder {
    listener: TcpListener,
}

#[derive(Debug)]
struct Connection {
    socket: OwnedFd,
    /// The last read ended within a line.
    within_line: bool,
}

impl Responder {
    /// Binds to `listen`.
    pub fn bind(listen: SocketAddr) -> anyhow::Result<Self> {
        let bind = || {
            let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_reuse_port(true)?;
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&listen.into())?;
            socket.listen(4096)?;
            std::io::Result::Ok(socket)
        };
        let socket = bind().with_context(|| format!("cannot listen on {listen}"))?;
        Ok(Self { listener: socket.into() })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the process ends.
    pub fn run(&self) -> anyhow::Result<()> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot create an epoll instance")?;
        epoll::add(&epoll, &self.listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)
            .context("cannot watch the listener")?;
        let mut connections: Slab<Connection> = Slab::with_capacity(4096);
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 256];
        loop {
            let ready = match epoll::wait(&epoll, &mut events, None) {
                Ok((ready, _)) => ready,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error).context("waiting for events failed"),
            };
            for event in ready {
                if event.data.u64() == LISTENER {
                    accept(&self.listener, &epoll, &mut connections)?;
                    continue;
                }
                let key = event.data.u64() as usize;
                if let Some(connection) = connections.get_mut(key)
                    && (!connection.answer() || { event.flags }.intersects(ENDED))
                {
                    connections.remove(key);
                }
            }
        }
    }
}

/// Takes one connection. The listener is level-triggered, so that it is told of again while more wait: the `accept4` that
/// finds nothing (one of the dearer system calls, it makes a socket first) is never made. Measured against taking all
/// that wait until there is none: the same or a little less.
fn accept(listener: &TcpListener, epoll: &OwnedFd, connections: &mut Slab<Connection>) -> anyhow::Result<()> {
    let socket = match rustix::net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        Ok(socket) => socket,
        Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => return Ok(()),
        Err(error) => return Err(error).context("cannot accept"),
    };
    if !send(&socket, BANNER, false) {
        return Ok(());
    }
    let slot = connections.vacant_entry();
    epoll::add(
        epoll,
        &socket,
        epoll::EventData::new_u64(slot.key() as u64),
        epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET,
    )
    .context("cannot watch a connection")?;
    slot.insert(Connection { socket, within_line: false });
    Ok(())
}

impl Connection {
    /// Reads once and answers every line of it in one write. False: this connection is over.
    fn answer(&mut self) -> bool {
        let mut input = [MaybeUninit::<u8>::uninit(); READ];
        loop {
            let input = match rustix::net::recv(self.socket.as_fd(), &mut input, RecvFlags::empty()) {
                Ok(((input, _), _)) if !input.is_empty() => &*input,
                Err(Errno::AGAIN) => return true,
                Err(Errno::INTR) => continue,
                Ok(_) | Err(_) => return false,
            };
            let mut replies = Replies { bytes: [0; REPLIES], length: 0 };
            let mut rest = input;
            while !rest.is_empty() {
                let end = memchr::memchr(b'\n', rest);
                if !self.within_line {
                    let (reply, quits) = constant_reply(rest[0]);
                    // The usual case: the input is one command, its reply goes out from where it lies.
                    if replies.length == 0 && end == Some(rest.len() - 1) {
                        return send(&self.socket, reply, quits) && !quits;
                    }
                    if !replies.push(reply) {
                        return false;
                    }
                    if quits {
                        send(&self.socket, replies.as_slice(), true);
                        return false;
                    }
                }
                self.within_line = end.is_none();
                rest = end.map_or(&[], |end| &rest[end + 1..]);
            }
            if !send(&self.socket, replies.as_slice(), false) {
                return false;
            }
            if input.len() < READ {
                return true;
            }
        }
    }
}

/// The reply to a line, by its first octet, and whether the connection ends with it.
fn constant_reply(verb: u8) -> (&'static [u8], bool) {
    match verb {
        b'E' => (EHLO, false),
        b'M' => (MAIL, false),
        b'R' => (RCPT, false),
        b'Q' => (QUIT, true),
        _ => (OTHER, false),
    }
}

struct Replies {
    bytes: [u8; REPLIES],
    length: usize,
}

impl Replies {
    fn push(&mut self, reply: &[u8]) -> bool {
        let end = self.length + reply.len();
        match self.bytes.get_mut(self.length..end) {
            Some(room) => room.copy_from_slice(reply),
            None => return false,
        }
        self.length = end;
        true
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Before a close, the last reply waits for it: both leave in one packet.
fn send(socket: &OwnedFd, bytes: &[u8], closes: bool) -> bool {
    let flags = if closes { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
    matches!(rustix::net::send(socket, bytes, flags), Ok(sent) if sent == bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smtp_load::clients::{Connection as Client, RefusedSessions};
    use std::time::Duration;

    fn serve() -> SocketAddr {
        let responder = Responder::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = responder.local_addr().unwrap();
        std::thread::spawn(move || responder.run());
        address
    }

    #[test]
    fn refuses_every_session_plain_and_pipelined() {
        let address = serve();
        for pipelined in [false, true] {
            let run = RefusedSessions { pipelined, ..RefusedSessions::new(address, 500, 20) };
            let outcome = run.run().unwrap();
            assert!(outcome.is_clean(500, 550), "{outcome:?}");
        }
    }

    #[test]
    fn answers_a_batch_in_one_piece_and_a_command_in_pieces() {
        let (mut client, banner) = Client::open(serve(), None, Duration::from_secs(5)).unwrap();
        assert_eq!(banner.code, 220);
        client.send(b"EH").unwrap();
        // the reply is to the first octets; the rest of the line is not taken for a second command
        assert_eq!(client.read_reply().unwrap().code, 250);
        client.send(b"LO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nQUIT\r\n").unwrap();
        let codes: Vec<u16> = (0..3).map(|_| client.read_reply().unwrap().code).collect();
        assert_eq!(codes, [250, 550, 221]);
        assert!(client.read_reply().is_err());
    }

    #[test]
    fn sessions_that_find_nobody_are_counted_as_errors() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let outcome = RefusedSessions::new(nobody, 3, 2).run().unwrap();
        assert_eq!((outcome.begun, outcome.completed), (3, 0));
        assert_eq!(outcome.errors.values().sum::<u64>(), 3, "{outcome:?}");
    }

    #[test]
    fn sessions_that_get_no_answer_are_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let run = RefusedSessions {
            patience: Duration::from_millis(200),
            source: Some("127.0.0.9".parse().unwrap()),
            ..RefusedSessions::new(silent.local_addr().unwrap(), 2, 2)
        };
        let outcome = run.run().unwrap();
        assert_eq!(outcome.errors, [("no answer in time, before the banner".to_owned(), 2)].into());
        assert_eq!(silent.accept().unwrap().1.ip(), "127.0.0.9".parse::<std::net::IpAddr>().unwrap());
    }
}
