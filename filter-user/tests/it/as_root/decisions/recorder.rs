//! A real Postfix that takes everything for everybody and notes what has reached it: at which of its ports, and for whom.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;

use super::expected::comparable;
use crate::daemon::{eventually, free_port};
use crate::postfix::Postfix;

/// Postfix with several ports, each a destination of its own to relaygate.
pub(super) struct Recorder {
    postfix: Postfix,
    pub(super) addresses: Vec<SocketAddr>,
}

impl Recorder {
    pub(super) fn start(destinations: usize) -> Self {
        let mut services = "discard unix - - n - - discard\n".to_owned();
        let mut addresses = Vec::new();
        for number in 0..destinations {
            let port = free_port();
            let _ = writeln!(
                services,
                "127.0.0.1:{port} inet n - n - - smtpd\n  -o syslog_name=destination-{number}"
            );
            addresses.push(SocketAddr::from(([127, 0, 0, 1], port)));
        }
        let postfix = Postfix::start_with_services(
            "inet_protocols = all\n\
             mydestination =\n\
             default_transport = discard:\n\
             mynetworks = 0.0.0.0/0 [::]/0\n\
             smtpd_relay_restrictions = permit_mynetworks, reject\n\
             smtpd_reject_unlisted_recipient = no\n\
             swap_bangpath = no\n\
             allow_percent_hack = no\n\
             header_checks = regexp:{{/^X-Row:/ INFO}}\n",
            &services,
        );
        Self { postfix, addresses }
    }

    /// The destination and the recipient of every message, by the row that stands in it. Postfix notes them before it
    /// says 250, and its log is written a moment later: the end of what came last is waited for.
    pub(super) fn arrived(&self, last: &str) -> BTreeMap<String, (usize, String)> {
        let noted = format!("X-Row: {last} ");
        eventually("the last message in Postfix's log", || self.postfix.log().contains(&noted).then_some(()));
        let log = self.postfix.log();
        let mut destinations = HashMap::new();
        let mut arrived = BTreeMap::new();
        for line in log.lines() {
            let Some((service, said)) = line.split_once("]: ") else { continue };
            let Some((id, said)) = said.split_once(": ") else { continue };
            if let Some((_, number)) = service.split_once("destination-") {
                let number = number.split('/').next().and_then(|number| number.parse::<usize>().ok());
                if let (true, Some(number)) = (said.starts_with("client="), number) {
                    destinations.insert(id, number);
                }
            } else if let Some(header) = said.strip_prefix("info: header X-Row: ") {
                let row = header.split(' ').next().unwrap_or_default().to_owned();
                let recipient = header.split_once(" to=<").and_then(|(_, rest)| rest.split_once("> proto"));
                let recipient = comparable(recipient.map_or("", |(recipient, _)| recipient));
                let twice = arrived.insert(row, (destinations[id], recipient));
                assert!(twice.is_none(), "{line}: this row has arrived twice");
            }
        }
        arrived
    }
}
