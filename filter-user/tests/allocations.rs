//! A refused session allocates nothing between accept and close but what a connection itself needs: counted by an
//! allocator that counts, against connections on which nothing is said. A binary of its own, because the allocator is
//! the process's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use filter_user::config::{ClientAddress, Config, HostPort};
use filter_user::judge::Judge;
use filter_user::lookup::Directories;
use filter_user::peers::LocalEnforcer;
use filter_user::proxy::{
    ClientTls, DestinationHosts, DestinationSettings, Listening, OwnListeners, ProxySettings, Shared, Workers,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Sessions that are measured, of each kind.
const SESSIONS: usize = 2000;

/// The proxy as the daemon puts it together, with log and metrics on.
fn serve(mailboxes: &std::path::Path) -> (Workers, Arc<Shared>, SocketAddr) {
    let config = Config::from_flags([
        "--backend",
        "127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--local-domain",
        "example.test",
        "--relay-network",
        "10.0.0.0/8",
        "--never-relay",
        "10.6.6.0/24",
        "--strikes-to-limit",
        "999999",
        "--strikes-to-block",
        "1000000",
        "--mailboxes",
        mailboxes.to_str().unwrap(),
    ])
    .unwrap();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::set_global_recorder(recorder).unwrap();
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    let listening = Listening::bind(&config.listen, config.workers).unwrap();
    let address = listening.addresses()[0];
    let enforcer = Arc::new(LocalEnforcer::new(config.limit_rate, config.max_peers));
    let nowhere = DestinationSettings {
        hosts: DestinationHosts::Listed(vec![HostPort { host: "127.0.0.1".to_owned(), port: 1 }]),
        inbound: true,
        client_address: ClientAddress::None,
        tls: ClientTls::default(),
        credentials: None,
    };
    let settings = ProxySettings::new(&config, vec![nowhere], OwnListeners::default(), None);
    let directories = Directories::from_file(mailboxes, &config.local_domains, false).unwrap();
    let judge = Arc::new(Judge::new(&config, Arc::new(directories), enforcer));
    let shared = Arc::new(Shared::new(&config, settings, judge, None));
    (Workers::start(Arc::clone(&shared), listening).unwrap(), shared, address)
}

/// Reads replies until so many lines have come, without allocating.
fn read_lines(stream: &mut TcpStream, lines: usize) {
    let mut octets = [0; 2048];
    let mut seen = 0;
    while seen < lines {
        let read = stream.read(&mut octets).unwrap();
        assert_ne!(read, 0, "the session ended early");
        seen += octets[..read].iter().filter(|octet| **octet == b'\n').count();
    }
}

/// A connection on which the client says nothing.
fn silent(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    read_lines(&mut stream, 1);
}

/// Lines of the EHLO reply when the backend is away.
const EHLO_LINES: usize = 4;

fn plain(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    read_lines(&mut stream, 1);
    stream.write_all(b"EHLO host.far.example\r\n").unwrap();
    read_lines(&mut stream, EHLO_LINES);
    for command in [
        &b"MAIL FROM:<someone@far.example> SIZE=1000\r\n"[..],
        b"RCPT TO:<victim@elsewhere.example>\r\n",
        b"RCPT TO:<victim%elsewhere.example@example.test>\r\n",
        b"RCPT TO:<nosuchuser@example.test>\r\n",
        b"QUIT\r\n",
    ] {
        stream.write_all(command).unwrap();
        read_lines(&mut stream, 1);
    }
}

fn pipelined(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    read_lines(&mut stream, 1);
    stream.write_all(b"EHLO host.far.example\r\n").unwrap();
    read_lines(&mut stream, EHLO_LINES);
    stream
        .write_all(b"MAIL FROM:<someone@far.example>\r\nRCPT TO:<victim@elsewhere.example>\r\nQUIT\r\n")
        .unwrap();
    read_lines(&mut stream, 3);
}

/// Allocations, and octets of them, of so many sessions.
fn count(shared: &Shared, address: SocketAddr, session: fn(SocketAddr)) -> (usize, usize) {
    // The first ones fill the pools.
    for _ in 0..200 {
        session(address);
    }
    until_all_are_over(shared);
    let region = Region::new(ALLOCATOR);
    for _ in 0..SESSIONS {
        session(address);
    }
    until_all_are_over(shared);
    let stats = region.change();
    (stats.allocations + stats.reallocations, stats.bytes_allocated)
}

fn until_all_are_over(shared: &Shared) {
    let until = Instant::now() + Duration::from_secs(10);
    while shared.sessions() > 0 {
        assert!(Instant::now() < until, "sessions stay open");
        std::thread::sleep(Duration::from_millis(1));
    }
    // A session leaves its seat just before its memory is freed.
    std::thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_refused_session_allocates_what_a_silent_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = folder.path().join("mailboxes");
    std::fs::write(&mailboxes, "user\n").unwrap();
    let (workers, shared, address) = serve(&mailboxes);
    let silent = count(&shared, address, silent);
    let plain = count(&shared, address, plain);
    let pipelined = count(&shared, address, pipelined);
    println!(
        "allocations of {SESSIONS} sessions (count, octets): silent {silent:?}, plain {plain:?}, pipelined {pipelined:?}"
    );
    // What the process does besides, such as a log line now and then, is no session's.
    let allowed = SESSIONS / 100;
    for (name, refused) in [("plain", plain), ("pipelined", pipelined)] {
        assert!(
            refused.0 <= silent.0 + allowed,
            "{name}: {} allocations, silent ones {}",
            refused.0,
            silent.0
        );
    }
    workers.drain().unwrap();
}

#[test]
fn the_memory_that_peers_are_remembered_in_is_what_was_allocated_for_them() {
    use filter_common::{PrefixLengths, Rate, Timestamp};
    use filter_user::peers::{Ladder, Register, Strike, Weights};

    let rate = Rate::new(6, Duration::from_secs(60), 1);
    let ladder = Ladder {
        to_limit: 2,
        to_block: 10,
        decay: Duration::from_secs(600),
        block_for: Duration::from_secs(300),
        block_max: Duration::from_secs(3600),
    };
    let allocated = Region::new(ALLOCATOR);
    let enforcer = Arc::new(LocalEnforcer::new(rate, 1 << 20));
    let register =
        Register::new(ladder, Weights::default(), PrefixLengths::default(), &[], 1 << 20, enforcer.clone());
    for host in 0..100_000u32 {
        for _ in 0..2 {
            register.strike(std::net::Ipv4Addr::from(host).into(), Strike::RelayAttempt, Timestamp(1));
        }
    }
    let change = allocated.change();
    let allocated = change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed();
    let said = (register.memory() + enforcer.memory()).cast_signed();
    assert_eq!((register.len(), enforcer.len()), (100_000, 100_000));
    // Beside the entries stand the locks of the shards.
    let rest = allocated - said;
    assert!((0..100_000).contains(&rest), "{said} said, {allocated} allocated");
}
