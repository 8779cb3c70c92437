//! What happens is counted, on the page that operators scrape.

use crate::daemon::{Daemon, eventually, free_port, metric};
use crate::dialogue::Dialogue;

#[test]
fn what_happens_is_counted() {
    let page = format!("127.0.0.1:{}", free_port());
    let daemon = Daemon::start(&format!(
        "--backend sink: --local-domain example.test --metrics-listen {page} --max-recipients 1 \
         --max-message-size 65536 --strikes-to-limit 2"
    ));
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example> SIZE=1000000", "552"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<someone@elsewhere.example>", "550"),
        ("RCPT TO:<someone%elsewhere.example@example.test>", "550"),
        ("RCPT TO:<user@example.test>", "250"),
        ("RCPT TO:<another@example.test>", "452"),
        ("DATA", "354"),
    ]);
    dialogue.send("Subject: counted\r\n\r\nhello\r\n.\r\n");
    assert!(dialogue.reply().starts_with("250"));
    dialogue.expect(&[
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<user@example.test>", "250"),
        ("DATA", "354"),
    ]);
    dialogue.send(format!("Subject: too big\r\n\r\n{}.\r\n", "0123456789\r\n".repeat(10_000)));
    assert!(dialogue.reply().starts_with("552"));
    dialogue.expect(&[("QUIT", "221")]);
    assert_eq!(dialogue.rest(), b"");

    let expected = [
        ("relaygate_sessions_accepted_total", 1.0),
        ("relaygate_sessions_ended_total{reason=\"quit\"}", 1.0),
        ("relaygate_recipients_total{outcome=\"prohibited\"}", 1.0),
        ("relaygate_recipients_total{outcome=\"disguised\"}", 1.0),
        ("relaygate_recipients_total{outcome=\"routed\"}", 2.0),
        ("relaygate_messages_total{outcome=\"accepted\"}", 1.0),
        ("relaygate_messages_total{outcome=\"refused\"}", 1.0),
        ("relaygate_bounds_reached_total{bound=\"max_recipients\"}", 1.0),
        ("relaygate_bounds_reached_total{bound=\"max_message_size\"}", 2.0),
        ("relaygate_strikes_total", 2.0),
        ("relaygate_sanctions_total{kind=\"limited\"}", 1.0),
        ("relaygate_sessions_open", 0.0),
        ("relaygate_peers", 1.0),
    ];
    let page: std::net::SocketAddr = page.parse().unwrap();
    eventually("the counts", || {
        let text = Daemon::metrics(page);
        let wrong: Vec<_> =
            expected.iter().filter(|(series, value)| metric(&text, series) != *value).collect();
        if !wrong.is_empty() {
            eprintln!("not yet: {wrong:?}");
        }
        wrong.is_empty().then_some(())
    });
}
