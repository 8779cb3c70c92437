//! Repeat offenders are limited, then blocked, with real packets between network namespaces: in the kernel where XDP is
//! to be had, else in this process; by the same test.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use filter_common::{PeerKey, Rate, Sanction};
use filter_user::config::Hook;
use filter_user::judge::boot_now;
use filter_user::kernel::{Kernel, KernelSettings};
use filter_user::peers::LocalEnforcer;

use crate::daemon::{Daemon, eventually, metric};
use crate::dialogue::Dialogue;
use crate::packets;

use super::site::{SERVER, Site, deliver, is_reset, offend};

const BLOCK: Duration = Duration::from_secs(4);
/// In mounts of the site's own.
const PINS: &str = "/sys/fs/bpf/relaygate";

/// The whole story of one offender; `attacker` and `bystander` are of one address family.
fn the_story(site: &Site, attacker: &str, bystander: &str, in_kernel: bool) {
    let mut bystanders = site.open(bystander);
    bystanders.expect(&[("EHLO bystander.example", "250")]);
    let mut idle = site.open(attacker);
    let mut offender = site.open(attacker);
    offender.expect(&[("EHLO offender.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);

    // Limited: connections at a rate, here one a second.
    offend(&mut offender, 3);
    let mut came_in = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        if let Ok(stream) = site.connect(attacker, Duration::from_millis(100)) {
            came_in += usize::from(Dialogue::over(stream).reply().starts_with("220 "));
        }
    }
    assert!((1..=3).contains(&came_in), "{came_in} sessions within 1.5 s, at 60/m");

    // Blocked: the offender and the peer's other session are reset, nothing gets in.
    let blocked = Instant::now();
    let mut strikes = 0;
    while offender.try_say("RCPT TO:<someone@elsewhere.example>").starts_with("550") {
        strikes += 1;
        assert!(strikes <= 3, "the fifth strike blocks");
    }
    assert!(is_reset(&mut idle), "the peer's other session is reset");
    let refused = site.connect(attacker, Duration::from_millis(400)).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.read(&mut [0; 512])
    });
    let error = refused.expect_err("a blocked peer gets no banner");
    if in_kernel {
        assert_eq!(error.kind(), ErrorKind::TimedOut, "its SYN dies in the kernel");
    } else {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is reset when accepted");
    }

    // Another peer's mail is untouched, in the session that was open and in a new one.
    deliver(&mut bystanders);
    let mut another = site.open(bystander);
    another.expect(&[("EHLO bystander.example", "250")]);
    deliver(&mut another);

    // And the block ends by itself.
    assert!(blocked.elapsed() < BLOCK, "the machine is too slow for this test");
    let until = Instant::now() + BLOCK + Duration::from_secs(20);
    loop {
        let banner =
            site.connect(attacker, Duration::from_millis(500)).map(|stream| Dialogue::over(stream).reply());
        if banner.is_ok_and(|banner| banner.starts_with("220 ")) {
            break;
        }
        assert!(Instant::now() < until, "the block does not end");
    }
    assert!(blocked.elapsed() + Duration::from_millis(1) >= BLOCK, "the block ended too soon");
}

/// A host on the allow-list may do what it likes.
fn the_allowed(site: &Site) {
    let mut allowed = site.open("192.0.2.99");
    allowed.expect(&[("EHLO allowed.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    offend(&mut allowed, 12);
    let mut again = site.open("192.0.2.99");
    again.expect(&[("EHLO allowed.example", "250")]);
    deliver(&mut again);
}

#[test]
fn in_the_kernel() {
    let site = Site::new();
    let daemon = site.daemon(BLOCK, &format!("--interface e0 --pin-directory {PINS}"));
    daemon.logged("sanctions are enforced in the kernel");
    the_story(&site, "192.0.2.66", "192.0.2.7", true);
    the_allowed(&site);

    // The counters of the metrics page and those that bpftool reads are the same.
    let counter = filter_common::Counter::DroppedBlocked;
    let series = format!("relaygate_kernel_packets_total{{counter=\"{}\"}}", counter.name());
    eventually("agreement of page and bpftool", || {
        let page = metric(&site.metrics(), &series);
        (page > 0.0 && page == site.kernel_counter(&format!("{PINS}/COUNTERS"), counter) as f64).then_some(())
    });
    the_story(&site, "2001:db8:6::66", "2001:db8:7::7", true);
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
}

/// A program on e0 that protects the server.
fn settings(hook: Hook) -> KernelSettings {
    KernelSettings {
        interfaces: vec!["e0".to_owned()],
        hook,
        ports: vec![SERVER.parse::<SocketAddr>().unwrap().port()],
        limit_rate: Rate::new(6, Duration::from_secs(60), 1),
        ..packets::usual_settings()
    }
}

/// An XDP program that is not ours on the interface, as far as the daemon knows: one that protects no port, and so passes
/// everything.
fn foreign_program(site: &Site) -> Kernel {
    site.edge.run(|| {
        let settings = KernelSettings { ports: Vec::new(), ..settings(Hook::XdpNative) };
        Kernel::start(&settings, LocalEnforcer::new(settings.limit_rate, 100)).unwrap()
    })
}

#[test]
fn in_the_kernel_behind_a_foreign_xdp_program() {
    let site = Site::new();
    let foreign = foreign_program(&site);
    let daemon = site.daemon(BLOCK, "--interface e0");
    let line = daemon.logged("sanctions are enforced in the kernel");
    assert!(
        line.contains("tc (TCX) on e0 (native XDP: another XDP program has it: `relaygate`, id "),
        "{line}"
    );
    the_story(&site, "192.0.2.66", "192.0.2.7", true);
    the_allowed(&site);
    the_story(&site, "2001:db8:6::66", "2001:db8:7::7", true);
    drop(foreign);
}

#[test]
fn in_this_process() {
    let site = Site::new();
    let daemon = site.daemon(BLOCK, "");
    assert!(daemon.log().contains("no interface is set"));
    the_story(&site, "192.0.2.66", "192.0.2.7", false);
    the_allowed(&site);
    the_story(&site, "2001:db8:6::66", "2001:db8:7::7", false);
}

#[test]
fn without_privilege_the_same_in_this_process_and_the_log_says_why() {
    let site = Site::new();
    let daemon = site.edge.run(|| {
        Daemon::start_without_privilege(
            "[::1]:2525",
            "--interface lo --backend sink: --local-domain example.test --strikes-to-limit 2 --strikes-to-block 3",
        )
    });
    let line = daemon.logged("the kernel does not help");
    assert!(line.contains("CAP_BPF"), "{line}");
    let address = daemon.address;
    site.edge.run(move || {
        let mut offender = Dialogue::open(address);
        offender.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
        offend(&mut offender, 3);
        assert_eq!(Dialogue::first_reply(address), "", "a blocked peer gets no banner");
    });
}

/// The blocking strike to the first SYN that dies of it.
#[test]
fn a_block_bites_within_ten_milliseconds() {
    let site = Site::new();
    let daemon = site.daemon(Duration::from_secs(60), "--interface e0");
    let mut offender = site.open("192.0.2.66");
    offender.expect(&[("EHLO offender.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    offend(&mut offender, 4);
    // SYNs come all the time, as in an attack, so that the first that is dropped comes soon.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let to: SocketAddr = SERVER.parse().unwrap();
    std::thread::scope(|scope| {
        let outside = &site.outside;
        scope.spawn(move || {
            outside.run(move || {
                let until = Instant::now() + Duration::from_secs(10);
                let mut sockets = Vec::new();
                while stopped.try_recv().is_err() && Instant::now() < until {
                    let socket =
                        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
                    socket.set_nonblocking(true).unwrap();
                    socket.bind(&"192.0.2.66:0".parse::<SocketAddr>().unwrap().into()).unwrap();
                    let _ = socket.connect(&to.into());
                    sockets.push(socket);
                    std::thread::sleep(Duration::from_micros(200));
                }
            });
        });
        std::thread::sleep(Duration::from_millis(50));
        offender.send("RCPT TO:<someone@elsewhere.example>\r\n");
        first_drop(&daemon);
        stop.send(()).unwrap();
    });
    let after = first_drop(&daemon);
    println!("from the strike that blocks to the first dropped packet: {after:?}");
    assert!(after < Duration::from_millis(10), "{after:?}");
}

/// How long a block took to bite, as the daemon logs it.
fn first_drop(daemon: &Daemon) -> Duration {
    let line = eventually("the first drop", || {
        let log = daemon.log();
        log.lines()
            .find(|line| line.contains("first packet") && line.contains("\"blocked\""))
            .map(str::to_owned)
    });
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    Duration::from_nanos(record["nanoseconds"].as_u64().unwrap())
}

/// Real packets of a host that has authenticated, whatever else was sent from its address.
#[test]
fn an_authenticated_host_is_never_dropped() {
    let site = Site::new();
    let server: SocketAddr = SERVER.parse().unwrap();
    let (listener, kernel) = site.edge.run(move || {
        let settings = settings(Hook::Auto);
        let kernel = Kernel::start(&settings, LocalEnforcer::new(settings.limit_rate, 100)).unwrap();
        (std::net::TcpListener::bind(server).unwrap(), kernel)
    });
    let enforcer = kernel.enforcer();
    let peer = PeerKey::from(std::net::Ipv4Addr::new(192, 0, 2, 66));
    let later = |seconds| boot_now().plus(Duration::from_secs(seconds));
    let comes_in = || site.connect("192.0.2.66", Duration::from_millis(300)).is_ok();

    enforcer.enforce(peer, Sanction::Blocked { until: later(60) }, boot_now());
    assert!(!comes_in(), "blocked");
    enforcer.authenticate(peer, later(60), boot_now());
    assert!(comes_in(), "authenticated");
    enforcer.enforce(peer, Sanction::Blocked { until: later(60) }, boot_now());
    assert!((0..5).all(|_| comes_in()), "authenticated, and blocked again");
    drop(listener);
}
