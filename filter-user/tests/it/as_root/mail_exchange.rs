//! Rows that name a domain whose mail hosts are looked up, with a real DNS server, in a namespace where port 25 is free.

use std::net::{IpAddr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use smtp_load::sink::{SinkBehaviour, SinkCounts};

use crate::backend_faults::sink_at;
use crate::daemon::{Daemon, eventually, file, relaygate};
use crate::dialogue::Dialogue;
use crate::netns::Namespace;

/// dnsmasq at 127.0.0.1:53, that knows the domains of the test and nobody else.
struct Dns(Child);

impl Dns {
    fn start() -> Self {
        let records = [
            "--mx-host=isp.example,second.isp.example,20",
            "--mx-host=isp.example,first.isp.example,10",
            "--mx-host=isp.example,nowhere.isp.example,5",
            "--host-record=first.isp.example,127.0.0.2",
            "--host-record=second.isp.example,127.0.0.3,::1",
            "--host-record=implicit.example,127.0.0.4",
            // A null MX: preference 0, and the root for a name.
            "--dns-rr=null.example,15,000000",
            "--host-record=null.example,127.0.0.4",
            "--mx-host=own.example,own.example,10",
            "--host-record=own.example,127.0.0.9",
        ];
        let child = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--user=root",
            ])
            .args(["--pid-file=", "--local=/example/", "--listen-address=127.0.0.1", "--bind-interfaces"])
            .args(["--local-ttl=1", "--log-facility=-"])
            .args(records)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq is not installed: run `cargo xtask doctor --install`");
        eventually("a listening dnsmasq", || {
            std::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], 53))).ok()
        });
        Self(child)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

/// A mail host at port 25 of this address.
fn mail_host(namespace: &Namespace, address: &str) -> Arc<SinkCounts> {
    let address: IpAddr = address.parse().unwrap();
    namespace.run(move || sink_at(SocketAddr::new(address, 25), SinkBehaviour::keeping()).1)
}

/// The reply to RCPT for somebody there; where it is a yes, a message is sent.
fn relay(namespace: &Namespace, relaygate: SocketAddr, recipient: &'static str) -> String {
    namespace.run(move || {
        let mut dialogue = Dialogue::open(relaygate);
        dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@a.example>", "250")]);
        let reply = dialogue.say(&format!("RCPT TO:<{recipient}>"));
        if reply.starts_with('2') {
            dialogue.expect(&[("DATA", "354")]);
            dialogue.send("Subject: relayed\r\n\r\nhello\r\n.\r\n");
            assert!(dialogue.reply().starts_with("250"));
        }
        reply
    })
}

#[test]
fn mail_hosts_are_found_in_order_of_preference_and_a_null_mx_is_a_refusal() {
    let namespace = Namespace::new();
    let folder = tempfile::tempdir().unwrap();
    let dns = namespace.run(Dns::start);
    let second = mail_host(&namespace, "127.0.0.3");
    let implicit = mail_host(&namespace, "127.0.0.4");
    let rows = ["isp", "implicit", "null", "unknown"]
        .map(|name| format!("\"to-{name}.example = mx {name}.example\""))
        .join(", ");
    let config = file(
        folder.path(),
        "relaygate.toml",
        &format!(
            "backend = \"sink:\"\nlocal-domain = \"example.test\"\nrelay-network = \"127.0.0.0/8\"\n\
             dns-server = \"127.0.0.1:53\"\nroute = [{rows}]\n"
        ),
    );
    let daemon = namespace.run(move || {
        Daemon::start_listening_on(
            "127.0.0.9:25",
            &format!("--config {} --backend-dial-timeout 3s --backend-probe-interval 20ms", config.display()),
        )
    });
    let relay = |recipient| relay(&namespace, daemon.address, recipient);

    // The preferred host is not there, the next is.
    assert!(relay("user@to-isp.example").starts_with("250"));
    assert_eq!(second.messages(), 1);
    // It comes, is found by a probe, and has it from then on.
    let first = mail_host(&namespace, "127.0.0.2");
    daemon.logged("backend is up again");
    assert!(relay("user@to-isp.example").starts_with("250"));
    assert_eq!((first.messages(), second.messages()), (1, 1));

    assert!(relay("user@to-implicit.example").starts_with("250"));
    assert_eq!(implicit.messages(), 1);
    assert!(relay("user@to-unknown.example").starts_with("451 4.4.1"));
    daemon.logged("cannot look up the mail hosts of unknown.example");
    let refused = relay("user@to-null.example");
    assert!(refused.starts_with("556 5.1.10"), "{refused}");
    // A domain whose mail host is where we listen.
    let (code, said) = namespace.run(|| {
        let output = relaygate()
            .args(["check", "--listen", "127.0.0.9:25", "--backend", "sink:", "--dns-server", "127.0.0.1:53"])
            .args(["--route", "to-own.example = mx own.example"])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    });
    assert!(
        code == Some(2) && said.contains("own.example, a mail host of own.example, is 127.0.0.9:25"),
        "{said}"
    );

    // Without the server, what it said is forgotten as soon as it has said.
    namespace.run(move || drop(dns));
    eventually("the end of what was known", || {
        relay("user@to-implicit.example").starts_with("451 4.4").then_some(())
    });
    let _again = namespace.run(Dns::start);
    eventually("the server's return", || relay("user@to-implicit.example").starts_with("250").then_some(()));
}
