//! A site for tests of enforcement: the edge host, the network in front of it, hosts that behave and one that does not.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use filter_common::Counter;

use crate::daemon::Daemon;
use crate::dialogue::Dialogue;
use crate::netns::Namespace;

pub(super) const SERVER: &str = "192.0.2.1:25";
const METRICS: &str = "127.0.0.1:9025";

/// The edge host, with mounts of its own, and the network in front of it.
pub(super) struct Site {
    pub(super) edge: Namespace,
    pub(super) outside: Namespace,
}

impl Site {
    pub(super) fn new() -> Self {
        let site = Self { edge: Namespace::with_own_mounts(), outside: Namespace::new() };
        site.link();
        site
    }

    /// The link between the two, at first and after it was removed.
    pub(super) fn link(&self) {
        self.link_as("e0", "p0");
    }

    /// The same, with these names of its ends.
    pub(super) fn link_as(&self, here: &str, there: &str) {
        self.edge.link(
            here,
            &["192.0.2.1/24", "2001:db8::1/32"],
            &self.outside,
            there,
            // the attacker, a bystander, a host on the allow-list
            &["192.0.2.66/24", "192.0.2.7/24", "192.0.2.99/24", "2001:db8:6::66/32", "2001:db8:7::7/32"],
        );
    }

    pub(super) fn daemon(&self, block_for: Duration, flags: &str) -> Daemon {
        let flags = Self::flags(block_for, flags);
        self.edge.run(move || Daemon::start_listening_on(SERVER, &flags))
    }

    /// All but the first listener.
    pub(super) fn flags(block_for: Duration, more: &str) -> String {
        let block_for = block_for.as_secs();
        format!(
            "--block-for {block_for}s --backend sink: --local-domain example.test --allow 192.0.2.99 --metrics-listen {METRICS} --workers 2 \
             --strikes-to-limit 3 --strikes-to-block 5 --limit-rate 60/m --strike-decay 3s \
             --listen [2001:db8::1]:25 {more}"
        )
    }

    pub(super) fn metrics(&self) -> String {
        self.edge.run(|| Daemon::metrics(METRICS.parse().unwrap()))
    }

    /// What bpftool says of a counter in the map that is pinned there: the sum over all CPUs.
    pub(super) fn kernel_counter(&self, map: &str, counter: Counter) -> u64 {
        let map = map.to_owned();
        self.edge.run(move || {
            let output =
                Command::new("bpftool").args(["-j", "map", "dump", "pinned", &map]).output().unwrap();
            assert!(output.status.success(), "bpftool: {}", String::from_utf8_lossy(&output.stderr));
            let dump: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let octets = |value: &serde_json::Value| -> u64 {
                let octets = value.as_array().unwrap().iter();
                octets.rev().fold(0, |number, octet| {
                    number << 8
                        | u64::from_str_radix(octet.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
                })
            };
            let entries = dump.as_array().unwrap();
            let entry =
                entries.iter().find(|entry| octets(&entry["key"]) == u64::from(counter.index())).unwrap();
            entry["values"].as_array().unwrap().iter().map(|of_cpu| octets(&of_cpu["value"])).sum()
        })
    }

    /// A connection from one of the outside addresses, if it comes about in time.
    pub(super) fn connect(&self, source: &str, within: Duration) -> std::io::Result<TcpStream> {
        let source: IpAddr = source.parse().unwrap();
        self.outside.run(move || connect(source, within))
    }

    pub(super) fn open(&self, source: &str) -> Dialogue {
        let stream = self.connect(source, Duration::from_secs(10)).unwrap();
        let mut dialogue = Dialogue::over(stream);
        let banner = dialogue.reply();
        assert!(banner.starts_with("220 "), "{source}: {banner}");
        dialogue
    }
}

/// The same, for who is outside already.
pub(super) fn connect(source: IpAddr, within: Duration) -> std::io::Result<TcpStream> {
    let to: SocketAddr = if source.is_ipv4() { SERVER } else { "[2001:db8::1]:25" }.parse().unwrap();
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&to.into(), within)?;
    Ok(socket.into())
}

pub(super) fn offend(dialogue: &mut Dialogue, times: usize) {
    for _ in 0..times {
        assert_eq!(
            dialogue.say("RCPT TO:<someone@elsewhere.example>"),
            "550 5.7.1 relaying is prohibited\r\n"
        );
    }
}

pub(super) fn deliver(dialogue: &mut Dialogue) {
    dialogue.expect(&[
        ("MAIL FROM:<friend@far.example>", "250"),
        ("RCPT TO:<user@example.test>", "250"),
        ("DATA", "354"),
    ]);
    dialogue.send("Subject: hello\r\n\r\nhello\r\n.\r\n");
    assert!(dialogue.reply().starts_with("250"));
}

/// Whether a connection was reset under its reader.
pub(super) fn is_reset(dialogue: &mut Dialogue) -> bool {
    let mut octets = [0; 512];
    loop {
        match dialogue.stream.read(&mut octets) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
