//! Real connections over a veth pair between two network namespaces, each of which ends with its thread: what the
//! verdicts do to TCP, where frames come from a network stack and not from a builder.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use filter_common::{BlockAction, Counter, PeerKey, PrefixLengths, Sanction};
use filter_user::config::Hook;
use filter_user::kernel::{Kernel, Mode};

use super::home::{in_a_namespace, ip, load};
use crate::packets::kernel::now;

/// Long enough for a handshake on a busy machine, and shorter than the second after which TCP tries again.
const PATIENCE: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_secs(60);

/// Runs what it is sent in the peer's namespace.
struct Peer {
    jobs: Option<Sender<Box<dyn FnOnce() + Send>>>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Makes the link `e0` here and `p0` in a namespace of the peer's own.
    fn connected() -> Self {
        let (jobs, todo): (Sender<Box<dyn FnOnce() + Send>>, Receiver<_>) = channel();
        let thread = std::thread::spawn(|| in_a_namespace(move || todo.into_iter().for_each(|job| job())));
        let peer = Self { jobs: Some(jobs), thread: Some(thread) };
        let thread_id = peer.run(|| nix::unistd::gettid().as_raw());
        ip("link add e0 type veth peer name p0");
        ip(&format!("link set p0 netns {thread_id}"));
        for address in ["192.0.2.1/24", "2001:db8::1/64 nodad"] {
            ip(&format!("addr add {address} dev e0"));
        }
        ip("link set e0 up");
        peer.run(|| {
            for address in ["192.0.2.7/24", "192.0.2.8/24", "2001:db8::7/64 nodad"] {
                ip(&format!("addr add {address} dev p0"));
            }
            ip("link set p0 up");
        });
        peer
    }

    fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let job = move || answer.send(job()).unwrap();
        self.jobs.as_ref().unwrap().send(Box::new(job)).unwrap();
        answered.recv().expect("the peer's thread has panicked, see above")
    }

    /// Connects to a listener of the edge's; nothing where no answer came in time.
    fn connect(&self, to: &str, patience: Duration) -> Option<TcpStream> {
        let to: SocketAddr = to.parse().unwrap();
        self.run(move || match TcpStream::connect_timeout(&to, patience) {
            Ok(stream) => Some(stream),
            Err(error) if error.kind() == ErrorKind::TimedOut => None,
            Err(error) => panic!("connecting to {to}: {error}"),
        })
    }
}

impl Peer {
    /// Why a connection does not come about.
    fn refusal(&self, to: &str) -> ErrorKind {
        let to: SocketAddr = to.parse().unwrap();
        self.run(move || TcpStream::connect_timeout(&to, 5 * PATIENCE).map(drop).unwrap_err().kind())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn key(address: &str) -> PeerKey {
    PeerKey::from_ip(address.parse::<IpAddr>().unwrap(), PrefixLengths::default())
}

fn count(kernel: &Kernel, counter: Counter) -> u64 {
    kernel.counters().unwrap()[counter.index() as usize].1
}

/// Whether what is written at one end arrives at the other.
fn arrives(mut from: &TcpStream, mut to: &TcpStream) -> bool {
    to.set_read_timeout(Some(PATIENCE)).unwrap();
    from.write_all(b"NOOP\r\n").unwrap();
    match to.read_exact(&mut [0; 6]) {
        Ok(()) => true,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
        Err(error) => panic!("reading: {error}"),
    }
}

fn edge() -> (Peer, Kernel) {
    let peer = Peer::connected();
    let kernel = load(|settings| settings.interfaces = vec!["e0".to_owned()]).unwrap();
    assert_eq!(kernel.attached()[0].mode, Mode::Native);
    (peer, kernel)
}

#[test]
fn a_blocked_host_is_silent_and_its_neighbours_are_not() {
    in_a_namespace(|| {
        let (peer, kernel) = edge();
        let smtp = TcpListener::bind("[::]:25").unwrap();
        let _ssh = TcpListener::bind("[::]:22").unwrap();
        let client = peer.connect("192.0.2.1:25", 5 * PATIENCE).expect("unknown hosts connect");
        let (server, _) = smtp.accept().unwrap();
        assert!(arrives(&client, &server));

        let enforcer = kernel.enforcer();
        let at = now();
        enforcer.enforce(key("192.0.2.7"), Sanction::Blocked { until: at.plus(MINUTE) }, at);
        assert!(!arrives(&client, &server), "its open connection is cut off");
        assert!(peer.connect("192.0.2.1:25", PATIENCE).is_none(), "it opens no other");
        assert!(count(&kernel, Counter::DroppedBlocked) >= 2);
        assert!(peer.connect("192.0.2.1:22", 5 * PATIENCE).is_some(), "ports that are not protected are");
        assert!(peer.connect("[2001:db8::1]:25", 5 * PATIENCE).is_some(), "another host");

        enforcer.enforce(key("2001:db8::7"), Sanction::Blocked { until: at.plus(MINUTE) }, at);
        assert!(peer.connect("[2001:db8::1]:25", PATIENCE).is_none());

        enforcer.authenticate(key("192.0.2.7"), at.plus(MINUTE), at);
        assert!(
            peer.connect("192.0.2.1:25", 5 * PATIENCE).is_some(),
            "authenticated hosts connect, blocked or not"
        );
        assert!(count(&kernel, Counter::PassedAuthenticated) >= 2);
    });
}

#[test]
fn a_block_ends_by_itself_and_a_limit_lets_some_through() {
    in_a_namespace(|| {
        let (peer, kernel) = edge();
        let _smtp = TcpListener::bind("[::]:25").unwrap();
        let enforcer = kernel.enforcer();
        let at = now();
        enforcer.enforce(key("192.0.2.7"), Sanction::Blocked { until: at.plus(PATIENCE) }, at);
        // The first SYN is dropped, the one that TCP sends a second later is not.
        assert!(peer.connect("192.0.2.1:25", 10 * PATIENCE).is_some());
        assert!(count(&kernel, Counter::DroppedBlocked) >= 1 && count(&kernel, Counter::PassedExpired) >= 1);

        enforcer.enforce(key("192.0.2.7"), Sanction::Limited { until: now().plus(MINUTE) }, now());
        let connected = [(); 4].map(|()| peer.connect("192.0.2.1:25", PATIENCE).is_some());
        assert_eq!(connected, [true, true, false, false], "two at once, then six a minute");
        assert!(count(&kernel, Counter::DroppedLimited) >= 2);
    });
}

/// An edge that answers blocked hosts, and what else has to be kept meanwhile.
fn answering(hook: Hook, action: BlockAction) -> (Peer, Kernel, Option<Kernel>) {
    let peer = Peer::connected();
    // What XDP sends back in its driver, a veth takes only where the other end has an XDP program too: here one that has
    // nobody to block.
    let taking = matches!(hook, Hook::XdpNative).then(|| {
        let taking = peer.run(|| load(|settings| settings.interfaces = vec!["p0".to_owned()]).unwrap());
        assert_eq!(taking.attached()[0].mode, Mode::Native);
        taking
    });
    let kernel = load(|settings| {
        settings.interfaces = vec!["e0".to_owned()];
        settings.hook = hook;
        settings.block_action = action;
    });
    (peer, kernel.unwrap(), taking)
}

/// A reset has to come back through real sockets: with the right checksum, also where tc holds a packet that has none yet.
#[test]
fn a_blocked_host_is_reset_over_a_real_link() {
    for hook in [Hook::XdpNative, Hook::XdpGeneric, Hook::Tc] {
        in_a_namespace(move || {
            let (peer, kernel, _taking) = answering(hook, BlockAction::Reset);
            let _smtp = TcpListener::bind("[::]:25").unwrap();
            let at = now();
            for host in ["192.0.2.7", "2001:db8::7"] {
                kernel.enforcer().enforce(key(host), Sanction::Blocked { until: at.plus(MINUTE) }, at);
            }
            for to in ["192.0.2.1:25", "[2001:db8::1]:25"] {
                assert_eq!(peer.refusal(to), ErrorKind::ConnectionRefused, "{to} at {hook}");
            }
            assert!(count(&kernel, Counter::ResetBlocked) >= 2, "{hook}");
        });
    }
}

/// Whoever is caught in the tarpit believes that it is connected, and nobody has heard of it.
#[test]
fn the_tarpit_connects_to_nobody() {
    for hook in [Hook::XdpNative, Hook::XdpGeneric, Hook::Tc] {
        in_a_namespace(move || {
            let (peer, kernel, _taking) = answering(hook, BlockAction::Tarpit);
            let smtp = TcpListener::bind("[::]:25").unwrap();
            smtp.set_nonblocking(true).unwrap();
            let at = now();
            kernel.enforcer().enforce(key("192.0.2.7"), Sanction::Blocked { until: at.plus(MINUTE) }, at);
            let mut caught = peer.connect("192.0.2.1:25", 5 * PATIENCE).expect("it is answered");
            caught.write_all(b"EHLO spam.example\r\n").unwrap();
            caught.set_read_timeout(Some(PATIENCE)).unwrap();
            let nothing = caught.read(&mut [0; 100]).unwrap_err().kind();
            assert!(matches!(nothing, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{nothing} at {hook}");
            assert_eq!(smtp.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came in, at {hook}");
            assert!(count(&kernel, Counter::TarpittedBlocked) >= 1, "{hook}");
        });
    }
}
