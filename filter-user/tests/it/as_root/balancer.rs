//! A real HAProxy in front, and XDP on the interface that it comes through: the client behind it is struck and refused,
//! HAProxy's own packets are never dropped, and its other clients notice nothing. Round the balancer the same client
//! comes to nothing in the kernel.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::daemon::{Daemon, eventually, metric};
use crate::dialogue::Dialogue;
use crate::haproxy::Haproxy;
use crate::netns::Namespace;
use crate::postfix::Postfix;

const FRONT: &str = "203.0.113.1:25";
const SERVER: &str = "192.0.2.1:25";
const BALANCER: &str = "192.0.2.10";
const ATTACKER: &str = "203.0.113.66";
const BYSTANDER: &str = "203.0.113.7";
const METRICS: &str = "127.0.0.1:9025";

/// Clients, the balancer before them, the edge host behind it.
struct Site {
    outside: Namespace,
    balancer: Namespace,
    edge: Namespace,
}

impl Site {
    fn new() -> Self {
        let site = Self { outside: Namespace::new(), balancer: Namespace::new(), edge: Namespace::new() };
        site.edge.link("e0", &["192.0.2.1/24"], &site.balancer, "b0", &["192.0.2.10/24"]);
        let clients = ["203.0.113.66/24", "203.0.113.7/24"];
        site.outside.link("p0", &clients, &site.balancer, "b1", &["203.0.113.1/24"]);
        // And a way round the balancer, by the clients' same addresses.
        site.edge.link("e1", &[], &site.outside, "p1", &[]);
        site.edge.ip("route add 203.0.113.0/24 dev e1");
        site.outside.ip("route add 192.0.2.1/32 dev p1");
        site
    }

    /// relaygate with XDP, and HAProxy before it.
    fn serve(&self, how: &'static str) -> (Daemon, Haproxy) {
        let flags = format!(
            "--backend sink: --local-domain example.test --interface e0 --interface e1 --metrics-listen {METRICS} --workers 2 \
             --proxy-protocol-from {BALANCER} --strikes-to-limit 3 --strikes-to-block 5 --block-for 10m"
        );
        let daemon = self.edge.run(move || Daemon::start_listening_on(SERVER, &flags));
        daemon.logged("sanctions are enforced in the kernel");
        let haproxy =
            self.balancer.run(move || Haproxy::start(FRONT.parse().unwrap(), SERVER.parse().unwrap(), how));
        eventually("HAProxy's first session", || {
            let mut dialogue = self.connect(BYSTANDER).ok().map(Dialogue::over)?;
            dialogue.reply().starts_with("220 ").then_some(())
        });
        (daemon, haproxy)
    }

    fn connect(&self, source: &str) -> std::io::Result<TcpStream> {
        self.connect_to(FRONT, source, Duration::from_secs(10))
    }

    fn connect_to(&self, to: &str, source: &str, within: Duration) -> std::io::Result<TcpStream> {
        let (to, source): (SocketAddr, IpAddr) = (to.parse().unwrap(), source.parse().unwrap());
        self.outside.run(move || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
            socket.connect_timeout(&to.into(), within)?;
            Ok(socket.into())
        })
    }

    fn first_reply(&self, source: &str) -> String {
        Dialogue::over(self.connect(source).unwrap()).reply()
    }

    fn open(&self, source: &str) -> Dialogue {
        let mut dialogue = Dialogue::over(self.connect(source).unwrap());
        let banner = dialogue.reply();
        assert!(banner.starts_with("220 "), "{source}: {banner}");
        dialogue
    }

    fn packets(&self, counter: &str) -> f64 {
        let page = self.edge.run(|| Daemon::metrics(METRICS.parse().unwrap()));
        metric(&page, &format!("relaygate_kernel_packets_total{{counter=\"{counter}\"}}"))
    }
}

fn deliver(dialogue: &mut Dialogue) {
    deliver_as(dialogue, "bystander.example");
}

fn deliver_as(dialogue: &mut Dialogue, name: &str) {
    dialogue.expect(&[
        (&format!("EHLO {name}"), "250"),
        ("MAIL FROM:<friend@far.example>", "250"),
        ("RCPT TO:<user@example.test>", "250"),
        ("DATA", "354"),
    ]);
    dialogue.send("Subject: hello\r\n\r\nhello\r\n.\r\n");
    assert!(dialogue.reply().starts_with("250"));
}

fn the_story(how: &'static str) {
    let site = Site::new();
    let (daemon, _haproxy) = site.serve(how);
    let mut bystander = site.open(BYSTANDER);
    let mut offender = site.open(ATTACKER);
    offender.expect(&[("EHLO offender.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    for _ in 0..4 {
        offender.expect(&[("RCPT TO:<someone@elsewhere.example>", "550 5.7.1")]);
    }
    // the fifth blocks, and ends the session
    offender.try_say("RCPT TO:<someone@elsewhere.example>");
    let mut octets = [0; 512];
    assert!(!matches!(offender.stream.read(&mut octets), Ok(1..)), "the session goes on");
    let line = daemon.logged("\"blocked\"");
    assert!(line.contains(ATTACKER), "{line}");

    // It is refused here, by words, as often as it comes; HAProxy brings everybody else as before.
    for _ in 0..20 {
        assert_eq!(site.first_reply(ATTACKER), "554 5.7.1 your address is blocked for its offences\r\n");
        assert!(site.first_reply(BYSTANDER).starts_with("220 "));
    }
    deliver(&mut bystander);
    deliver(&mut site.open(BYSTANDER));

    // The kernel has dropped nothing: all of it came from the balancer.
    eventually("the kernel's counters", || (site.packets("passed_unknown") > 0.0).then_some(()));
    for counter in ["dropped_blocked", "dropped_limited"] {
        assert!(site.packets(counter).abs() < f64::EPSILON, "{counter}");
    }

    // Whoever comes straight is who it says it is: the bystander hears the banner, the offender's SYN dies in the kernel.
    let within = Duration::from_millis(400);
    let mut straight = Dialogue::over(site.connect_to(SERVER, BYSTANDER, within).unwrap());
    assert!(straight.reply().starts_with("220 "));
    let error = site.connect_to(SERVER, ATTACKER, within).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    eventually("the kernel's counters", || (site.packets("dropped_blocked") > 0.0).then_some(()));

    let log = daemon.log();
    assert!(!log.contains("no PROXY header"), "HAProxy's health checks are no faults: {log}");
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
}

#[test]
fn by_proxy_v2() {
    the_story("send-proxy-v2");
}

#[test]
fn by_proxy_v1() {
    the_story("send-proxy");
}

/// Balancer or listed host, relaygate, Postfix: from whom Postfix has each message, as its trace header says.
#[test]
fn the_backend_is_told_who_the_client_is() {
    let postfix = Postfix::proper();
    let daemon = Daemon::start(&format!(
        "--backend {} --local-domain example.test --proxy-protocol-from 127.0.0.2 --xclient-from 127.0.0.1",
        postfix.address
    ));
    let balancer = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    balancer.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    balancer.connect(&daemon.address.into()).unwrap();
    let mut client = Dialogue::over(balancer.into());
    client.send("PROXY TCP4 198.51.100.7 192.0.2.1 4711 25\r\n");
    assert!(client.reply().starts_with("220 "));
    deliver_as(&mut client, "client.far.example");

    let mut host = Dialogue::open(daemon.address);
    host.expect(&[("XCLIENT ADDR=198.51.100.8 HELO=told.far.example", "220")]);
    deliver_as(&mut host, "front.example");
    // What one client was called does not stick to the next.
    let mut host = Dialogue::open(daemon.address);
    host.expect(&[("XCLIENT ADDR=198.51.100.8 HELO=other.far.example", "220")]);
    host.expect(&[("XCLIENT ADDR=198.51.100.9", "220")]);
    deliver_as(&mut host, "own.far.example");

    let delivered = eventually("three messages", || {
        let delivered = postfix.delivered();
        (delivered.len() == 3).then_some(delivered)
    });
    let delivered: Vec<_> = delivered.iter().map(|message| String::from_utf8_lossy(message)).collect();
    for from in [
        "from client.far.example (unknown [198.51.100.7])",
        "from told.far.example (unknown [198.51.100.8])",
        "from own.far.example (unknown [198.51.100.9])",
    ] {
        assert!(delivered.iter().any(|message| message.contains(from)), "{from}: {delivered:#?}");
    }
}
