//! Authentication over TLS: STARTTLS first, and SCRAM bound to the connection.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::base64;
use crate::authority::Authority;
use crate::daemon::{Daemon, file, relaygate};
use crate::dialogue::Dialogue;

struct Scene {
    daemon: Daemon,
    authority: Authority,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "authority");
        let certified = authority.certify("mx", &["mx.example.test", "127.0.0.1"]);
        let passwords = passwords(folder.path());
        let toml = format!(
            "backend = 'sink:'\nlocal-domain = 'example.test'\nauth = 'file:{}'\n\
             tls-certificate = '{} key={}'\nauth-failure-delay = '0s'\nstrike-weight-failed-auth = 0\n",
            passwords.display(),
            certified.chain.display(),
            certified.key.display()
        );
        let config = file(folder.path(), "relaygate.toml", &toml);
        let daemon = Daemon::start(&format!("--config {}", config.display()));
        Self { daemon, authority, folder }
    }

    fn gsasl(&self, mechanism: &str, password: &str, more: &[&str]) -> Output {
        Command::new("gsasl")
            .args(["--smtp", "--verbose", &format!("--connect={}", self.daemon.address)])
            .arg(format!("--x509-ca-file={}", self.authority.file.display()))
            .args(["--mechanism", mechanism, "--authentication-id", "user", "--password", password])
            .args(more)
            .stdin(Stdio::null())
            .output()
            .expect("gsasl is not installed: run `cargo xtask doctor --install`")
    }
}

/// A file in which `user` has the password `secret`, with a verifier for SCRAM.
fn passwords(folder: &Path) -> std::path::PathBuf {
    use std::io::Write;
    let path = folder.join("passwords");
    let mut child = relaygate()
        .arg("passwd")
        .arg(&path)
        .arg("user")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    assert!(child.wait().unwrap().success());
    path
}

fn said(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn before_tls_no_password_is_asked_for() {
    let scene = Scene::new();
    let mut dialogue = Dialogue::open(scene.daemon.address);
    let ehlo = dialogue.say("EHLO client.example");
    assert!(ehlo.contains("250-STARTTLS") && !ehlo.contains("AUTH"), "{ehlo}");
    let plain = format!("AUTH PLAIN {}", base64("\0user\0secret"));
    dialogue.expect(&[(&plain, "538 5.7.11")]);
}

#[test]
fn scram_is_bound_to_the_tls_connection() {
    let scene = Scene::new();
    // TLS 1.3 has a binding that both sides can make; of TLS 1.2 there is none, so none is offered.
    for (mechanism, more, offered) in [
        ("SCRAM-SHA-256-PLUS", &[][..], true),
        ("SCRAM-SHA-256", &["--no-cb"], true),
        ("SCRAM-SHA-256", &["--no-cb", "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2"], true),
        ("PLAIN", &[], true),
        ("SCRAM-SHA-256-PLUS", &["--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2"], false),
    ] {
        let right = scene.gsasl(mechanism, "secret", more);
        assert_eq!(right.status.success(), offered, "{mechanism} {more:?}: {}", said(&right));
        let wrong = scene.gsasl(mechanism, "wrong", more);
        assert!(!wrong.status.success(), "{mechanism} {more:?}: {}", said(&wrong));
    }
    let log = scene.daemon.log();
    assert!(log.contains("\"mechanism\":\"SCRAM-SHA-256-PLUS\"") && !log.contains("secret"), "{log}");
}

#[test]
fn swaks_and_curl_authenticate_behind_starttls() {
    let scene = Scene::new();
    let (host, port) = (scene.daemon.address.ip().to_string(), scene.daemon.address.port().to_string());
    let message = file(scene.folder.path(), "message", "Subject: hello\r\n\r\nhello\r\n");
    for (password, gets_in) in [("secret", true), ("wrong", false)] {
        for mechanism in ["PLAIN", "LOGIN"] {
            let swaks = Command::new("swaks")
                .args(["--server", &host, "--port", &port, "--ehlo", "client.example", "--tls"])
                .args(["--auth", mechanism, "--auth-user", "user", "--auth-password", password])
                .args(["--from", "user@example.test", "--to", "someone@elsewhere.example"])
                .stdin(Stdio::null())
                .output()
                .expect("swaks is not installed: run `cargo xtask doctor --install`");
            assert_eq!(swaks.status.success(), gets_in, "swaks {mechanism}: {}", said(&swaks));
            let curl = Command::new("curl")
                .args([
                    "--silent",
                    "--show-error",
                    "--ssl-reqd",
                    &format!("smtp://{host}:{port}/client.example"),
                ])
                .arg("--cacert")
                .arg(&scene.authority.file)
                .args(["--mail-from", "user@example.test", "--mail-rcpt", "someone@elsewhere.example"])
                .arg("--upload-file")
                .arg(&message)
                .args([
                    "--login-options",
                    &format!("AUTH={mechanism}"),
                    "--user",
                    &format!("user:{password}"),
                ])
                .stdin(Stdio::null())
                .output()
                .expect("curl is not installed: run `cargo xtask doctor --install`");
            assert_eq!(curl.status.success(), gets_in, "curl {mechanism}: {}", said(&curl));
        }
    }
}
