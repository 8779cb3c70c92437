//! Hopping: an attacker with a whole network.

use super::{SOON, get_blocked, start};
use crate::as_root::site::Site;
use crate::authentication::base64;
use crate::control;
use crate::daemon::{eventually, file, metric};

/// `secret`, hashed with little work.
const PASSWORDS: &str = "user:$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2\n";

/// The attacker's /64s, in one /48.
fn hop(n: u8) -> String {
    format!("2001:db8:6:{n}::66")
}

/// How many of six connections come about.
fn come_in(site: &Site, peer: &str) -> usize {
    (0..6).filter(|_| site.connect(peer, SOON).is_ok()).count()
}

#[test]
fn a_network_of_blocked_peers_is_limited_and_its_authenticated_host_is_not() {
    let site = Site::new();
    for n in 1..9 {
        site.outside.ip(&format!("address add {}/32 dev p0 nodad", hop(n)));
    }
    let folder = tempfile::tempdir().unwrap();
    let passwords = file(folder.path(), "passwords", PASSWORDS);
    let socket = folder.path().join("control").display().to_string();
    let (allowed, user, stranger) = (hop(8), hop(7), hop(6));
    let daemon = start(
        &site,
        &format!(
            "--control-socket {socket} --network-threshold 3 --network-rate 6/m --network-burst 2 --allow {allowed} --auth file:{} \
             --auth-without-tls {user}/128 --auth-failure-delay 0s",
            passwords.display()
        ),
    );
    let mut session = site.open(&user);
    let plain = format!("AUTH PLAIN {}", base64("\0user\0secret"));
    session.expect(&[("EHLO user.example", "250"), (&plain, "235 2.7.0")]);

    for n in 1..4 {
        get_blocked(&site, &hop(n));
        assert!(site.connect(&hop(n), SOON).is_err(), "{n}");
    }
    assert_eq!(come_in(&site, &stranger), 6, "three blocked peers are not more than three");
    get_blocked(&site, &hop(4));
    eventually("the network's limit", || {
        (metric(&site.metrics(), "relaygate_kernel_networks_limited") == 1.0).then_some(())
    });
    daemon.logged("2001:db8:6::/48");
    let show = |peer: &str| control::run(&["peers", "show", peer, "--control-socket", &socket]).1;
    let line = "network        2001:db8:6::/48 is limited";
    assert!(show(&stranger).contains(line), "{}", show(&stranger));
    assert!(!show("2001:db8:7::7").contains("is limited"), "another network");
    assert_eq!(come_in(&site, &stranger), 2, "two at once, then six a minute");
    assert_eq!(come_in(&site, &user), 6, "who has authenticated");
    assert_eq!(come_in(&site, &allowed), 6, "who is on the allow list");
    assert_eq!(come_in(&site, "2001:db8:7::7"), 6, "another network");
    session.expect(&[("NOOP", "250")]);
}
