//! A million forged SYNs, each under another address.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::forger::{Forger, SYN};
use super::{HONEST, OFFENDER, SOON, get_blocked, packets, start};
use crate::as_root::site::{SERVER, Site, deliver};
use crate::daemon::{Daemon, eventually, metric};
use crate::dialogue::Dialogue;

const SOURCES: u32 = 1_000_000;
/// Beyond what the allocator and the sessions of the honest peer come and go with.
const SPARE_KIB: u64 = 4 * 1024;

/// How long the honest peer waits for a connection and for a greeting.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was ever held against anybody: strikes, sanctions, and those that found no room. And who is in the kernel's table.
fn held(site: &Site) -> [u64; 4] {
    let page = site.metrics();
    let series = [
        "relaygate_strikes_total",
        "relaygate_sanctions_total",
        "relaygate_kernel_not_held_total",
        "relaygate_kernel_hosts{state=\"installed\"",
    ];
    series.map(|series| metric(&page, series) as u64)
}

/// Waits until the one that was blocked is in the table, and says what is held then.
fn settled(site: &Site) -> [u64; 4] {
    eventually("the offender in the kernel's table", || (held(site)[3] == 1).then(|| held(site)))
}

/// How many peers the daemon remembers.
fn remembered(site: &Site) -> u64 {
    metric(&site.metrics(), "relaygate_peers ") as u64
}

/// Memory in KiB: what the daemon occupies, and what its maps do in the kernel.
fn memory(daemon: &Daemon) -> (u64, u64) {
    let number = |text: &str, name: &str| -> u64 {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).sum()
    };
    let process = format!("/proc/{}", daemon.pid());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let descriptors = std::fs::read_dir(format!("{process}/fdinfo")).unwrap();
    // One may have been closed since the folder was read.
    let infos = descriptors.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    let maps = infos.filter(|info| info.contains("map_type:")).map(|info| number(&info, "memlock:"));
    (number(&status, "VmRSS:"), maps.sum::<u64>() / 1024)
}

/// A connection of the honest peer that the server has greeted. None where it hears nothing: under SYN cookies the server
/// keeps nothing of a connection until the client's last ACK, so where a full queue loses that one (of the same forged
/// packets that the client shares its queue with here), nobody sends again, and the client must come again, as mail servers do.
fn greeted(site: &Site) -> Option<Dialogue> {
    let stream = site.connect(HONEST, PATIENCE).ok()?;
    let mut dialogue = Dialogue::over(stream);
    dialogue.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let banner = dialogue.reply();
    if banner.is_empty() {
        return None;
    }
    assert!(banner.starts_with("220 "), "{banner}");
    Some(dialogue)
}

/// What became of the honest peer's tries during a flood.
#[derive(Default)]
struct Honest {
    delivered: u32,
    /// Connections that it gave up because nobody spoke.
    given_up: u32,
}

impl Honest {
    fn was_served(&self) {
        println!("{} messages delivered meanwhile, {} connections given up", self.delivered, self.given_up);
        assert!(self.delivered > 10 * self.given_up);
    }
}

/// Floods, while an honest peer delivers one message after the other, with a pause between.
fn flood(site: &Site, pause: Duration) -> Honest {
    let forger = site.outside.run(|| Forger::new(SERVER.parse().unwrap()));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flooding = scope.spawn(|| {
            for n in 0..SOURCES {
                forger.send(Ipv4Addr::from_bits(0x0a00_0000 + n), 1024 + n as u16 % 60_000, SYN);
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut honest = Honest::default();
        while !over.load(Ordering::Relaxed) && !flooding.is_finished() {
            let Some(mut dialogue) = greeted(site) else {
                honest.given_up += 1;
                continue;
            };
            dialogue.expect(&[("EHLO honest.example", "250")]);
            deliver(&mut dialogue);
            honest.delivered += 1;
            std::thread::sleep(pause);
        }
        honest
    })
}

fn site() -> Site {
    let site = Site::new();
    // So that the answers to forged SYNs have a way to go, as they have on a real edge.
    site.edge.ip("route add default via 192.0.2.66");
    site
}

#[test]
fn a_flood_of_forged_syns_moves_nothing_and_honest_peers_are_served() {
    let site = site();
    let daemon = start(&site, "");
    get_blocked(&site, OFFENDER);
    let (before_it, unknown) = (settled(&site), packets(&site, "passed_unknown"));
    // The first flood fills what grows once: buffers, the allocator's pools.
    let (_, before) = (flood(&site, Duration::ZERO), memory(&daemon));
    let honest = flood(&site, Duration::ZERO);
    let after = memory(&daemon);
    honest.was_served();
    println!("KiB in process and kernel: {before:?}, then {after:?}");
    let passed = packets(&site, "passed_unknown") - unknown;
    // Some are lost before the program, where queues are full.
    assert!(passed >= u64::from(SOURCES), "only {passed} packets have come");
    assert_eq!(held(&site), before_it);
    assert!(remembered(&site) <= 1, "the one that was blocked, at most");
    assert!(after.0 <= before.0 + SPARE_KIB && after.1 == before.1, "{before:?}, then {after:?}");
    assert!(site.connect(OFFENDER, SOON).is_err(), "still blocked");
}

#[test]
fn a_flood_turns_the_limit_of_all_over_and_loses_no_sanction() {
    // Slower than the limit, which else makes the honest peer wait as it should.
    const PACE: Duration = Duration::from_millis(110);
    let site = site();
    let daemon = start(&site, "--syn-limit 600/m --syn-limit-burst 20 --syn-limit-peers 1024");
    get_blocked(&site, OFFENDER);
    let before_it = settled(&site);
    let (_, before) = (flood(&site, PACE), memory(&daemon));
    let honest = flood(&site, PACE);
    let after = memory(&daemon);
    honest.was_served();
    println!("KiB in process and kernel: {before:?}, then {after:?}");
    assert_eq!(held(&site), before_it);
    assert!(after.0 <= before.0 + SPARE_KIB && after.1 <= before.1 + SPARE_KIB, "{before:?}, then {after:?}");
    assert!(site.connect(OFFENDER, SOON).is_err(), "still blocked");
    // The limit itself still holds for a peer that keeps coming.
    let came_in = (0..60).filter(|_| site.connect(HONEST, SOON / 8).is_ok()).count();
    assert!((1..60).contains(&came_in) && packets(&site, "dropped_syn_limit") > 0, "{came_in} of 60");
}
