//! Handshakes of a real client: versions, names, kinds of keys, resumption; and what is said under TLS.

use super::Scene;
use super::s_client::{Client, look};
use crate::authority::Wanted;
use crate::daemon::{Daemon, eventually, free_port, metric};
use crate::dialogue::Dialogue;

#[test]
fn starttls_is_offered_once_and_what_was_said_before_it_is_forgotten() {
    let scene = Scene::new("");
    let mut dialogue = Dialogue::open(scene.daemon.address);
    assert!(dialogue.say("EHLO a.example").contains("250-STARTTLS\r\n"));
    let mut client = Client::open(scene.daemon.address, &[]);
    client.expect(&[("MAIL FROM:<a@far.example>", "503")]);
    let offer = client.say("EHLO a.example");
    assert!(!offer.contains("STARTTLS"), "{offer}");
    client.expect(&[
        ("STARTTLS", "503"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<someone@elsewhere.example>", "550 5.7.1"),
        ("RCPT TO:<user@example.test>", "250"),
        ("DATA", "354"),
    ]);
    client.send(format!("Subject: long\r\n\r\n{}.\r\n", "0123456789abcdef\r\n".repeat(100_000)));
    assert!(client.reply().starts_with("250"));
    // A batch in one write, answered in one.
    client.send("RSET\r\nNOOP\r\nMAIL FROM:<>\r\nRCPT TO:<user@example.test>\r\nRSET\r\nQUIT\r\n");
    let replies: Vec<_> = (0..6).map(|_| client.reply()[..3].to_owned()).collect();
    assert_eq!(replies, ["250", "250", "250", "250", "250", "221"]);
    assert_eq!(client.reply(), "");
}

#[test]
fn without_a_certificate_there_is_no_tls() {
    let daemon = Daemon::start("--backend sink: --local-domain example.test");
    let mut dialogue = Dialogue::open(daemon.address);
    assert!(!dialogue.say("EHLO a.example").contains("STARTTLS"));
    dialogue.expect(&[("STARTTLS", "502"), ("QUIT", "221")]);
}

#[test]
fn versions_from_the_oldest_that_is_allowed() {
    let rows: [(&str, &[&str], &str); 5] = [
        ("", &["-tls1_3"], "New, TLSv1.3"),
        ("", &["-tls1_2"], "New, TLSv1.2"),
        ("", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "no peer certificate available"),
        ("--tls-minimum-version 1.3", &["-tls1_3"], "New, TLSv1.3"),
        ("--tls-minimum-version 1.3", &["-tls1_2"], "no peer certificate available"),
    ];
    for (flags, arguments, wanted) in rows {
        let scene = Scene::new(flags);
        let told = look(scene.daemon.address, arguments);
        assert!(told.contains(wanted), "{flags} {arguments:?}: {told}");
    }
}

#[test]
fn the_certificate_is_the_one_that_was_asked_for_and_leads_to_its_authority() {
    let scene = Scene::with(
        |authority| {
            vec![
                authority.certify("first", &["mx.example.test"]),
                authority.certify("second", &["mail.example.org", "*.example.org"]),
                authority.certify_as("by-cn", Wanted { common_name: "old.example.net", ..Wanted::default() }),
            ]
        },
        "",
    );
    let ca = scene.authority.file.to_str().unwrap();
    let rows = [
        ("mx.example.test", "mx.example.test"),
        ("MAIL.example.org", "mail.example.org"),
        ("any.example.org", "mail.example.org"),
        ("deep.any.example.org", "mx.example.test"),
        ("old.example.net", "old.example.net"),
        ("unknown.example", "mx.example.test"),
        ("", "mx.example.test"),
    ];
    for (asked, shown) in rows {
        let name = if asked.is_empty() { vec!["-noservername"] } else { vec!["-servername", asked] };
        let verify = ["-CAfile", ca, "-verify_return_error", "-showcerts"];
        let told = look(scene.daemon.address, &[&name[..], &verify].concat());
        assert!(told.contains("Verify return code: 0 (ok)"), "{asked}: {told}");
        let is_shown =
            names_of(&told).contains(&format!("DNS:{shown}")) || told.contains(&format!("CN = {shown}"));
        assert!(is_shown, "{asked}: {told}");
    }
}

/// The alternative names of the first certificate in what s_client told.
fn names_of(told: &str) -> String {
    use std::io::Write;
    let mut x509 = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-ext", "subjectAltName"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    x509.stdin.take().unwrap().write_all(told.as_bytes()).unwrap();
    String::from_utf8(x509.wait_with_output().unwrap().stdout).unwrap()
}

/// The same name with keys of two kinds: each client gets the one that it can verify.
#[test]
fn a_client_that_knows_rsa_alone_gets_the_rsa_key() {
    let names = ["mx.example.test"];
    let scene = Scene::with(
        |authority| {
            vec![
                authority.certify("ecdsa", &names),
                authority.certify_as("rsa", Wanted { names: &names, rsa: true, ..Wanted::default() }),
            ]
        },
        "",
    );
    let asked = ["-servername", "mx.example.test"];
    for (sigalgs, version, kind) in [
        ("ECDSA+SHA256:RSA-PSS+SHA256", "-tls1_3", "ECDSA"),
        ("RSA-PSS+SHA256", "-tls1_3", "RSA-PSS"),
        ("RSA-PSS+SHA256:RSA+SHA256", "-tls1_2", "RSA"),
    ] {
        let told = look(scene.daemon.address, &[&asked[..], &["-sigalgs", sigalgs, version]].concat());
        assert!(told.contains(&format!("Peer signature type: {kind}")), "{sigalgs} {version}: {told}");
    }
}

#[test]
fn sessions_are_resumed_by_any_worker() {
    let page = format!("127.0.0.1:{}", free_port());
    let scene = Scene::new(&format!("--workers 4 --metrics-listen {page}"));
    let kept = scene.folder.path().join("session");
    let kept = kept.to_str().unwrap();
    let mut resumed = 0;
    for version in ["-tls1_3", "-tls1_2"] {
        let told = look(scene.daemon.address, &[version, "-sess_out", kept]);
        assert!(told.contains("New, TLS"), "{told}");
        for _ in 0..5 {
            let told = look(scene.daemon.address, &[version, "-sess_in", kept]);
            assert!(told.contains("Reused, TLS"), "{told}");
            resumed += 1;
        }
    }
    // By session id, for a client that takes no tickets.
    let told = look(scene.daemon.address, &["-tls1_2", "-no_ticket", "-sess_out", kept]);
    assert!(told.contains("New, TLS"), "{told}");
    let told = look(scene.daemon.address, &["-tls1_2", "-no_ticket", "-sess_in", kept]);
    assert!(told.contains("Reused, TLS"), "{told}");
    resumed += 1;
    let page = page.parse().unwrap();
    eventually("the counts", || {
        let text = Daemon::metrics(page);
        let counts = [
            metric(&text, "relaygate_tls_resumed_total") == f64::from(resumed),
            metric(&text, "relaygate_tls_handshakes_total{outcome=\"ok\"}") == f64::from(resumed + 3),
            metric(&text, "relaygate_tls_sessions_total{version=\"tls1_3\"}") == 6.0,
            metric(&text, "relaygate_tls_sessions_total{version=\"tls1_2\"}") == 8.0,
        ];
        (counts == [true; 4]).then_some(())
    });
}

#[test]
fn swaks_delivers_over_tls() {
    let scene = Scene::new("");
    let output = std::process::Command::new("swaks")
        .args(["--server", &scene.daemon.address.ip().to_string()])
        .args(["--port", &scene.daemon.address.port().to_string(), "--tls", "--tls-verify"])
        .args(["--tls-ca-path", scene.authority.file.to_str().unwrap()])
        .args(["--from", "a@far.example", "--to", "user@example.test", "--helo", "client.example"])
        .output()
        .expect("swaks is not installed: run `cargo xtask doctor --install`");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("TLS started with cipher TLSv1.3"), "{told}");
}
