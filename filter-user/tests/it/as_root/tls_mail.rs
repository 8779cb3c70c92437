//! Mail under TLS all the way, from a real Postfix through relaygate to another: all of it, once, octet for octet.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::authority::Authority;
use crate::daemon::{Daemon, eventually, file, free_port, metric};
use crate::postfix::{Postfix, body, submit};

const MESSAGES: usize = 2000;

/// A relaygate with a certificate, before a backend that it verifies.
fn daemon(authority: &Authority, folder: &std::path::Path, postfix: &Postfix, page: &str) -> Daemon {
    let mx = authority.certify("mx", &["mx.example.test"]);
    let text = format!(
        "backend = 'localhost:{}'\nbackend-tls = 'verify'\nbackend-tls-ca = '{}'\nlocal-domain = 'example.test'\n\
         metrics-listen = '{page}'\ntls-certificate = '{} key={}'\n",
        postfix.address.port(),
        authority.file.display(),
        mx.chain.display(),
        mx.key.display()
    );
    Daemon::start(&format!("--config {}", file(folder, "relaygate.toml", &text).display()))
}

#[test]
fn two_thousand_messages_from_postfix_to_postfix() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let inner = Postfix::with_tls(&authority.certify("inner", &["localhost"]));
    let page = format!("127.0.0.1:{}", free_port());
    let daemon = daemon(&authority, folder.path(), &inner, &page);
    let outer = Postfix::sending_over_tls(daemon.address);

    // What smtp-source writes, without us in between.
    submit(1, inner.address, "reference@example.test");
    let reference = eventually("the reference", || inner.delivered().into_iter().next());
    submit(MESSAGES, outer.address, "user@example.test");
    // Every hundred has its own time: each message is encrypted twice, on a machine that has other things to do.
    for count in (100..=MESSAGES).step_by(100) {
        eventually("a hundred deliveries", || (inner.delivered_count() > count).then_some(()));
    }
    let delivered = inner.delivered();

    let mut recipients = BTreeSet::new();
    let mut encrypted = 0;
    for message in &delivered {
        assert_eq!(body(message), body(&reference), "a body differs");
        let text = String::from_utf8_lossy(message);
        encrypted += usize::from(text.contains("(using TLSv1.3 with cipher"));
        let to = text.lines().find_map(|line| line.strip_prefix("X-Original-To: ")).map(str::to_owned);
        assert!(recipients.insert(to.expect("Postfix says to whom it delivered")), "one was delivered twice");
    }
    assert_eq!((delivered.len(), encrypted), (MESSAGES + 1, MESSAGES));
    assert_eq!((outer.queued(), inner.queued()), (0, 0));
    // The way to us was encrypted too: Postfix was told to send in no other way, and says so.
    assert!(outer.log().contains("TLS connection established to 127.0.0.1[127.0.0.1]"), "{}", outer.log());
    let text = Daemon::metrics(page.parse().unwrap());
    assert!(metric(&text, "relaygate_tls_handshakes_total{outcome=\"ok\"}") >= 1.0);
    assert_eq!(metric(&text, "relaygate_messages_total{outcome=\"accepted\"}"), MESSAGES as f64);
}

/// What postmasters look with: verified, by the name that was asked for.
#[test]
fn posttls_finger_verifies_us() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let inner = Postfix::with_tls(&authority.certify("inner", &["localhost"]));
    let daemon = daemon(&authority, folder.path(), &inner, &format!("127.0.0.1:{}", free_port()));
    let look = |address: SocketAddr, name: &str| {
        // Its own configuration: a machine of tests has none.
        let etc = folder.path().join("etc");
        fs::create_dir_all(&etc).unwrap();
        file(&etc, "main.cf", "compatibility_level = 3.6\n");
        let output = Command::new("posttls-finger")
            .env("MAIL_CONFIG", etc)
            .args(["-c", "-l", "secure", "-L", "summary", "-F", authority.file.to_str().unwrap()])
            .args([&format!("[{}]:{}", address.ip(), address.port()), name])
            .output()
            .expect("posttls-finger is not installed: run `cargo xtask doctor --install`");
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let told = look(daemon.address, "mx.example.test");
    assert!(told.contains("Verified TLS connection established") && told.contains("TLSv1.3"), "{told}");
    let told = look(daemon.address, "elsewhere.example");
    assert!(!told.contains("Verified TLS connection established"), "{told}");
}
