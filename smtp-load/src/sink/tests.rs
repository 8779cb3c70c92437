//! The sink against a client: what it takes, what it remembers, and that each misbehaviour is what it says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clients::{Connection, ConnectionError, HonestMail};

pub(crate) fn serve(behaviour: SinkBehaviour) -> (SocketAddr, Arc<SinkCounts>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::new(SinkCounts::default());
    let seen = counts.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            Sink::serve(listener, behaviour, counts).await
        })
    });
    (address, seen)
}

fn open(address: SocketAddr) -> Connection {
    let (connection, banner) = Connection::open(address, None, Duration::from_millis(500)).unwrap();
    assert_eq!(banner.code, 220);
    connection
}

/// Sends commands one by one and collects the codes of the answers.
fn codes(connection: &mut Connection, lines: &[&str]) -> Vec<u16> {
    lines.iter().map(|line| connection.command(line).unwrap().code).collect()
}

#[test]
fn takes_a_message_and_remembers_it_to_the_octet() {
    let (address, counts) = serve(SinkBehaviour::keeping());
    let mut client = open(address);
    let ehlo = client.command("EHLO relay.example").unwrap();
    assert!(ehlo.lines.iter().any(|line| line == "XCLIENT NAME ADDR PORT PROTO HELO"), "{ehlo}");
    assert_eq!(client.command("XCLIENT ADDR=IPV6:2001:db8::7 NAME=a+2Bb").unwrap().code, 220);
    assert_eq!(
        codes(&mut client, &["EHLO far.example", "MAIL FROM:<a@far.example> SIZE=9 BODY=8BITMIME"]),
        [250; 2]
    );
    assert_eq!(codes(&mut client, &["RCPT TO:<\"x>y\"@here.example>", "RCPT TO:<c@here.example>"]), [250; 2]);
    assert_eq!(codes(&mut client, &["DATA"]), [354]);
    assert_eq!(client.message(b".dot\r\na\n.\n\xff\0\r\n").unwrap().code, 250);
    assert_eq!(codes(&mut client, &["QUIT"]), [221]);
    let [message] = &counts.kept()[..] else { panic!("one message") };
    assert_eq!(message.client_address(), Some("2001:db8::7".parse().unwrap()));
    assert_eq!(message.xclient["NAME"], "a+b");
    assert_eq!((message.helo.as_str(), message.sender()), ("far.example", "a@far.example"));
    assert_eq!(message.recipient_paths().collect::<Vec<_>>(), ["\"x>y\"@here.example", "c@here.example"]);
    assert_eq!(message.wire_body, b"..dot\r\na\n..\n\xff\0\r\n");
    // the second dot was stuffed by a client that takes LF for a line end; it is not one, so it stays
    assert_eq!(message.body(), b".dot\r\na\n..\n\xff\0\r\n");
    assert_eq!((counts.messages(), counts.sessions()), (1, 1));
}

#[test]
fn pipelined_commands_are_answered_in_one_go_and_in_order() {
    let (address, counts) = serve(SinkBehaviour {
        recipient_replies: vec![("nobody".into(), "550 5.1.1 no such user".into())],
        ..SinkBehaviour::keeping()
    });
    let mut client = open(address);
    client.command("EHLO x").unwrap();
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<nobody@h>\r\nRCPT TO:<b@h>\r\nDATA\r\n").unwrap();
    let codes: Vec<u16> = (0..4).map(|_| client.read_reply().unwrap().code).collect();
    assert_eq!(codes, [250, 550, 250, 354]);
    client.send(b"\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@h>\r\nDATA\r\nRSET\r\nQUIT\r\n").unwrap();
    let codes: Vec<u16> = (0..6).map(|_| client.read_reply().unwrap().code).collect();
    assert_eq!(codes, [250, 250, 550, 554, 250, 221]);
    assert_eq!(counts.kept()[0].wire_body, b"\r\n");
}

#[test]
fn what_was_not_offered_is_refused() {
    let (address, _) = serve(SinkBehaviour::default().without("8BITMIME").without("DSN").without("XCLIENT"));
    let mut client = open(address);
    let ehlo = client.command("EHLO x").unwrap();
    assert!(!ehlo.lines.iter().any(|line| line.starts_with("XCLIENT") || line == "8BITMIME"), "{ehlo}");
    let refused = [
        "MAIL FROM:<a@b> BODY=8BITMIME",
        "MAIL FROM:<a@b> RET=HDRS",
        "XCLIENT ADDR=192.0.2.1",
        "RCPT TO:<a@b>",
        "DATA",
        "VRFY a",
    ];
    assert_eq!(codes(&mut client, &refused), [555, 555, 501, 503, 503, 500]);
    assert_eq!(codes(&mut client, &["MAIL FROM:<a@b> SMTPUTF8", "MAIL FROM:<a@b>"]), [250, 503]);
}

#[test]
fn a_proxy_header_tells_the_client() {
    use std::io::Write as _;
    let (address, counts) = serve(SinkBehaviour { proxy_header: true, ..SinkBehaviour::keeping() });
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let header =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 7, 127, 0, 0, 1, 0, 99, 0, 25]].concat();
    socket.write_all(&header).unwrap();
    socket.write_all(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.\r\nQUIT\r\n").unwrap();
    std::io::copy(&mut socket, &mut std::io::sink()).unwrap();
    assert_eq!(counts.kept()[0].client_address(), Some("192.0.2.7".parse().unwrap()));
    let (_, banner) = {
        let mut bare = std::net::TcpStream::connect(address).unwrap();
        bare.write_all(b"EHLO abcde\r\n").unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(&mut bare, &mut said).map(|_| ((), said)).unwrap()
    };
    assert!(banner.starts_with("421 "), "{banner}");
}

#[test]
fn each_misbehaviour_is_what_it_says() {
    use Misbehaviour::*;
    use Moment::*;
    let rows: [(Moment, Misbehaviour, &str); 15] = [
        (Banner, Hang, "waiting for a reply"),
        (Banner, Close, "the server closed the connection"),
        (Banner, Reset, "reset"),
        (Banner, Say("421 4.3.2 not now".into()), "the connection was answered with 421 4.3.2 not now"),
        (Ehlo, Garbage, "no SMTP reply"),
        (Ehlo, Endless, "no SMTP reply"),
        (Mail, Hang, "waiting for a reply"),
        (Mail, Say("452 4.2.2 full".into()), "MAIL was answered with 452"),
        (Rcpt, Say("550 5.1.1 who".into()), "RCPT was answered with 550"),
        (Rcpt, Close, "the server closed the connection"),
        (Data, Say("451 4.3.0 no".into()), "DATA was answered with 451"),
        (Dot, Say("554 5.6.0 no".into()), "the message was answered with 554"),
        (Dot, Close, "the server closed the connection"),
        (Dot, Hang, "waiting for a reply"),
        (Dot, Reset, "reset"),
    ];
    for (moment, how, expected) in rows {
        let (address, counts) = serve(SinkBehaviour::keeping().misbehaving(moment, how.clone()));
        let outcome = HonestMail { patience: Duration::from_millis(300), ..one_message(address) }.send();
        assert_eq!(outcome.delivered, 0, "{moment:?} {how:?}");
        assert!(outcome.errors[0].contains(expected), "{moment:?} {how:?}: {:?}", outcome.errors);
        let lost_after_taking = matches!((moment, &how), (Dot, Say(_) | Close | Hang | Reset));
        assert_eq!(counts.messages(), 0, "{moment:?} {how:?}");
        assert_eq!(counts.body_bytes() > 0, lost_after_taking, "{moment:?} {how:?}");
    }
}

#[test]
fn bare_lf_replies_and_a_close_in_mid_data() {
    let (address, counts) = serve(SinkBehaviour::keeping().misbehaving(Moment::Ehlo, Misbehaviour::BareLf));
    assert_eq!(one_message(address).send().delivered, 1, "our client is lenient");
    assert_eq!(counts.messages(), 1);
    let (address, counts) = serve(SinkBehaviour::keeping().misbehaving(Moment::MidData, Misbehaviour::Close));
    let mut client = open(address);
    for line in ["EHLO x", "MAIL FROM:<>", "RCPT TO:<a@b>", "DATA"] {
        assert!(client.command(line).unwrap().is_positive());
    }
    client.send(b"some of it\r\n").unwrap();
    assert!(matches!(client.read_reply(), Err(ConnectionError::Closed)));
    assert_eq!((counts.messages(), counts.kept().len()), (0, 0));
}

fn one_message(target: SocketAddr) -> HonestMail {
    HonestMail {
        target,
        source: None,
        sender: "someone@far.example".into(),
        recipient: "user@here.example".into(),
        messages: 1,
        body: 1000,
        pause: Duration::ZERO,
        patience: Duration::from_secs(5),
    }
}
