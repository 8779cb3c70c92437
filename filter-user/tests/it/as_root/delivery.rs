//! Real mail through relaygate into a real Postfix: all of it, once, octet for octet, from whom it really came.

use std::collections::BTreeSet;
use std::process::Command;

use crate::daemon::{Daemon, eventually, file};
use crate::dialogue::Dialogue;
use crate::postfix::{Postfix, body, submit};

const MESSAGES: usize = 2000;

#[test]
fn two_thousand_messages_by_smtp_source() {
    let postfix = Postfix::proper();
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "@example.test\n");
    let daemon = Daemon::start(&format!(
        "--backend {} --local-domain example.test --mailboxes {}",
        postfix.address,
        mailboxes.display()
    ));
    // What smtp-source writes, without us in between.
    submit(1, postfix.address, "reference@example.test");
    let reference = eventually("the reference", || postfix.delivered().into_iter().next());

    submit(MESSAGES, daemon.address, "user@example.test");
    let delivered = eventually("all deliveries", || {
        let delivered = postfix.delivered();
        (delivered.len() > MESSAGES).then_some(delivered)
    });

    let mut recipients = BTreeSet::new();
    for message in &delivered {
        assert_eq!(body(message), body(&reference), "a body differs");
        let text = String::from_utf8_lossy(message);
        let to = text.lines().find_map(|line| line.strip_prefix("X-Original-To: ")).map(str::to_owned);
        assert!(
            recipients.insert(to.expect("Postfix says to whom it delivered")),
            "a message was delivered twice"
        );
    }
    assert_eq!(delivered.len(), MESSAGES + 1);
    assert_eq!(recipients.iter().filter(|to| to.contains("user@example.test")).count(), MESSAGES);
    assert_eq!(postfix.queued(), 0);
}

/// A message with everything that dots and line ends can do, through relaygate and straight, must come out the same.
#[test]
fn dots_and_long_lines_arrive_as_they_were_sent() {
    let postfix = Postfix::proper();
    let daemon = Daemon::start(&format!("--backend {} --local-domain example.test", postfix.address));
    let mut data = String::from("Subject: dots\r\n\r\n..\r\n...\r\n..leading\r\n\r\n \r\n.. \r\n");
    for size in [1usize, 900, 990] {
        data.push_str(&"x".repeat(size));
        data.push_str("\r\n");
    }
    for number in 0..20_000 {
        data.push_str(&format!("line {number}\r\n"));
    }
    data.push_str(".\r\n");
    for address in [postfix.address, daemon.address] {
        let mut dialogue = Dialogue::open(address);
        dialogue.expect(&[
            ("EHLO a.example", "250"),
            ("MAIL FROM:<a@a.example>", "250"),
            ("RCPT TO:<user@example.test>", "250"),
            ("DATA", "354"),
        ]);
        dialogue.send(&data);
        assert!(dialogue.reply().starts_with("250"));
        dialogue.expect(&[("QUIT", "221")]);
    }
    let delivered = eventually("both deliveries", || Some(postfix.delivered()).filter(|all| all.len() == 2));
    assert_eq!(body(&delivered[0]), body(&delivered[1]));
    assert!(
        body(&delivered[0]).starts_with(b".\n..\n.leading\n"),
        "{:?}",
        String::from_utf8_lossy(&body(&delivered[0])[..40])
    );
}

#[test]
fn postfix_logs_the_real_clients_address() {
    let postfix = Postfix::proper();
    let daemon = Daemon::start(&format!("--backend {} --local-domain example.test", postfix.address));
    let output = Command::new("swaks")
        .args(["--server", &daemon.address.ip().to_string(), "--port", &daemon.address.port().to_string()])
        .args(["--local-interface", "127.0.0.77", "--helo", "client.example"])
        .args(["--from", "sender@far.example", "--to", "user@example.test", "--body", "hello from swaks"])
        .output()
        .expect("swaks is not installed: run `cargo xtask doctor --install`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    eventually("the delivery", || (postfix.delivered().len() == 1).then_some(()));
    let log = postfix.log();
    assert!(log.contains("client=unknown[127.0.0.77]"), "{log}");
    let message = String::from_utf8(postfix.delivered().remove(0)).unwrap();
    assert!(message.contains("Received: from client.example (unknown [127.0.0.77])"), "{message}");
}

#[test]
fn several_messages_and_recipients_in_one_session() {
    let postfix = Postfix::proper();
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "one\ntwo\nthree@example.test\n");
    let daemon = Daemon::start(&format!(
        "--backend {} --local-domain example.test --mailboxes {}",
        postfix.address,
        mailboxes.display()
    ));
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO a.example", "250")]);
    for round in 0..3 {
        // All in one write, a refused recipient among them, and the next transaction behind the dot.
        dialogue.send(
            "MAIL FROM:<>\r\nRCPT TO:<one@example.test>\r\nRCPT TO:<nobody@example.test>\r\n\
             RCPT TO:<TWO@Example.TEST>\r\nRCPT TO:<three@example.test>\r\nDATA\r\n",
        );
        let replies: Vec<_> = (0..6).map(|_| dialogue.reply()[..3].to_owned()).collect();
        assert_eq!(replies, ["250", "250", "550", "250", "250", "354"], "round {round}");
        dialogue.send(format!("Subject: round {round}\r\n\r\nhello\r\n.\r\nRSET\r\n"));
        assert!(dialogue.reply().starts_with("250"));
        assert!(dialogue.reply().starts_with("250"));
    }
    dialogue.expect(&[("QUIT", "221")]);
    eventually("nine deliveries", || (postfix.delivered().len() == 9).then_some(()));
}
