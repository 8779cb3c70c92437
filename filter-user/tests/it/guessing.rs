//! Peers that guess, over TCP: passwords where nobody can log in, recipients until one is known. Each guess counts, and
//! soon they guess no more.

use crate::daemon::{Daemon, file};
use crate::dialogue::Dialogue;

#[test]
fn each_password_that_is_tried_where_nobody_can_log_in_is_a_strike() {
    let daemon = Daemon::start(
        "--backend sink: --local-domain example.test --strikes-to-limit 2 --strikes-to-block 4 \
         --strike-weight-failed-auth 1",
    );
    let mut guesser = Dialogue::open(daemon.address);
    guesser.expect(&[("EHLO a.example", "250")]);
    // in one write, so that each must be counted for itself
    guesser.send("AUTH PLAIN AGEAYg==\r\n".repeat(3));
    for _ in 0..3 {
        assert_eq!(guesser.reply(), "502 5.5.1 not implemented\r\n");
    }
    let line = daemon.logged("\"limited\"");
    assert!(line.contains("failed_auth"), "{line}");
    guesser.try_say("AUTH LOGIN");
    assert_eq!(guesser.try_say("NOOP"), "", "the fourth blocks");
    assert!(daemon.logged("\"blocked\"").contains("failed_auth"));
}

#[test]
fn a_harvest_ends_the_session_and_is_struck() {
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "user@example.test\n");
    let daemon = Daemon::start(&format!(
        "--backend sink: --local-domain example.test --mailboxes {} --max-unknown-recipients 3 \
         --strikes-to-limit 100 --strikes-to-block 200",
        mailboxes.display()
    ));
    let mut harvester = Dialogue::open(daemon.address);
    harvester.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<adam@example.test>", "550 5.1.1"),
        ("RCPT TO:<user@example.test>", "250"),
        ("RCPT TO:<berta@example.test>", "550 5.1.1"),
        ("RCPT TO:<carl@example.test>", "550 5.1.1"),
    ]);
    let last = String::from_utf8(harvester.rest()).unwrap();
    assert_eq!(last, "421 4.7.0 too many unknown recipients\r\n");
    assert!(daemon.logged("protocol abuse").contains("TooManyUnknownRecipients"));
}
