//! TLS of clients for whom somebody else connects: the PROXY header comes before the handshake, XCLIENT before it or
//! behind it. By swaks, which speaks all of them.

use std::process::Command;

use super::Scene;

pub(super) fn swaks(scene: &Scene, recipient: &str, arguments: &[&str]) -> String {
    let output = Command::new("swaks")
        .args(["--server", "127.0.0.1", "--port", &scene.daemon.address.port().to_string()])
        .args(["--from", "a@far.example", "--to", recipient, "--quit-after", "RCPT"])
        .args(arguments)
        .output()
        .expect("swaks is not installed: run `cargo xtask doctor --install`");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_header_comes_before_the_handshake() {
    let headers: [&[&str]; 2] = [
        &["--proxy-version", "1", "--proxy-family", "TCP4"],
        &["--proxy-version", "2", "--proxy-family", "AF_INET"],
    ];
    let addresses = ["--proxy-source-port", "4711", "--proxy-dest", "192.0.2.1", "--proxy-dest-port", "25"];
    for greet_delay in ["0s", "50ms"] {
        let flags = format!("--proxy-protocol-from 127.0.0.1 --greet-delay {greet_delay}");
        for (scene, tls) in [(Scene::implicit(&flags), "--tls-on-connect"), (Scene::new(&flags), "--tls")] {
            for (number, header) in headers.iter().enumerate() {
                let client = format!("198.51.100.{number}");
                let source = ["--proxy-source", client.as_str()];
                let said = swaks(
                    &scene,
                    "victim@elsewhere.example",
                    &[header, addresses.as_slice(), source.as_slice(), &[tls]].concat(),
                );
                // `~` is swaks' mark for what is said under TLS.
                assert!(said.contains("<~* 550 5.7.1"), "{tls}, {header:?}: {said}");
                scene.daemon.logged(&client);
            }
        }
    }
}

#[test]
fn what_a_host_said_of_its_client_in_the_clear_does_not_count_under_tls() {
    let scene = Scene::new("--xclient-from 127.0.0.1");
    let login = ["--tls", "--xclient-addr", "198.51.100.7", "--xclient-login", "user"];
    let relay = |more: &[&str]| swaks(&scene, "victim@elsewhere.example", &[&login, more].concat());
    let under_tls = relay(&[]);
    assert!(under_tls.contains("250 2.1.5"), "{under_tls}");
    let in_the_clear = relay(&["--xclient-before-starttls"]);
    assert!(in_the_clear.contains("550 5.7.1"), "{in_the_clear}");
}
