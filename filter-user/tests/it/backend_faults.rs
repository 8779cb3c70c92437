//! A backend that is away, silent, garbled or dying: the client is told to try later, never that its message was taken,
//! and nothing half-sent reaches the backend as if it were whole.

use std::net::SocketAddr;
use std::sync::Arc;

use smtp_load::sink::{Misbehaviour, Moment, Sink, SinkBehaviour, SinkCounts};

use crate::daemon::{Daemon, free_port};
use crate::dialogue::Dialogue;

/// A sink in a thread of this test.
pub(crate) fn sink(behaviour: SinkBehaviour) -> (SocketAddr, Arc<SinkCounts>) {
    sink_at(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour)
}

/// The same, at this address.
pub(crate) fn sink_at(address: SocketAddr, behaviour: SinkBehaviour) -> (SocketAddr, Arc<SinkCounts>) {
    let counts = Arc::new(SinkCounts::default());
    let (tell, told) = std::sync::mpsc::channel();
    let counted = Arc::clone(&counts);
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            Sink::serve(listener, behaviour, counted).await.unwrap();
        });
    });
    (told.recv().unwrap(), counts)
}

fn daemon(backend: SocketAddr, flags: &str) -> Daemon {
    Daemon::start(&format!(
        "--backend {backend} --local-domain example.test --backend-dial-timeout 1s --backend-reply-timeout 1s \
         --backend-final-timeout 2s {flags}"
    ))
}

/// Tries to deliver: the first reply that is not positive, and at what.
pub(crate) fn deliver(address: SocketAddr) -> (&'static str, String) {
    let mut dialogue = Dialogue::open(address);
    dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    let reply = dialogue.say("RCPT TO:<user@example.test>");
    if !reply.starts_with('2') {
        return ("RCPT", reply);
    }
    let reply = dialogue.say("DATA");
    if !reply.starts_with("354") {
        return ("DATA", reply);
    }
    let body =
        "a line of the body, long enough to fill some buffers on the way to the backend\r\n".repeat(5000);
    dialogue.send(format!("Subject: hello\r\n\r\n{body}.\r\n"));
    let reply = dialogue.reply();
    // The session goes on in any case.
    dialogue.expect(&[("QUIT", "221")]);
    ("the end of data", reply)
}

#[test]
fn a_backend_that_is_not_there() {
    let daemon = daemon(SocketAddr::from(([127, 0, 0, 1], free_port())), "");
    let (at, reply) = deliver(daemon.address);
    assert_eq!(at, "RCPT");
    assert!(reply.starts_with("451 4.4.1"), "{reply}");
    let nowhere = Daemon::start(
        "--backend no-such-host.invalid:25 --local-domain example.test --backend-dial-timeout 3s",
    );
    assert!(deliver(nowhere.address).1.starts_with("451 4.4.1"));
}

#[test]
fn a_backend_that_misbehaves_at_each_moment() {
    use Misbehaviour::{BareLf, Close, Endless, Garbage, Hang, Reset, Say};
    use Moment::{Banner, Data, Dot, Ehlo, Mail, MidData, Rcpt, Xclient};
    let say = |text: &str| Say(text.to_owned());
    let table = [
        (Banner, Hang, "RCPT", "451 4.4.1"),
        (Banner, Close, "RCPT", "451 4.4.2"),
        (Banner, Garbage, "RCPT", "451 4.4"),
        (Banner, Endless, "RCPT", "451 4.4"),
        (Banner, say("421 4.3.2 too busy"), "RCPT", "451 4.4.1"),
        (Banner, say("554 5.7.1 no service"), "RCPT", "451 4.4.1"),
        (Ehlo, Hang, "RCPT", "451 4.4.1"),
        (Ehlo, Close, "RCPT", "451 4.4.2"),
        (Xclient, say("550 5.7.1 not you"), "RCPT", "451 4.4.1"),
        (Mail, Hang, "RCPT", "451 4.4.1"),
        (Mail, BareLf, "RCPT", "451 4.4"),
        (Mail, say("452 4.3.1 no room"), "RCPT", "452 4.3.1 no room"),
        (Mail, say("354 what"), "RCPT", "451 4.4"),
        (Rcpt, Hang, "RCPT", "451 4.4.1"),
        (Rcpt, Reset, "RCPT", "451 4.4.2"),
        (Rcpt, say("450 4.2.0 greylisted"), "RCPT", "450 4.2.0 greylisted"),
        (Rcpt, say("550 5.1.1 no such user here"), "RCPT", "550 5.1.1 no such user here"),
        (Data, Hang, "DATA", "451 4.4.1"),
        (Data, Close, "DATA", "451 4.4.2"),
        (Data, say("250 2.0.0 what"), "DATA", "451 4.4"),
        // A 250 that nobody asked for is no answer to the dot.
        (Data, say("354 go\r\n250 2.0.0 stray"), "the end of data", "451 4.4"),
        (Data, say("554 5.7.1 not this"), "DATA", "554 5.7.1 not this"),
        (MidData, Close, "the end of data", "451 4.4.2"),
        (MidData, Reset, "the end of data", "451 4.4.2"),
        (MidData, Hang, "the end of data", "451 4.4"),
        (Dot, Hang, "the end of data", "451 4.4.1"),
        (Dot, Close, "the end of data", "451 4.4.2"),
        (Dot, Garbage, "the end of data", "451 4.4"),
        (Dot, Endless, "the end of data", "451 4.4"),
        (Dot, BareLf, "the end of data", "451 4.4"),
        (Dot, say("354 what"), "the end of data", "451 4.4"),
        (Dot, say("452 4.3.1 no room"), "the end of data", "452 4.3.1 no room"),
        (Dot, say("554 5.6.0 spam"), "the end of data", "554 5.6.0 spam"),
    ];
    let mut wrong = Vec::new();
    for (moment, how, at, expected) in table {
        let (backend, counts) = sink(SinkBehaviour::default().misbehaving(moment, how.clone()));
        let daemon = daemon(backend, "");
        let (stopped_at, reply) = deliver(daemon.address);
        if stopped_at != at || !reply.starts_with(expected) {
            wrong.push(format!("{moment:?} {how:?}: {reply:?} at {stopped_at}, not {expected:?} at {at}"));
        }
        if moment != Dot && counts.messages() != 0 {
            wrong.push(format!("{moment:?} {how:?}: the backend took a message"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_client_that_waits_for_a_silent_backend_keeps_nobody_waiting() {
    // It takes connections, by its queue alone, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = Daemon::start(&format!(
        "--backend {} --local-domain example.test --backend-dial-timeout 30s --workers 1 --max-sessions-per-peer 1000",
        silent.local_addr().unwrap()
    ));
    let mut waiting = Dialogue::open(daemon.address);
    waiting.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    waiting.send("RCPT TO:<user@example.test>\r\n");
    let began = std::time::Instant::now();
    let crowd: Vec<_> = (0..400)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&daemon.address.into());
            socket.set_nonblocking(false).unwrap();
            std::net::TcpStream::from(socket)
        })
        .collect();
    for stream in crowd {
        assert!(Dialogue::over(stream).reply().starts_with("220 "));
    }
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(1), "400 banners took {took:?}");
}

#[test]
fn a_client_that_dies_in_the_middle_of_data_leaves_nothing_behind() {
    let (backend, counts) = sink(SinkBehaviour::keeping());
    let daemon = daemon(backend, "");
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.begin_message();
    dialogue.send("Subject: half\r\n\r\nhalf of a message\r\n.");
    drop(dialogue);
    daemon.logged("broken off");
    assert_eq!(deliver(daemon.address).1[..3], *"250");
    assert_eq!(counts.kept().len(), 1, "only the whole message was taken");
}

#[test]
fn what_the_backend_cannot_do_is_not_offered() {
    let (backend, _) = sink(SinkBehaviour::default().without("8BITMIME").without("SMTPUTF8").without("DSN"));
    let daemon = daemon(backend, "");
    let mut dialogue = Dialogue::open(daemon.address);
    let offered = dialogue.say("EHLO a.example");
    assert!(offered.contains("PIPELINING") && offered.contains("SIZE "), "{offered}");
    for hidden in ["8BITMIME", "SMTPUTF8", "DSN", "XCLIENT", "STARTTLS", "AUTH", "CHUNKING"] {
        assert!(!offered.contains(hidden), "{hidden} is offered: {offered}");
    }
    let (backend, _) = sink(SinkBehaviour::default());
    let stranger = self::daemon(backend, "");
    let offered = Dialogue::open(stranger.address).say("EHLO a.example");
    // Delivery notifications of strangers would go to whoever they name as sender.
    assert!(offered.contains("8BITMIME") && !offered.contains("DSN"), "{offered}");
    let daemon = self::daemon(backend, "--relay-network 127.0.0.0/8");
    let offered = Dialogue::open(daemon.address).say("EHLO a.example");
    for shown in ["8BITMIME", "SMTPUTF8", "DSN"] {
        assert!(offered.contains(shown), "{shown} is not offered: {offered}");
    }
}

#[test]
fn the_clients_address_by_xclient_and_by_proxy_protocol() {
    let by_xclient = SinkBehaviour::keeping();
    let by_proxy = SinkBehaviour { proxy_header: true, ..SinkBehaviour::keeping().without("XCLIENT") };
    for (behaviour, flags) in [(by_xclient, ""), (by_proxy, "--backend-client-address proxy")] {
        let (backend, counts) = sink(behaviour);
        let daemon = daemon(backend, flags);
        assert!(deliver(daemon.address).1.starts_with("250"));
        let kept = counts.kept();
        assert_eq!(kept[0].client_address(), Some([127, 0, 0, 1].into()), "{flags}");
        assert_eq!(kept[0].sender(), "a@far.example");
    }
}

#[test]
fn a_message_goes_through_octet_for_octet() {
    let (backend, counts) = sink(SinkBehaviour::keeping());
    let daemon = daemon(backend, "");
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example> BODY=8BITMIME SIZE=100", "250"),
        ("RCPT TO:<user@example.test>", "250"),
        ("DATA", "354"),
    ]);
    let data = b"Subject: octets\r\n\r\n..\r\n..dots\r\n\x80\xff\x00\r\n \r\n";
    dialogue.send(data);
    dialogue.send(b".\r\n");
    assert!(dialogue.reply().starts_with("250"));
    let unstuffed = b"Subject: octets\r\n\r\n.\r\n.dots\r\n\x80\xff\x00\r\n \r\n";
    assert_eq!(counts.kept()[0].body(), unstuffed, "{}", counts.kept()[0].body().escape_ascii());
}
