//! What sessions cost that say nothing: no room that they needed once.

use crate::daemon::Daemon;
use crate::dialogue::Dialogue;

/// Memory of a process that is in use, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// About 90 KiB of replies wait for the backend's one; then the session goes on saying nothing.
#[test]
fn a_session_that_had_much_to_say_once_keeps_no_room_for_it() {
    let daemon =
        Daemon::start("--backend sink: --local-domain example.test --workers 1 --max-sessions-per-peer 1000");
    let flood =
        "EHLO a\r\n".repeat(990) + "MAIL FROM:<a@far.example>\r\nRCPT TO:<user@example.test>\r\nRSET\r\n";
    let flooded = || {
        let mut dialogue = Dialogue::open(daemon.address);
        dialogue.send(&flood);
        (0..993).for_each(|at| {
            let reply = dialogue.reply();
            assert!(reply.starts_with("250"), "{at}: {reply}");
        });
        dialogue.expect(&[("NOOP", "250")]);
        dialogue
    };
    let _first = flooded();
    let before = resident(daemon.pid());
    let idle: Vec<_> = (0..100).map(|_| flooded()).collect();
    let each = (resident(daemon.pid()) - before.min(resident(daemon.pid()))) / idle.len() as u64;
    assert!(each < 30, "{each} KiB a session");
}
