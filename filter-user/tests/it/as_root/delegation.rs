//! A real Postfix that faces the clients itself and asks relaygate by check_policy_service: an outsider's attempts to relay
//! end in the kernel, and there is no relaygate proxy in the path.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::daemon::{Daemon, eventually, file, metric};
use crate::dialogue::Dialogue;
use crate::netns::Namespace;
use crate::postfix::Postfix;

const SERVER: &str = "192.0.2.1:25";
const POLICY: &str = "127.0.0.1:2528";
const METRICS: &str = "127.0.0.1:9025";
const ATTACKER: &str = "192.0.2.66";
const BYSTANDER: &str = "192.0.2.7";
const CLIENT: &str = "192.0.2.10";

struct Site {
    edge: Namespace,
    outside: Namespace,
}

impl Site {
    fn new() -> Self {
        let (edge, outside) = (Namespace::new(), Namespace::new());
        let clients = ["192.0.2.66/24", "192.0.2.7/24", "192.0.2.10/24"];
        edge.link("e0", &["192.0.2.1/24"], &outside, "p0", &clients);
        Self { edge, outside }
    }

    fn connect(&self, source: &str, within: Duration) -> std::io::Result<TcpStream> {
        let (source, to): (IpAddr, SocketAddr) = (source.parse().unwrap(), SERVER.parse().unwrap());
        self.outside.run(move || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
            socket.connect_timeout(&to.into(), within)?;
            Ok(socket.into())
        })
    }

    /// A session of which Postfix knows the sender.
    fn session(&self, source: &str) -> Dialogue {
        let mut dialogue = Dialogue::over(self.connect(source, Duration::from_secs(10)).unwrap());
        let banner = dialogue.reply();
        assert!(banner.starts_with("220 mail.example.test"), "{banner}");
        dialogue.expect(&[("EHLO host.far.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
        dialogue
    }

    fn metric(&self, series: &str) -> f64 {
        let page = self.edge.run(|| Daemon::metrics(METRICS.parse().unwrap()));
        metric(&page, series)
    }
}

#[test]
fn an_outsiders_attempts_at_postfix_end_in_the_kernel() {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "user@example.test\n").display().to_string();
    let daemon = site.edge.run(move || {
        let flags = format!(
            "--interface e0 --protect 25 --local-domain example.test --mailboxes {mailboxes} --relay-network {CLIENT} \
             --strikes-to-limit 4 --strikes-to-block 6 --block-for 10m --metrics-listen {METRICS}"
        );
        Daemon::start_policy(POLICY.parse().unwrap(), &flags)
    });
    daemon.logged("sanctions are enforced in the kernel");
    let postfix = site.edge.run(|| {
        let settings = format!(
            "smtpd_relay_restrictions = check_policy_service inet:{POLICY}, reject_unauth_destination\n\
             default_transport = discard:\n"
        );
        Postfix::facing(SERVER.parse().unwrap(), &settings)
    });

    // What Postfix's own list would say is said by relaygate, in its words.
    let mut attacker = site.session(ATTACKER);
    attacker.expect(&[
        ("RCPT TO:<user@example.test>", "250 2.1.5"),
        (
            "RCPT TO:<nosuchuser@example.test>",
            "550 5.1.1 <nosuchuser@example.test>: Recipient address rejected: unknown recipient",
        ),
        (
            "RCPT TO:<victim@elsewhere.example>",
            "550 5.7.1 <victim@elsewhere.example>: Recipient address rejected: relaying is prohibited",
        ),
        ("RCPT TO:<victim%elsewhere.example@example.test>", "550 5.7.1 "),
        ("RCPT TO:<\"victim@elsewhere.example\"@example.test>", "550 5.7.1 "),
        ("RCPT TO:<@example.test:victim@elsewhere.example>", "550 5.7.1 "),
    ]);
    // The strike that blocks: Postfix says so and hangs up.
    let last = attacker.say("RCPT TO:<victim@elsewhere.example>");
    assert!(last.starts_with("521 5.7.1 "), "{last}");

    let refused = site.connect(ATTACKER, Duration::from_millis(500)).map(drop);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut, "its SYN dies in the kernel");
    eventually("a dropped packet", || {
        let dropped = site.metric("relaygate_kernel_packets_total{counter=\"dropped_blocked\"}");
        (dropped > 0.0).then_some(())
    });
    assert_eq!(site.metric("relaygate_strikes_total"), 6.0);
    assert_eq!(site.metric("relaygate_policy_requests_total{outcome=\"hung_up\"}"), 1.0);
    assert_eq!(site.metric("relaygate_sessions_accepted_total"), 0.0, "there is no proxy");

    // Others are served as ever, and who may relay does.
    let mut bystander = site.session(BYSTANDER);
    bystander.expect(&[("RCPT TO:<user@example.test>", "250"), ("DATA", "354")]);
    bystander.send("Subject: hello\r\n\r\nhello\r\n.\r\n");
    assert!(bystander.reply().starts_with("250"));
    eventually("the delivery", || (postfix.delivered().len() == 1).then_some(()));
    site.session(CLIENT).expect(&[("RCPT TO:<someone@elsewhere.example>", "250")]);
    drop(daemon);
    // Nobody decides now, so nobody passes: Postfix defers by itself.
    site.session(BYSTANDER).expect(&[("RCPT TO:<someone@elsewhere.example>", "451 4.3.5")]);
}
