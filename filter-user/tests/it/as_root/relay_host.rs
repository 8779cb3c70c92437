//! A relay host that takes nothing from who has not authenticated, over TLS alone: a real Postfix that asks a real
//! Dovecot.

use crate::authority::Authority;
use crate::daemon::{Daemon, eventually, file};
use crate::dialogue::Dialogue;
use crate::dovecot::Dovecot;
use crate::postfix::Postfix;

/// Says MAIL and RCPT to a foreign recipient, and sends a message if it may; what RCPT got.
fn relay(daemon: &Daemon) -> String {
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@a.example>", "250")]);
    let reply = dialogue.say("RCPT TO:<user@example.test>");
    if reply.starts_with('2') {
        dialogue.expect(&[("DATA", "354")]);
        dialogue.send("Subject: relayed\r\n\r\nhello\r\n.\r\n");
        let taken = dialogue.reply();
        assert!(taken.starts_with("250"), "{taken}");
    }
    reply
}

#[test]
fn credentials_are_said_over_tls_by_each_mechanism_and_never_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let certificate = authority.certify("mail", &["localhost"]);
    let dovecot = Dovecot::start();
    let (right, wrong) = (folder.path().join("right"), folder.path().join("wrong"));
    for (path, text) in [(&right, "user\nsecret\n"), (&wrong, "user\nguess\n")] {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    for (mechanisms, credentials, outcome) in [
        ("plain, login", &right, "250"),
        ("login", &right, "250"),
        ("plain", &wrong, "the backend refused AUTH: 535 5.7.8"),
        ("login", &wrong, "the backend refused AUTH: 535 5.7.8"),
        ("scram-sha-256", &right, "offers neither AUTH PLAIN nor AUTH LOGIN"),
    ] {
        let postfix = Postfix::submission(&certificate, &dovecot, mechanisms);
        let config = file(
            folder.path(),
            "relaygate.toml",
            &format!(
                "backend = \"sink:\"\nrelay-network = \"127.0.0.0/8\"\nroute = \"* = host localhost:{} tls=verify \
                 ca={} credentials={}\"\n",
                postfix.address.port(),
                authority.file.display(),
                credentials.display()
            ),
        );
        let daemon = Daemon::start(&format!("--config {}", config.display()));
        let reply = relay(&daemon);
        if outcome == "250" {
            assert!(reply.starts_with("250"), "{mechanisms}: {reply}");
            eventually("the delivery", || (postfix.delivered().len() == 1).then_some(()));
            let message = String::from_utf8(postfix.delivered().remove(0)).unwrap();
            assert!(message.contains("(using TLSv1.3") && message.contains("ESMTPSA"), "{message}");
        } else {
            assert!(reply.starts_with("451 4.4.1"), "{mechanisms}: {reply}");
            daemon.logged(outcome);
            assert!(postfix.delivered().is_empty());
        }
        let log = daemon.log();
        assert!(!log.contains("secret") && !log.contains("guess"), "{log}");
    }
}
