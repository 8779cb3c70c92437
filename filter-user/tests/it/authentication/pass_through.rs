//! AUTH handed through to a backend that a script plays: what is passed on, what is believed, and what happens when the
//! backend fails in the middle.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::base64;
use crate::daemon::Daemon;
use crate::dialogue::Dialogue;

/// A backend that answers each line by a function of it; nothing ends the connection. Gives its address.
fn backend(answer: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = std::sync::Arc::clone(&answer);
            std::thread::spawn(move || serve(stream, &*answer));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: &(dyn Fn(&str) -> Option<&'static str> + Sync)) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let _ = stream.write_all(b"220 backend ESMTP\r\n");
    while let Some(Ok(line)) = lines.next() {
        let said = match line.split(' ').next() {
            Some("EHLO") => {
                Some("250-backend\r\n250 AUTH PLAIN LOGIN SCRAM-SHA-256-PLUS GSSAPI CRAM-MD5\r\n")
            }
            Some("QUIT") => Some("221 bye\r\n"),
            _ => answer(&line),
        };
        let Some(said) = said else { return };
        if stream.write_all(said.as_bytes()).is_err() {
            return;
        }
    }
}

fn daemon(backend: SocketAddr) -> Daemon {
    Daemon::start(&format!(
        "--backend {backend} --backend-client-address none --local-domain example.test --auth backend: --workers 1 \
         --auth-without-tls 127.0.0.0/8 --auth-failure-delay 0s --strike-weight-failed-auth 0 --max-auth-attempts 100"
    ))
}

fn greeted(daemon: &Daemon) -> Dialogue {
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO client.example", "250")]);
    dialogue
}

const RELAY: [(&str, &str); 2] =
    [("MAIL FROM:<user@example.test>", "250"), ("RCPT TO:<someone@elsewhere.example>", "250")];

#[test]
fn what_is_said_is_passed_on_as_it_is_and_the_mail_takes_the_same_connection() {
    let daemon = daemon(backend(|line| match line {
        "AUTH PLAIN AHVzZXIAc2VjcmV0" | "c2VjcmV0" => Some("235 2.7.0 yes\r\n"),
        "AUTH LOGIN" => Some("334 VXNlcm5hbWU6\r\n"),
        "dXNlcg==" => Some("334 UGFzc3dvcmQ6\r\n"),
        line if line.starts_with("AUTH ") => Some("535 5.7.8 no\r\n"),
        _ => Some("250 ok\r\n"),
    }));
    let mut dialogue = Dialogue::open(daemon.address);
    let ehlo = dialogue.say("EHLO client.example");
    assert!(
        ehlo.contains("250-AUTH PLAIN LOGIN\r\n"),
        "no -PLUS, and nothing that does not show a login: {ehlo}"
    );
    let plain = |text: &str| format!("AUTH PLAIN {}", base64(text));
    dialogue.expect(&[(&plain("\0user\0wrong"), "535 5.7.8"), (&plain("\0user\0secret"), "235 2.7.0")]);
    dialogue.expect(&RELAY);
    let mut dialogue = greeted(&daemon);
    dialogue.expect(&[
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        (&base64("user"), "334 UGFzc3dvcmQ6"),
        (&base64("secret"), "235 2.7.0"),
    ]);
    dialogue.expect(&RELAY);
    assert!(!daemon.log().contains(&base64("secret")), "{}", daemon.log());
}

#[test]
fn a_backend_that_cannot_say_is_no_refusal_and_one_that_hangs_up_no_end() {
    let daemon = daemon(backend(|line| match line {
        "AUTH LOGIN" => Some("334 VXNlcm5hbWU6\r\n"),
        "AUTH PLAIN AHVzZXIAbGF0ZXI=" => Some("454 4.7.0 later\r\n"),
        "AUTH PLAIN AHVzZXIAYnVzeQ==" => Some("421 4.3.2 closing\r\n"),
        "AUTH PLAIN AHVzZXIAbm9uc2Vuc2U=" => Some("nonsense\r\n"),
        "AUTH PLAIN AHVzZXIAYmFk" => Some("334 not!base64\r\n"),
        "AUTH PLAIN AHVzZXIAc2VjcmV0" => Some("235 2.7.0 yes\r\n"),
        line if line.starts_with("AUTH ") => Some("535 5.7.8 no\r\n"),
        line if line.starts_with("MAIL ") || line.starts_with("RCPT ") => Some("250 ok\r\n"),
        _ => None,
    }));
    let mut dialogue = greeted(&daemon);
    let plain = |password: &str| format!("AUTH PLAIN {}", base64(&format!("\0user\0{password}")));
    for password in ["later", "busy", "nonsense", "bad"] {
        dialogue.expect(&[(&plain(password), "454 4.7.0")]);
    }
    // It hangs up in the middle of an exchange.
    dialogue.expect(&[("AUTH LOGIN", "334"), (&base64("user"), "454 4.7.0")]);
    // Nobody is named.
    dialogue.expect(&[("AUTH LOGIN", "334"), ("*", "501 5.7.0")]);
    dialogue.expect(&[(&plain("secret"), "235 2.7.0")]);
    dialogue.expect(&RELAY);
    // RSET ends the connection here; on another one the client would be nobody.
    dialogue.expect(&[("RSET", "250"), ("MAIL FROM:<user@example.test>", "250")]);
    let answer = dialogue.say("RCPT TO:<someone@elsewhere.example>");
    assert!(answer.starts_with("451"), "{answer}");
}

#[test]
fn a_backend_that_is_away_is_told_of_as_such() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let daemon = daemon(nobody);
    let mut dialogue = Dialogue::open(daemon.address);
    assert!(!dialogue.say("EHLO client.example").contains("AUTH"));
    dialogue.expect(&[("AUTH PLAIN AHVzZXIAc2VjcmV0", "454 4.7.0"), ("QUIT", "221")]);
}

#[test]
fn nobody_is_believed_to_be_whom_the_backend_was_told_to_act_as() {
    let (heard, hears) = std::sync::mpsc::channel();
    let daemon = daemon(backend(move |line| {
        heard.send(line.to_owned()).unwrap();
        Some(if line == "AUTH PLAIN" { "334 \r\n" } else { "235 2.7.0 yes\r\n" })
    }));
    let as_boss = base64("boss\0mallory\0pw");
    let mut dialogue = greeted(&daemon);
    dialogue.expect(&[(&format!("AUTH PLAIN {as_boss}"), "535 5.7.8")]);
    dialogue.expect(&[("AUTH PLAIN", "334"), (&as_boss, "535 5.7.8")]);
    // A password need not be text, and the login is the one that it is of.
    dialogue.expect(&[("AUTH PLAIN AG1hbGxvcnkAcOQ=", "235 2.7.0")]);
    assert_eq!(hears.try_iter().collect::<Vec<_>>(), ["AUTH PLAIN", "AUTH PLAIN AG1hbGxvcnkAcOQ="]);
    let log = daemon.log();
    assert!(log.contains("mallory") && !log.contains("boss"), "{log}");
}
