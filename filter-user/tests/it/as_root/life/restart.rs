//! Killed under attack, started again, upgraded while mail flows: what the kernel knows goes on, and no packet finds the
//! place empty.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use filter_common::Counter;
use nix::sys::signal::Signal;

use super::{SOON, counter, get_blocked, has_xdp, pinned, start};
use crate::as_root::site::{SERVER, Site, connect};
use crate::daemon::{Daemon, eventually, metric};

const ATTACKER: &str = "192.0.2.66";
const HONEST: &str = "192.0.2.7";
const POLICY: &str = "127.0.0.1:2528";
/// Less than a second, after which a SYN that was lost is sent again.
const AT_ONCE: Duration = Duration::from_millis(900);

/// So many SYNs of the attacker, one of each socket; as the kernel's own counters tell, none is lost or sent again.
fn attack(site: &Site, syns: u64) {
    site.outside.run(move || {
        for _ in 0..syns {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.bind(&format!("{ATTACKER}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
            let _ = socket.connect(&SERVER.parse::<SocketAddr>().unwrap().into());
        }
    });
}

/// The counter, once nothing comes any more.
fn settled(site: &Site) -> u64 {
    let mut last = counter(site, Counter::DroppedBlocked);
    eventually("the end of stray packets", || {
        std::thread::sleep(Duration::from_millis(300));
        let now = counter(site, Counter::DroppedBlocked);
        (std::mem::replace(&mut last, now) == now).then_some(now)
    })
}

#[test]
fn killed_under_attack_the_drops_go_on_and_a_restart_takes_over() {
    let site = Site::new();
    let mut daemon = start(&site);
    get_blocked(&site, ATTACKER);
    let base = settled(&site);
    attack(&site, 500);
    daemon.signal(Signal::SIGKILL);
    eventually("the daemon's end", || daemon.ended());
    attack(&site, 500);
    assert!(has_xdp(&site));
    assert_eq!(
        counter(&site, Counter::DroppedBlocked),
        base + 1000,
        "each one was dropped, whoever was there"
    );

    // Started again in the middle of it.
    let daemon = std::thread::scope(|scope| {
        let attacking = scope.spawn(|| attack(&site, 2000));
        let daemon = start(&site);
        attacking.join().unwrap();
        daemon
    });
    assert_eq!(counter(&site, Counter::DroppedBlocked), base + 3000, "none passed between the two programs");
    let series = "relaygate_kernel_packets_total{counter=\"dropped_blocked\"}";
    eventually("the same on the metrics page", || {
        (metric(&site.metrics(), series) == (base + 3000) as f64).then_some(())
    });
    let line = daemon.logged("what an earlier relaygate left in the kernel is taken over");
    assert!(line.contains("1 blocked"), "{line}");

    // It is the daemon's own knowledge again: it stays when the house is kept, and in userspace too.
    std::thread::sleep(Duration::from_secs(3));
    assert!(site.connect(ATTACKER, SOON).is_err());
    drop(site.open(HONEST));
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
}

/// The new hook is taken before the old one is left: whatever comes meanwhile meets the one or the other, or both.
#[test]
fn while_the_program_moves_to_another_hook_no_packet_goes_unjudged() {
    let site = Site::new();
    let daemon = start(&site);
    get_blocked(&site, ATTACKER);
    drop(daemon);
    let base = settled(&site);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (site, stop, sent) = (&site, &stop, &sent);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                attack(site, 100);
                sent.fetch_add(100, Ordering::Relaxed);
            }
        });
        for hook in ["tc", "xdp-native", "tc", "xdp-generic"] {
            let daemon = site.daemon(super::LONG, &format!("{} --hook {hook}", pinned()));
            daemon.logged("sanctions are enforced in the kernel");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let sent = sent.load(Ordering::Relaxed);
    assert_eq!(settled(&site) - base, sent, "each one was dropped, and none twice");
    assert!(sent > 1000, "there was an attack: {sent}");
}

/// The limiters outlast the daemon, and with them what a host has taken by the rate that was set.
#[test]
fn nobody_waits_for_the_rate_that_was_set_before_the_restart() {
    let site = Site::new();
    let with = |limit: &str| {
        let daemon = site.daemon(Duration::from_secs(60), &format!("{} --syn-limit {limit}", pinned()));
        daemon.logged("sanctions are enforced in the kernel");
        daemon
    };
    let daemon = with("1/h --syn-limit-burst 1");
    drop(site.open(HONEST));
    assert!(site.connect(HONEST, SOON).is_err(), "for an hour");
    drop(daemon);
    let daemon = with("60/m --syn-limit-burst 1");
    drop(site.open(HONEST));
    assert!(site.connect(HONEST, SOON).is_err(), "and the new rate is kept");
    drop(daemon);
}

/// `relaygate policy` in front of a server that is not restarted: so that a connection which fails was failed by the
/// kernel's part.
fn policy(site: &Site) -> Daemon {
    let flags = format!(
        "{} --protect 25 --local-domain example.test --strikes-to-limit 2 --strikes-to-block 3 --block-for 10m",
        pinned()
    );
    let daemon = site.edge.run(move || Daemon::start_policy(POLICY.parse().unwrap(), &flags));
    daemon.logged("sanctions are enforced in the kernel");
    daemon
}

/// The attacker's attempts to relay, as Postfix would have told of them.
fn tell_of_the_attacker(site: &Site) {
    site.edge.run(|| {
        let mut postfix = TcpStream::connect(POLICY).unwrap();
        for _ in 0..3 {
            let request = format!(
                "request=smtpd_access_policy\nprotocol_state=RCPT\nsender=a@far.example\nrecipient=b@elsewhere.example\n\
                 client_address={ATTACKER}\nserver_address=192.0.2.1\nserver_port=25\n\n"
            );
            postfix.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            BufReader::new(&postfix).read_line(&mut answer).unwrap();
            assert!(answer.contains("relaying is prohibited") || answer.contains("521 "), "{answer}");
        }
    });
}

/// What became of connections.
#[derive(Default)]
struct Tally {
    tried: AtomicU64,
    served: AtomicU64,
}

/// One connection from its first packet to its last.
fn is_served(source: IpAddr, within: Duration) -> bool {
    let Ok(mut stream) = connect(source, within) else { return false };
    stream.set_read_timeout(Some(within)).unwrap();
    let mut banner = [0; 4];
    stream.read_exact(&mut banner).is_ok()
        && stream.write_all(b"QUIT\r\n").is_ok()
        && stream.read_exact(&mut banner).is_ok()
}

/// Answers whoever connects, until it is told to stop.
fn serve(listener: &TcpListener, stop: &AtomicBool) {
    listener.set_nonblocking(true).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(AT_ONCE)).unwrap();
        // Whoever gives up in between is counted on its own side.
        let _ = stream
            .write_all(b"220 ")
            .and_then(|()| stream.read_exact(&mut [0; 6]))
            .and_then(|()| stream.write_all(b"221 "));
    }
}

#[test]
fn ten_upgrades_under_load_fail_no_honest_connection_and_let_no_attacker_in() {
    let site = Site::new();
    let mut daemon = policy(&site);
    tell_of_the_attacker(&site);
    let listener = site.edge.run(|| TcpListener::bind(SERVER).unwrap());
    let (stop, closed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (honest, attacker) = (Tally::default(), Tally::default());
    let mut upgrades = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, &closed));
        let (stop, honest, attacker) = (&stop, &honest, &attacker);
        let clients = [(HONEST, AT_ONCE, honest), (ATTACKER, Duration::from_millis(2), attacker)];
        let clients = clients.map(|(source, within, tally)| {
            let outside = &site.outside;
            scope.spawn(move || {
                outside.enter();
                let source: IpAddr = source.parse().unwrap();
                while !stop.load(Ordering::Relaxed) {
                    tally.tried.fetch_add(1, Ordering::Relaxed);
                    tally.served.fetch_add(u64::from(is_served(source, within)), Ordering::Relaxed);
                }
            })
        });
        for round in 0..10 {
            std::thread::sleep(Duration::from_millis(200));
            let began = Instant::now();
            daemon.signal(if round % 2 == 0 { Signal::SIGKILL } else { Signal::SIGTERM });
            eventually("the daemon's end", || daemon.ended());
            daemon = policy(&site);
            upgrades.push(began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(200));
        stop.store(true, Ordering::Relaxed);
        // The server waits for those that it serves.
        clients.into_iter().for_each(|client| client.join().unwrap());
        closed.store(true, Ordering::Relaxed);
    });
    let read = |tally: &Tally| (tally.tried.load(Ordering::Relaxed), tally.served.load(Ordering::Relaxed));
    let ((honest, served), (attempts, got_in)) = (read(&honest), read(&attacker));
    println!(
        "ten upgrades ({upgrades:?}): honest {served} of {honest} served, attacker {got_in} of {attempts}"
    );
    assert_eq!(served, honest, "no honest connection fails");
    assert_eq!(got_in, 0, "no attacker's connection gets in");
    assert!(honest > 200 && attempts > 200, "there was load: {honest}, {attempts}");
}
