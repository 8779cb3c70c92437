//! Several backends: the first that is up gets the mail, whatever the others do, until a host has answered MAIL.

use std::net::SocketAddr;

use smtp_load::sink::{Misbehaviour, Moment, SinkBehaviour};

use crate::backend_faults::{deliver, sink};
use crate::daemon::{Daemon, eventually, free_port, metric};

fn daemon(first: SocketAddr, second: SocketAddr, flags: &str) -> Daemon {
    Daemon::start(&format!(
        "--backend {first} --backend {second} --local-domain example.test --backend-dial-timeout 1s \
         --backend-reply-timeout 1s {flags}"
    ))
}

/// Nothing listens there.
fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

#[test]
fn a_host_that_fails_before_it_has_answered_mail_is_made_good_by_the_next() {
    use Misbehaviour::{Close, Garbage, Hang, Say};
    use Moment::{Banner, Data, Ehlo, Mail, Rcpt, Xclient};
    let say = |text: &str| Say(text.to_owned());
    let table = [
        (Banner, Hang, "250"),
        (Banner, Close, "250"),
        (Banner, Garbage, "250"),
        (Banner, say("421 4.3.2 too busy"), "250"),
        (Ehlo, Close, "250"),
        (Xclient, say("550 5.7.1 not you"), "250"),
        (Mail, Close, "250"),
        (Mail, Hang, "250"),
        (Mail, say("421 4.3.2 going down"), "250"),
        // From here on the host has the transaction, and its word, or that it has none, is the word.
        (Mail, say("452 4.3.1 no room"), "452"),
        (Rcpt, Close, "451"),
        (Rcpt, say("550 5.1.1 no such user here"), "550"),
        (Data, Close, "451"),
    ];
    let mut wrong = Vec::new();
    for (moment, how, expected) in table {
        let (first, _) = sink(SinkBehaviour::default().misbehaving(moment, how.clone()));
        let (second, counts) = sink(SinkBehaviour::default());
        let daemon = daemon(first, second, "");
        let (at, reply) = deliver(daemon.address);
        let taken = u64::from(expected == "250");
        if !reply.starts_with(expected) || counts.messages() != taken {
            let messages = counts.messages();
            wrong.push(format!("{moment:?} {how:?}: {reply:?} at {at}; the second took {messages}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_first_has_it_all_while_it_is_up() {
    let ((first, of_first), (second, of_second)) =
        (sink(SinkBehaviour::default()), sink(SinkBehaviour::default()));
    let daemon = daemon(first, second, "");
    for _ in 0..3 {
        assert!(deliver(daemon.address).1.starts_with("250"));
    }
    assert_eq!((of_first.messages(), of_second.messages()), (3, 0));
}

#[test]
fn a_host_that_is_down_is_passed_over_and_told_of_once() {
    let page = format!("127.0.0.1:{}", free_port());
    let (first, (second, counts)) = (nobody(), sink(SinkBehaviour::default()));
    let flags = format!("--backend-probe-interval 20ms --metrics-listen {page}");
    let daemon = daemon(first, second, &flags);
    for _ in 0..3 {
        assert!(deliver(daemon.address).1.starts_with("250"));
    }
    assert_eq!(counts.messages(), 3);
    let page = page.parse().unwrap();
    eventually("the gauges", || {
        let text = Daemon::metrics(page);
        let up = |host: SocketAddr| metric(&text, &format!("relaygate_backend_up{{backend=\"{host}\"}}"));
        // The dial of each session went to the second alone.
        (up(first) == 0.0 && up(second) == 1.0 && metric(&text, "relaygate_backend_dials_total") == 3.0)
            .then_some(())
    });
    let told = daemon.log().matches("backend is down").count();
    assert_eq!(told, 1, "{}", daemon.log());
}

#[test]
fn hosts_that_are_all_down_are_tried_all_the_same() {
    let daemon = daemon(nobody(), nobody(), "--backend-probe-interval 1h");
    daemon.logged("backend is down");
    assert!(deliver(daemon.address).1.starts_with("451 4.4.1"));
    // Nobody has probed meanwhile: the session itself finds out that one is there.
    let late = nobody();
    let daemon = self::daemon(nobody(), late, "--backend-probe-interval 1h");
    let listener = std::net::TcpListener::bind(late).unwrap();
    let banner = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"554 5.3.2 not yet\r\n").unwrap();
    });
    assert!(deliver(daemon.address).1.starts_with("451 4.4.1"));
    banner.join().unwrap();
}

#[test]
fn what_one_of_them_cannot_do_is_not_offered() {
    let (first, _) = sink(SinkBehaviour::default());
    let (second, _) = sink(SinkBehaviour::default().without("SMTPUTF8"));
    let daemon = daemon(first, second, "");
    let offered = crate::dialogue::Dialogue::open(daemon.address).say("EHLO a.example");
    assert!(offered.contains("8BITMIME") && !offered.contains("SMTPUTF8"), "{offered}");
}
