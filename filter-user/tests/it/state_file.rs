//! The state file: what was in force goes on over a restart and over a reboot; whatever happens to the file, the daemon starts,
//! and nothing is lost in silence.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use filter_common::{PeerKey, PrefixLengths, Rate, Sanction, Timestamp};
use filter_user::peers::{
    Admission, Allowance, Hand, Ladder, LocalEnforcer, Order, Register, Remembered, Strike, Weights,
};
use filter_user::state::{Keeper, Moment};
use ipnet::IpNet;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::daemon::{Daemon, relaygate};
use crate::dialogue::Dialogue;

const FLAGS: &str =
    "--backend sink: --local-domain example.test --strikes-to-limit 2 --strikes-to-block 3 --block-for 1h";

fn daemon(state: &Path) -> Daemon {
    Daemon::start(&format!("{FLAGS} --state-file {}", state.display()))
}

fn get_blocked(address: SocketAddr) {
    let mut offender = Dialogue::open(address);
    offender.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    for _ in 0..3 {
        offender.say("RCPT TO:<someone@elsewhere.example>");
    }
    assert!(is_blocked(address));
}

fn is_blocked(address: SocketAddr) -> bool {
    Dialogue::first_reply(address).is_empty()
}

/// Changes the first line of a state file.
fn change_header(state: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(state).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let mut header: Value = serde_json::from_str(header).unwrap();
    change(&mut header);
    fs::write(state, format!("{header}\n{rest}")).unwrap();
}

/// As if it had been written so long ago, before the machine was booted.
fn written_before_a_reboot(state: &Path, ago: Duration) {
    change_header(state, |header| {
        header["boot_id"] = json!("00000000-0000-0000-0000-000000000000");
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        header["wall_ms"] = json!(u64::try_from((since - ago).as_millis()).unwrap());
    });
}

#[test]
fn a_block_goes_on_over_a_restart_and_over_a_reboot_for_what_is_left_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let first = daemon(&state);
    get_blocked(first.address);
    assert!(first.stop().0.success());

    let second = daemon(&state);
    assert!(second.logged("state file read: 1 lines").contains("\"count\":1"));
    assert!(is_blocked(second.address), "after a restart");
    // Killed, it has not written; the file is what it was.
    second.signal(Signal::SIGKILL);
    drop(second);

    // This boot may have lasted for longer than the block does; then it would be over in any case.
    let now = filter_user::judge::boot_now().since(Timestamp::default());
    if now < Duration::from_secs(1800) {
        written_before_a_reboot(&state, Duration::from_secs(1800));
        let third = daemon(&state);
        assert!(is_blocked(third.address), "after a reboot");
        assert!(third.stop().0.success());
    }

    written_before_a_reboot(&state, Duration::from_secs(7200));
    let fourth = daemon(&state);
    assert!(!is_blocked(fourth.address), "the hour is over");
    assert!(fourth.stop().0.success());
}

#[test]
fn a_wall_clock_that_has_gone_back_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    assert!(daemon(&state).stop().0.success());
    change_header(&state, |header| {
        header["boot_id"] = json!("00000000-0000-0000-0000-000000000000");
        header["wall_ms"] = json!(u64::MAX);
    });
    let line = daemon(&state).logged("the wall clock has gone back");
    assert!(line.contains("\"level\":\"WARN\""), "{line}");
}

#[test]
fn a_file_that_cannot_be_understood_is_put_aside_and_the_start_goes_on() {
    for (text, reason) in [
        ("no state at all\n", "it is no state file of relaygate's"),
        ("{\"relaygate_state\":99}\n", "of a newer relaygate"),
        (
            "{\"relaygate_state\":1,\"version\":\"1\",\"boot_id\":\"a\",\"boot_ns\":1,\"wall_ms\":1}\n{\"peer\":\"192.0.2.7\"",
            "cut off",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::write(&state, text).unwrap();
        let daemon = daemon(&state);
        let line = daemon.logged("cannot be used");
        assert!(line.contains(reason) && line.contains("\"level\":\"ERROR\""), "{line}");
        let aside = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let aside =
            aside.into_iter().find(|path| path.display().to_string().contains("state.unread-")).unwrap();
        assert!(line.contains(&aside.display().to_string()), "{line}");
        assert_eq!(fs::read_to_string(aside).unwrap(), text);
        assert!(daemon.stop().0.success());
        assert!(fs::read_to_string(&state).unwrap().ends_with("{\"end\":0}\n"));
    }
}

#[test]
fn two_daemons_do_not_write_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let _first = daemon(&state);
    let mut second = relaygate();
    second.args(["run", "--listen", "127.0.0.1:0", "--state-file"]).arg(&state).args(FLAGS.split(' '));
    let output = second.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("another relaygate uses it"), "{said}");
}

fn moment(boot_id: &str, boot: Duration, wall: u64) -> Moment {
    Moment { boot_id: boot_id.to_owned(), boot: Timestamp::default().plus(boot), wall }
}

fn register(max_peers: usize) -> Register {
    let ladder = Ladder {
        to_limit: 3,
        to_block: 5,
        decay: Duration::from_secs(600),
        block_for: Duration::from_secs(300),
        block_max: Duration::from_secs(86_400),
    };
    let enforcer = Arc::new(LocalEnforcer::new(Rate::new(6, Duration::from_secs(60), 1), max_peers));
    Register::new(ladder, Weights::default(), PrefixLengths::default(), &[], max_peers, enforcer)
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0b00_0000 + number)
}

/// Blocks so many peers, for an hour from this moment.
fn block(register: &Register, peers: u32, now: &Moment) {
    let until = now.boot.plus(Duration::from_secs(3600));
    for number in 0..peers {
        let remembered = Remembered {
            peer: PeerKey::from(address(number)),
            strikes_until: until,
            blocks: 1,
            blocked_until: until,
            has_resumed: false,
            authenticated_until: Timestamp::default(),
            last_strike: None,
        };
        register.remember(&remembered, now.boot);
    }
}

/// Writes a state file of so many blocked peers.
pub(crate) fn write_blocked(state: &Path, peers: u32) {
    let now = Moment::now(&filter_user::state::boot_id().unwrap(), filter_user::judge::boot_now());
    let register = register(peers as usize * 5 / 4);
    let keeper = Keeper::start(state, &register, &now).unwrap();
    block(&register, peers, &now);
    keeper.write(&register, &now);
}

/// The most memory that this process had at once, in octets.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_million_peers_are_written_and_read_while_nobody_waits_and_little_memory_is_used() {
    const PEERS: u32 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let now = moment("a", Duration::from_secs(1000), 1_790_000_000_000);
    // Some room: peers are not spread quite evenly over the shards.
    let before = register(PEERS as usize * 5 / 4);
    let keeper = Keeper::start(&state, &before, &now).unwrap();
    block(&before, PEERS, &now);
    let memory = most_memory();

    let (writing, began) = (AtomicBool::new(true), Instant::now());
    let longest = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for number in 0.. {
                let asked = Instant::now();
                let admission = before.admit(address(number % PEERS).into(), now.boot);
                let _ = before.strike(Ipv4Addr::from(number).into(), Strike::ProtocolAbuse, now.boot);
                longest = longest.max(asked.elapsed());
                assert_eq!(admission, Admission::Blocked);
                if !writing.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            longest
        });
        keeper.write(&before, &now);
        writing.store(false, Ordering::Relaxed);
        worker.join().unwrap()
    });
    let written = began.elapsed();
    let length = fs::metadata(&state).unwrap().len();
    let more = most_memory() - memory;
    println!(
        "written in {written:?}, {length} octets, {more} octets of memory more; the longest wait was {longest:?}"
    );
    assert!(length / u64::from(PEERS) < 128, "{length} octets");
    assert!(more < 48 << 20, "{more} octets of memory more");
    assert!(longest < written / 5, "a worker waited {longest:?} of the {written:?} that it took");

    // After a reboot of ten minutes.
    drop((keeper, before));
    let later = moment("b", Duration::from_secs(60), now.wall + 600_000);
    let after = register(PEERS as usize * 5 / 4);
    let began = Instant::now();
    let _keeper = Keeper::start(&state, &after, &later).unwrap();
    println!("read in {:?}", began.elapsed());
    assert!(after.len() >= PEERS as usize);
    let seconds = |seconds| Timestamp::default().plus(Duration::from_secs(seconds));
    for number in (0..PEERS).step_by(9973) {
        let peer = address(number).into();
        assert_eq!(after.admit(peer, seconds(60 + 2999)), Admission::Blocked);
        assert_ne!(after.admit(peer, seconds(60 + 3000)), Admission::Blocked);
    }
}

#[test]
fn what_was_done_by_hand_goes_on_over_a_reboot() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let now = moment("a", Duration::from_secs(1000), 1_790_000_000_000);
    let later = moment("b", Duration::from_secs(60), now.wall + 600_000);
    let hand = Hand { by: 1000, since: now.boot, reason: "a nuisance".into() };
    let network: IpNet = "198.51.100.0/24".parse().unwrap();
    let (for_good, for_a_while) = (address(1).into(), address(2).into());
    {
        let before = register(1000);
        let keeper = Keeper::start(&state, &before, &now).unwrap();
        let known = before.changes();
        before.allow(Allowance { network, until: Timestamp::NEVER, hand: hand.clone() }, now.boot).unwrap();
        assert_ne!(before.changes(), known, "it is to be written");
        for (peer, until) in
            [(for_good, Timestamp::NEVER), (for_a_while, now.boot.plus(Duration::from_secs(601)))]
        {
            let sanction = Sanction::Blocked { until };
            before.order(peer, Order { sanction, hand: hand.clone() }, now.boot).unwrap();
        }
        keeper.write(&before, &now);
    }
    let after = register(1000);
    let _keeper = Keeper::start(&state, &after, &later).unwrap();
    assert_eq!(after.allowances().iter().map(|allowed| allowed.network).collect::<Vec<_>>(), [network]);
    assert_eq!(after.allowances()[0].until, Timestamp::NEVER);
    assert_eq!(after.strike("198.51.100.9".parse().unwrap(), Strike::ProtocolAbuse, later.boot), None);
    let orders = after.orders(later.boot);
    assert_eq!(orders.len(), 2);
    assert!(orders.iter().all(|(_, order)| &*order.hand.reason == "a nuisance" && order.hand.by == 1000));
    assert_eq!(after.admit(for_good, later.boot), Admission::Blocked);
    assert_eq!(after.admit(for_a_while, later.boot), Admission::Blocked);
    let two_seconds_on = later.boot.plus(Duration::from_secs(2));
    after.keep(two_seconds_on);
    assert_eq!(after.admit(for_a_while, two_seconds_on), Admission::Admitted);
    assert_eq!(after.admit(for_good, two_seconds_on), Admission::Blocked);
}

/// The daemon is killed at many moments of its last write: the file is the old one or the new one, never half of one.
#[test]
fn a_kill_while_it_writes_leaves_a_whole_file() {
    const PEERS: u32 = 200_000;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    write_blocked(&state, PEERS);
    let mut cut_short = 0;
    for delay in [0, 30, 100, 250, 500, 1000] {
        let running = Daemon::start(&format!("{FLAGS} --max-peers 262144 --state-file {}", state.display()));
        assert!(running.logged("state file read: 200000 lines").contains("\"level\":\"INFO\""));
        running.signal(Signal::SIGTERM);
        std::thread::sleep(Duration::from_millis(delay));
        running.signal(Signal::SIGKILL);
        drop(running);
        cut_short += usize::from(folder.path().join("state.new").exists());
        let text = fs::read_to_string(&state).unwrap();
        assert!(text.ends_with("{\"end\":200000}\n"), "after {delay} ms");
        assert_eq!(text.lines().count(), PEERS as usize + 2, "after {delay} ms");
    }
    assert!(cut_short > 0, "no kill came while it wrote: the delays are wrong for this machine");
}
