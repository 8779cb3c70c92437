//! The daemon goes on without privileges: as the user that it was told to be, in every thread, while it serves, sanctions in
//! the kernel and reads its files again; and where a start lacks one, it is named.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::User;
use socket2::{Domain, Socket, Type};

use super::site::Site;
use crate::daemon::{Daemon, PATIENCE, eventually, metric, relaygate};
use crate::dialogue::Dialogue;
use crate::netns::Namespace;

const SERVER: &str = "192.0.2.1:25";
const METRICS: &str = "127.0.0.1:9025";
const USER: &str = "nobody";

/// Bits of capability sets (capability.h).
const NET_ADMIN: u64 = 1 << 12;
const NET_RAW: u64 = 1 << 13;

/// What `/proc/PID/task/*/status` says that is about privileges, by the name of the thread.
fn standing(pid: u32) -> BTreeMap<String, BTreeMap<String, String>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads
        .filter_map(|thread| {
            let thread = thread.unwrap();
            // One that has ended meanwhile says nothing.
            let status = fs::read_to_string(thread.path().join("status")).ok()?;
            let fields = status.lines().filter_map(|line| line.split_once(":\t"));
            let fields: BTreeMap<_, _> =
                fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
            Some((format!("{} {}", thread.file_name().display(), fields["Name"]), fields))
        })
        .collect()
}

/// Every thread is this user with these capabilities and cannot have more.
fn assert_standing(pid: u32, user: &User, kept: u64) {
    let (uid, gid) = (user.uid, user.gid);
    let threads = standing(pid);
    assert!(threads.len() >= 4, "main thread, metrics, two workers: {:?}", threads.keys());
    for (thread, fields) in threads {
        let wanted = [
            ("Uid", format!("{uid}\t{uid}\t{uid}\t{uid}")),
            ("Gid", format!("{gid}\t{gid}\t{gid}\t{gid}")),
            ("CapInh", format!("{:016x}", 0)),
            ("CapPrm", format!("{kept:016x}")),
            ("CapEff", format!("{kept:016x}")),
            ("CapBnd", format!("{:016x}", 0)),
            ("CapAmb", format!("{:016x}", 0)),
            ("NoNewPrivs", "1".to_owned()),
        ];
        for (name, value) in wanted {
            assert_eq!(fields[name], value, "{name} of {thread}");
        }
    }
}

fn nobody() -> User {
    User::from_name(USER).unwrap().unwrap()
}

/// A connection from an address of the outside, if it comes about in time.
fn connect(outside: &Namespace, source: &str, within: Duration) -> std::io::Result<TcpStream> {
    let (source, to): (IpAddr, SocketAddr) = (source.parse().unwrap(), SERVER.parse().unwrap());
    outside.run(move || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&to.into(), within)?;
        Ok(socket.into())
    })
}

#[test]
fn as_a_user_without_capabilities_it_serves_and_sanctions_in_the_kernel_and_reads_its_files_again() {
    let (edge, outside) = (Namespace::new(), Namespace::new());
    edge.link("e0", &["192.0.2.1/24"], &outside, "p0", &["192.0.2.66/24", "192.0.2.7/24"]);
    let folder = tempfile::tempdir().unwrap();
    let (user, path) = (nobody(), folder.path().to_owned());
    // The user comes as far as the folder, and has one of its own.
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let mailboxes = crate::daemon::file(&path, "mailboxes", "alice@example.test\n");
    let own = path.join("own");
    fs::create_dir(&own).unwrap();
    std::os::unix::fs::chown(&own, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    let flags = format!(
        "--user {USER} --interface e0 --pin-directory none --backend sink: --local-domain example.test \
         --metrics-listen {METRICS} --workers 2 --strikes-to-limit 2 --strikes-to-block 3 \
         --mailboxes {} --control-socket {} --policy-listen unix:{} --state-file {}",
        mailboxes.display(),
        own.join("control").display(),
        path.join("policy").display(),
        own.join("state").display(),
    );
    let daemon = edge.run(move || Daemon::start_listening_on(SERVER, &flags));
    daemon.logged("relaygate is user nobody from here on");
    assert_standing(daemon.pid(), &user, 0);

    // It serves one, and blocks another in the kernel.
    let mut offender = Dialogue::over(connect(&outside, "192.0.2.66", PATIENCE).unwrap());
    assert!(offender.reply().starts_with("220 "));
    offender.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    for _ in 0..3 {
        offender.say("RCPT TO:<someone@elsewhere.example>");
    }
    eventually("a connection that the kernel drops", || {
        connect(&outside, "192.0.2.66", Duration::from_millis(500)).err()
    });
    let dropped = "relaygate_kernel_packets_total{counter=\"dropped_blocked\"}";
    eventually("the counter of the kernel", || {
        let page = edge.run(|| Daemon::metrics(METRICS.parse().unwrap()));
        (metric(&page, dropped) > 0.0).then_some(())
    });
    let mut honest = Dialogue::over(connect(&outside, "192.0.2.7", PATIENCE).unwrap());
    assert!(honest.reply().starts_with("220 "));
    honest.expect(&[
        ("EHLO b.example", "250"),
        ("MAIL FROM:<b@far.example>", "250"),
        ("RCPT TO:<alice@example.test>", "250"),
        ("RCPT TO:<bob@example.test>", "550 5.1.1"),
    ]);

    // Its sockets are the user's.
    for socket in [own.join("control"), path.join("policy")] {
        let found = fs::metadata(&socket).unwrap();
        assert_eq!(
            (found.uid(), found.gid()),
            (user.uid.as_raw(), user.gid.as_raw()),
            "{}",
            socket.display()
        );
    }

    // What it may read it reads again; what it may not, is said with what to do.
    fs::write(&mailboxes, "alice@example.test\nbob@example.test\n").unwrap();
    daemon.signal(Signal::SIGHUP);
    daemon.logged("directories reloaded");
    assert_eq!(honest.say("RCPT TO:<bob@example.test>"), "250 2.1.5 ok\r\n");
    fs::set_permissions(&mailboxes, Permissions::from_mode(0o600)).unwrap();
    daemon.signal(Signal::SIGHUP);
    let line = daemon.logged("mailbox file not reloaded");
    assert!(line.contains("as user nobody, without capabilities: let it, by owner, group or ACL"), "{line}");
    assert_standing(daemon.pid(), &user, 0);

    drop((offender, honest));
    let (status, log) = daemon.stop();
    assert!(status.success(), "{log}");
    let state = fs::read_to_string(own.join("state")).unwrap();
    // Who has asked for an unknown recipient has a strike, and no sanction.
    assert!(state.contains(r#"{"peer":"192.0.2.66","#) && state.ends_with("{\"end\":2}\n"), "{state}");
    assert!(!own.join("control").exists());
}

/// What is pinned belongs to the user: so a daemon without capabilities attaches to an interface that comes back, and the
/// next start, as root, takes everything over.
#[test]
fn without_capabilities_it_follows_its_interfaces_and_the_next_start_takes_over() {
    const PINS: &str = "/sys/fs/bpf/relaygate";
    let site = Site::new();
    let (user, flags) = (nobody(), format!("--user {USER} --interface e0 --pin-directory {PINS}"));
    let first = site.daemon(Duration::from_secs(600), &flags);
    first.logged("relaygate is user nobody from here on");
    let has_program = || {
        site.edge.run(|| {
            let link = Command::new("ip").args(["link", "show", "dev", "e0"]).output().unwrap();
            String::from_utf8(link.stdout).unwrap().contains("xdp")
        })
    };
    assert!(has_program());
    site.edge.ip("link del e0");
    site.link();
    eventually("the program on the interface that came back", || has_program().then_some(()));
    assert_standing(first.pid(), &user, 0);
    let owner = site.edge.run(|| fs::metadata(format!("{PINS}/link-e0")).unwrap().uid());
    assert_eq!(owner, user.uid.as_raw());
    first.signal(Signal::SIGKILL);
    drop(first);
    assert!(has_program(), "it outlasts the process");

    let second = site.daemon(Duration::from_secs(600), &flags);
    second.logged("sanctions are enforced in the kernel");
    assert_standing(second.pid(), &user, 0);
    assert!(has_program());
}

#[test]
fn a_privilege_that_is_kept_is_said_with_its_reason_and_is_the_only_one() {
    let edge = Namespace::new();
    let root = User::from_name("root").unwrap().unwrap();
    for (user, had, kept) in
        [(nobody(), "+all", NET_RAW), (root, "-all,+net_admin,+net_bind_service,+setpcap", NET_ADMIN)]
    {
        let name = user.name.clone();
        let daemon = edge.run(move || {
            Daemon::start_with_capabilities(
                had,
                "127.0.0.1:2525",
                &format!(
                    "--user {name} --backend sink: --local-domain example.test --workers 2 --metrics-listen {METRICS} \
                     --backend-client-address transparent"
                ),
            )
        });
        daemon.logged("is kept, and no other capability");
        assert_standing(daemon.pid(), &user, kept);
    }
}

#[test]
fn each_capability_that_the_kernels_part_lacks_is_named_and_the_rest_goes_on() {
    let edge = Namespace::new();
    let rows = [
        ("-all", "CAP_NET_ADMIN, CAP_PERFMON and CAP_BPF missing"),
        ("-all,+net_admin,+perfmon", "CAP_BPF missing"),
        ("-all,+bpf,+perfmon", "CAP_NET_ADMIN missing"),
        ("-all,+bpf,+net_admin", "CAP_PERFMON missing"),
        ("-all,+bpf,+net_admin,+perfmon", ""),
        ("-all,+sys_admin", ""),
    ];
    for (had, missing) in rows {
        let daemon = edge.run(move || {
            let flags = "--interface lo --pin-directory none --backend sink: --local-domain example.test";
            Daemon::start_with_capabilities(had, "127.0.0.1:2525", flags)
        });
        let log = daemon.log();
        let lacks = log.lines().find(|line| line.contains("no privilege to load")).unwrap_or_default();
        assert_eq!(lacks.is_empty(), missing.is_empty(), "{had}: {log}");
        assert!(lacks.contains(missing), "{had}: {lacks}");
        let (status, log) = daemon.stop();
        assert!(status.success(), "{had}: {log}");
    }
}

#[test]
fn a_user_that_cannot_be_had_ends_the_start() {
    let refused = |program: &mut Command, name: &str| {
        let output = program
            .args(["run", "--listen", "127.0.0.1:0", "--backend", "sink:", "--user", name])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&mut relaygate(), "no-such-user");
    assert!(said.contains("user = \"no-such-user\": this host has no such user; make one"), "{said}");
    let mut without = Command::new("setpriv");
    without.args(["--bounding-set=-all,+setgid", env!("CARGO_BIN_EXE_relaygate")]);
    let said = refused(&mut without, USER);
    assert!(said.contains("cannot become it without CAP_SETUID"), "{said}");
}

/// What it reads at the start it reads as whom it will read it again: a start that succeeds promises that a reload does.
#[test]
fn a_file_that_the_user_may_not_read_ends_the_start_and_not_the_first_reload() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let secret = |name: &str| -> std::path::PathBuf {
        let path = crate::daemon::file(folder.path(), name, "alice@example.test\n");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    };
    let start = |flags: &[&str]| {
        let mut program = relaygate();
        program.args(["run", "--listen", "127.0.0.1:0", "--backend", "sink:", "--user", USER]).args(flags);
        let output = program.output().unwrap();
        assert!(!output.status.success(), "{flags:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let shown = |path: &Path| path.display().to_string();
    let mailboxes = shown(&secret("mailboxes"));
    let state = shown(&secret("state"));
    for (flags, named) in [
        (vec!["--local-domain", "example.test", "--mailboxes", &mailboxes], &mailboxes),
        (vec!["--state-file", &state], &state),
    ] {
        let said = start(&flags);
        assert!(said.contains(named.as_str()), "{said}");
        assert!(
            said.contains("as user nobody, without capabilities: let it, by owner, group or ACL"),
            "{said}"
        );
    }
}
