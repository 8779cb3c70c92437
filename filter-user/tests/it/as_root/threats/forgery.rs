//! Packets under the address of one peer, sent by another.

use std::time::{Duration, Instant};

use super::forger::{Forger, SYN};
use super::{HONEST, OFFENDER, SOON, get_limited, packets, start};
use crate::as_root::site::{SERVER, Site, deliver};
use crate::daemon::eventually;

/// Twenty forged SYNs, each from another port.
fn forge(site: &Site, source: &str) {
    let source = source.parse().unwrap();
    site.outside.run(move || {
        let forger = Forger::new(SERVER.parse().unwrap());
        (0..20).for_each(|n| forger.send(source, 2000 + n, SYN));
    });
}

#[test]
fn a_forger_uses_up_a_limited_peers_connections_and_nothing_else() {
    let site = Site::new();
    let daemon = start(&site, "");
    let mut open = get_limited(&site, OFFENDER);
    forge(&site, OFFENDER);
    assert!(site.connect(OFFENDER, SOON).is_err(), "the forger has had what the peer had left");
    eventually("the count of the forged SYNs", || (packets(&site, "dropped_limited") >= 19).then_some(()));

    // The session that was open goes on, and nobody else is touched.
    open.expect(&[("NOOP", "250")]);
    let mut honest = site.open(HONEST);
    honest.expect(&[("EHLO honest.example", "250")]);
    deliver(&mut honest);

    // An unknown peer's connections cannot be used up at all.
    forge(&site, HONEST);
    let began = Instant::now();
    (0..20).for_each(|_| drop(site.open(HONEST)));
    assert!(began.elapsed() < Duration::from_secs(10));
    open.expect(&[("NOOP", "250")]);
    assert!(!daemon.log().contains("\"blocked\""), "{}", daemon.log());
}
