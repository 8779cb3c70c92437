//! Directories that are slow, broken or lying: whoever asks is told to try later, never yes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use smtp_load::sink::SinkBehaviour;

use super::Site;
use crate::backend_faults::sink;
use crate::dialogue::Dialogue;

/// A server that takes connections and does this with each.
pub(super) fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

/// Reads what is sent, and says this each time.
pub(super) fn always_says(reply: Vec<u8>) -> SocketAddr {
    server(move |mut stream| {
        let mut request = [0; 4096];
        while stream.read(&mut request).is_ok_and(|read| read > 0) && stream.write_all(&reply).is_ok() {}
    })
}

fn with_socketmap(at: SocketAddr) -> Site {
    let (backend, _) = sink(SinkBehaviour::default());
    Site::start(backend, &format!("directory = \"socketmap:inet:{at} name=recipients connections=2\""))
}

#[test]
fn a_socketmap_server_that_breaks_its_protocol_is_never_a_yes() {
    for reply in [
        &b"2:OK,"[..],
        b"11:TEMP locked,",
        b"OK user/",
        b"5:OK x",
        b"4:OK x;",
        b"99999999:OK ",
        b"HTTP/1.0 400 Bad Request\r\n\r\n",
        b"\xff\xfe\x00\x00",
        b"7:MAYBE x,",
        b"",
    ] {
        let site = with_socketmap(always_says(reply.to_vec()));
        site.tells(&[("user@example.test", "451 4.3.0")]);
        assert_eq!(site.metric("relaygate_directory_failures_total"), 1.0, "{reply:?}");
    }
}

#[test]
fn a_directory_that_is_not_there_or_hangs_up_costs_nothing_but_the_answer() {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], crate::daemon::free_port()));
    for at in [nowhere, server(drop)] {
        let site = with_socketmap(at);
        let begun = Instant::now();
        site.tells(&[("user@example.test", "451 4.3.0"), ("other@example.test", "451 4.3.0")]);
        assert!(begun.elapsed() < Duration::from_secs(2), "no time-out has to run out");
    }
}

#[test]
fn a_slow_directory_holds_up_nobody_but_who_asked_and_nobody_for_long() {
    // It reads, and never answers.
    let silent = server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let site = with_socketmap(silent);
    let mut waiting: Vec<Dialogue> = (0..20)
        .map(|number| {
            let mut dialogue = Dialogue::open(site.daemon.address);
            dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
            dialogue.send(format!("RCPT TO:<user{number}@example.test>\r\n"));
            dialogue
        })
        .collect();
    let begun = Instant::now();
    // Who asks nothing of it is served meanwhile, refusals and all.
    site.tells(&[("postmaster@example.test", "250"), ("someone@elsewhere.example", "550 5.7.1")]);
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    for dialogue in &mut waiting {
        let told = dialogue.reply();
        assert!(told.starts_with("451 4.3.0"), "{told}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "directory-timeout is 2s: {:?}", begun.elapsed());
}

#[test]
fn many_who_ask_the_same_at_once_ask_once() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&asked);
    let slow = server(move |mut stream| {
        let mut request = [0; 4096];
        while stream.read(&mut request).is_ok_and(|read| read > 0) {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            // Long enough for all of them to have asked.
            std::thread::sleep(Duration::from_millis(700));
            if stream.write_all(b"4:OK x,").is_err() {
                return;
            }
        }
    });
    let site = with_socketmap(slow);
    let mut waiting: Vec<Dialogue> = (0..10)
        .map(|_| {
            let mut dialogue = Dialogue::open(site.daemon.address);
            dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
            dialogue.send("RCPT TO:<user@example.test>\r\n");
            dialogue
        })
        .collect();
    for dialogue in &mut waiting {
        let told = dialogue.reply();
        assert!(told.starts_with("250"), "{told}");
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn pipelined_commands_are_answered_in_their_order_behind_a_lookup() {
    let site = with_socketmap(always_says(b"9:NOTFOUND ,".to_vec()));
    let mut dialogue = Dialogue::open(site.daemon.address);
    dialogue.expect(&[("EHLO a.example", "250")]);
    dialogue.send(
        "MAIL FROM:<a@far.example>\r\nRCPT TO:<nobody@example.test>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\nRSET\r\nQUIT\r\n",
    );
    let replies: Vec<String> = (0..6).map(|_| dialogue.reply()[..9].to_owned()).collect();
    assert_eq!(replies, ["250 2.1.0", "550 5.1.1", "550 5.7.1", "554 5.5.1", "250 2.0.0", "221 2.0.0"]);
    assert_eq!(site.metric("relaygate_strikes_total{kind=\"unknown_recipient\"}"), 1.0);
}

#[test]
fn a_harvest_of_a_remote_directory_ends_the_session() {
    let (backend, _) = sink(SinkBehaviour::default());
    let at = always_says(b"9:NOTFOUND ,".to_vec());
    let site = Site::start(
        backend,
        &format!("directory = \"socketmap:inet:{at} name=recipients\"\nmax-unknown-recipients = 3"),
    );
    let mut dialogue = Dialogue::open(site.daemon.address);
    dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@far.example>", "250")]);
    let guesses: String = (0..6).map(|number| format!("RCPT TO:<guess{number}@example.test>\r\n")).collect();
    dialogue.send(guesses);
    let replies: Vec<String> =
        std::iter::repeat_with(|| dialogue.reply()).take_while(|reply| !reply.is_empty()).collect();
    let codes: Vec<&str> = replies.iter().map(|reply| &reply[..3]).collect();
    assert_eq!(codes, ["550", "550", "550", "421"], "{replies:?}");
    // Three unknown recipients, and the harvest.
    assert_eq!(site.metric("relaygate_strikes_total{kind=\"unknown_recipient\"}"), 4.0);
}
