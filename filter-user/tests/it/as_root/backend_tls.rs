//! TLS to a real Postfix behind: as much of it as is asked for, and no mail where that cannot be had.

use std::path::Path;

use crate::authority::{Authority, Certified, Wanted};
use crate::daemon::{Daemon, eventually};
use crate::dialogue::Dialogue;
use crate::postfix::Postfix;

/// A relaygate before a backend, at this level.
fn daemon(postfix: &Postfix, level: &str, authority: &Path) -> Daemon {
    Daemon::start(&format!(
        "--backend localhost:{} --local-domain example.test --backend-tls {level} --backend-tls-ca {}",
        postfix.address.port(),
        authority.display()
    ))
}

/// Delivers one message, and says what RCPT got.
fn deliver(daemon: &Daemon) -> String {
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    let reply = dialogue.say("RCPT TO:<user@example.test>");
    if reply.starts_with('2') {
        dialogue.expect(&[("DATA", "354")]);
        dialogue.send("Subject: over TLS\r\n\r\nhello\r\n.\r\n");
        let taken = dialogue.reply();
        assert!(taken.starts_with("250"), "{taken}");
    }
    dialogue.expect(&[("QUIT", "221")]);
    reply
}

/// How the last of so many messages came, as Postfix wrote into it: encrypted or not.
fn came_encrypted(postfix: &Postfix, count: usize) -> bool {
    let delivered = eventually("the delivery", || Some(postfix.delivered()).filter(|all| all.len() == count));
    let encrypted =
        |message: &Vec<u8>| String::from_utf8_lossy(message).contains("(using TLSv1.3 with cipher");
    delivered.iter().filter(|message| encrypted(message)).count() == 1
}

#[test]
fn each_level_has_what_it_asks_for() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let other = Authority::new(folder.path(), "other");
    let right = ours.certify("right", &["localhost"]);
    let wrong_name = ours.certify("wrong-name", &["elsewhere.example"]);
    let expired =
        ours.certify_as("expired", Wanted { names: &["localhost"], expired: true, ..Wanted::default() });
    let rows: [(&str, &Certified, &Authority, &str); 8] = [
        ("none", &right, &ours, "clear"),
        ("may", &right, &ours, "encrypted"),
        ("encrypt", &right, &ours, "encrypted"),
        ("encrypt", &expired, &other, "encrypted"),
        ("verify", &right, &ours, "encrypted"),
        ("verify", &right, &other, "UnknownIssuer"),
        ("verify", &wrong_name, &ours, "not valid for name \\\"localhost\\\""),
        ("verify", &expired, &ours, "certificate expired"),
    ];
    for (level, certificate, authority, outcome) in rows {
        let postfix = Postfix::with_tls(certificate);
        let daemon = daemon(&postfix, level, &authority.file);
        let reply = deliver(&daemon);
        match outcome {
            "clear" | "encrypted" => {
                assert!(reply.starts_with("250"), "{level}: {reply}");
                assert_eq!(came_encrypted(&postfix, 1), outcome == "encrypted", "{level}");
            }
            why => {
                assert!(reply.starts_with("451 4.4.1"), "{level}: {reply}");
                let line = daemon.logged("no TLS with the backend localhost");
                assert!(line.contains(why), "{level}: {line}");
                assert!(postfix.delivered().is_empty());
            }
        }
    }
}

#[test]
fn a_backend_without_starttls_gets_no_mail_where_it_must_encrypt() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let postfix = Postfix::proper();
    for level in ["encrypt", "verify"] {
        let daemon = daemon(&postfix, level, &ours.file);
        assert!(deliver(&daemon).starts_with("451 4.4.1"), "{level}");
        daemon.logged("offers no STARTTLS, and backend-tls asks for it");
    }
    let daemon = daemon(&postfix, "may", &ours.file);
    assert!(deliver(&daemon).starts_with("250"));
    assert!(!came_encrypted(&postfix, 1));
}

/// Who knows the client's address by XCLIENT, under TLS, has it right; the kept connection serves the next message too.
#[test]
fn the_client_is_introduced_under_tls() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let postfix = Postfix::with_tls(&ours.certify("right", &["localhost"]));
    let daemon = daemon(&postfix, "verify", &ours.file);
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO client.example", "250")]);
    for round in 0..3 {
        dialogue.expect(&[
            ("MAIL FROM:<a@far.example>", "250"),
            ("RCPT TO:<user@example.test>", "250"),
            ("DATA", "354"),
        ]);
        dialogue.send(format!("Subject: {round}\r\n\r\n{}\r\n.\r\n", "0123456789\r\n".repeat(50_000)));
        let taken = dialogue.reply();
        assert!(taken.starts_with("250"), "{taken}");
    }
    dialogue.expect(&[("QUIT", "221")]);
    let delivered = eventually("three deliveries", || Some(postfix.delivered()).filter(|all| all.len() == 3));
    for message in delivered {
        let text = String::from_utf8_lossy(&message);
        assert!(text.contains("from client.example (unknown [127.0.0.1])"), "{text:.500}");
        assert_eq!(text.matches("0123456789\n").count(), 50_000);
    }
}
