//! KB Q255695 itself: a server that takes everything and bounces later relays for spammers, who put their victim into
//! MAIL FROM. Straight to it the victim gets the non-delivery report; through relaygate nobody gets anything.

use std::time::Duration;

use crate::daemon::{Daemon, eventually, file};
use crate::dialogue::Dialogue;
use crate::postfix::{Postfix, SmtpSink};

const SPAM: &str = "Subject: buy now\r\n\r\nthe-spam-itself\r\n.\r\n";

/// Sends the spam to a server, as far as it gets: the reply to RCPT.
fn send_spam(dialogue: &mut Dialogue) -> String {
    dialogue.expect(&[("EHLO spammer.example", "250"), ("MAIL FROM:<victim@victim.example>", "250")]);
    let answer = dialogue.say("RCPT TO:<nosuchuser@example.test>");
    if answer.starts_with("250") {
        dialogue.expect(&[("DATA", "354")]);
        dialogue.send(SPAM);
        assert!(dialogue.reply().starts_with("250"), "the server that takes everything takes it");
    }
    answer
}

/// The non-delivery reports that reached the victim.
fn reports(victim: &SmtpSink) -> usize {
    victim.messages().iter().filter(|message| message.contains("the-spam-itself")).count()
}

#[test]
fn a_forged_sender_gets_no_report_in_either_setting_of_reroute() {
    let victim = SmtpSink::start();
    let postfix = Postfix::accepting_all(victim.address);

    let answer = send_spam(&mut Dialogue::open(postfix.address));
    assert!(answer.starts_with("250"), "{answer}");
    eventually("the report to the victim", || (reports(&victim) == 1).then_some(()));

    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "root\n");
    for reroute in ["true", "false"] {
        let daemon = Daemon::start(&format!(
            "--backend {} --local-domain example.test --mailboxes {} --reroute {reroute}",
            postfix.address,
            mailboxes.display()
        ));
        let mut dialogue = Dialogue::open(daemon.address);
        let answer = send_spam(&mut dialogue);
        assert!(answer.starts_with("550 5.1.1 "), "reroute = {reroute}: {answer}");
        // The same through a relay attempt, and through every disguise of one.
        for recipient in [
            "someone@elsewhere.example",
            "someone%elsewhere.example@example.test",
            "elsewhere.example!someone@example.test",
            "\"someone@elsewhere.example\"@example.test",
            "IMCEASMTP-someone+40elsewhere+2Eexample@example.test",
            "@example.test:someone@elsewhere.example",
        ] {
            let answer = dialogue.say(&format!("RCPT TO:<{recipient}>"));
            assert_eq!(answer, "550 5.7.1 relaying is prohibited\r\n", "reroute = {reroute}: {recipient}");
        }
        assert!(dialogue.say("DATA").starts_with('5'), "there is nobody to send to");
        daemon.stop();
    }
    // Postfix bounced the first within the time of one; give another as long again.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((reports(&victim), postfix.queued()), (1, 0), "the only report is the one of the direct way");
}

#[test]
fn client_networks_relay_and_outsiders_do_not() {
    let elsewhere = SmtpSink::start();
    let postfix = Postfix::accepting_all(elsewhere.address);
    let daemon = Daemon::start(&format!(
        "--backend {} --local-domain example.test --relay-network 127.0.0.0/30",
        postfix.address
    ));

    let mut listed = Dialogue::open(daemon.address);
    listed.expect(&[
        ("EHLO client.example.test", "250"),
        ("MAIL FROM:<colleague@example.test>", "250"),
        ("RCPT TO:<someone@elsewhere.example>", "250"),
        ("DATA", "354"),
    ]);
    listed.send("Subject: hello\r\n\r\nan honest message\r\n.\r\n");
    assert!(listed.reply().starts_with("250"));
    eventually("the message elsewhere", || {
        elsewhere.messages().iter().any(|message| message.contains("an honest message")).then_some(())
    });

    let mut outsider = Dialogue::over(connect_from("127.0.0.9", daemon.address));
    assert!(outsider.reply().starts_with("220"));
    outsider.expect(&[("EHLO outsider.example", "250"), ("MAIL FROM:<colleague@example.test>", "250")]);
    assert_eq!(outsider.say("RCPT TO:<someone@elsewhere.example>"), "550 5.7.1 relaying is prohibited\r\n");
}

#[test]
fn the_never_list_wins_over_client_networks_and_still_gets_mail_in() {
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = file(folder.path(), "mailboxes", "user\n");
    let postfix = Postfix::proper();
    let daemon = Daemon::start(&format!(
        "--backend {} --local-domain example.test --mailboxes {} --relay-network 127.0.0.0/8 --never-relay 127.0.0.1",
        postfix.address,
        mailboxes.display()
    ));
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<a@a.example>", "250")]);
    assert_eq!(dialogue.say("RCPT TO:<x@elsewhere.example>"), "550 5.7.1 relaying is prohibited\r\n");
    dialogue.expect(&[("RCPT TO:<user@example.test>", "250"), ("DATA", "354")]);
    dialogue.send("Subject: to a local user\r\n\r\nhello\r\n.\r\n");
    assert!(dialogue.reply().starts_with("250"));
    eventually("the delivery", || (postfix.delivered().len() == 1).then_some(()));
}

/// A connection from another of this host's loopback addresses.
fn connect_from(source: &str, to: std::net::SocketAddr) -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let source: std::net::IpAddr = source.parse().unwrap();
    socket.bind(&std::net::SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}
