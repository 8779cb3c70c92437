//! The article's server against the demo's own clients: what it takes, and whom it troubles.

use std::time::Instant;

use super::*;
use crate::clients::{HonestMail, SpamRun};

fn listener() -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A victim's sink and the server, on a thread of their own.
fn serve(spool: Option<PathBuf>) -> (SocketAddr, Arc<KbCounts>, Arc<SinkCounts>) {
    let ((victim, report_route), (listener, address)) = (listener(), listener());
    let (counts, victims) = (Arc::new(KbCounts::default()), Arc::new(SinkCounts::default()));
    let (kb_counts, victim_counts) = (counts.clone(), victims.clone());
    let server = KbServer {
        domain: "example.test".into(),
        mailboxes: vec!["user".into()],
        report_route,
        spool,
        patience: Duration::from_secs(5),
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let victim = TcpListener::from_std(victim).unwrap();
            let listener = TcpListener::from_std(listener).unwrap();
            tokio::try_join!(
                Sink::serve(victim, SinkBehaviour::keeping(), victim_counts),
                server.serve(listener, kb_counts)
            )
        })
    });
    (address, counts, victims)
}

fn settled(counts: &KbCounts) -> KbSnapshot {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let snapshot = counts.snapshot();
        if snapshot.waiting == 0 {
            return snapshot;
        }
        assert!(Instant::now() < end, "{snapshot:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_takes_everything_and_troubles_the_forged_sender_with_the_whole_of_it() {
    let spool = tempfile::tempdir().unwrap();
    let (address, counts, victims) = serve(Some(spool.path().to_owned()));
    let run = SpamRun {
        target: address,
        source: None,
        forged_sender: "victim@victim.example".into(),
        recipient_domain: "example.test".into(),
        messages: 25,
        at_once: 4,
        body: 3000,
        patience: Duration::from_secs(5),
        at_most: Duration::from_secs(30),
    };
    let outcome = run.send(&AtomicU64::new(0));
    assert_eq!((outcome.accepted, outcome.refused, outcome.unanswered), (25, 0, 0), "{outcome:?}");
    let snapshot = settled(&counts);
    assert_eq!((snapshot.messages_taken, snapshot.reports_sent, snapshot.reports_failed), (25, 25, 0));
    assert_eq!((snapshot.delivered, snapshot.sessions), (0, 25));
    assert!(snapshot.report_bytes > snapshot.body_bytes, "the body is in the report: {snapshot:?}");
    let reports = victims.kept();
    assert_eq!(reports.len(), 25);
    for report in reports {
        assert_eq!((report.sender(), report.recipients[0].as_str()), ("", "<victim@victim.example>"));
        let text = String::from_utf8(report.body()).unwrap();
        assert!(text.contains("\r\nSubject: offer ") && text.contains("All work and no play"), "{text}");
    }
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0, "the spool is empty again");
}

#[test]
fn it_delivers_to_its_mailboxes_and_reports_on_no_report() {
    let (address, counts, victims) = serve(None);
    let honest = HonestMail {
        target: address,
        source: None,
        sender: "friend@far.example".into(),
        recipient: "User@Example.Test".into(),
        messages: 3,
        body: 100,
        pause: Duration::ZERO,
        patience: Duration::from_secs(5),
    };
    assert_eq!(honest.send().delivered, 3);
    let null = HonestMail { sender: String::new(), recipient: "nobody@example.test".into(), ..honest };
    assert_eq!(null.send().delivered, 3);
    let snapshot = settled(&counts);
    assert_eq!((snapshot.delivered, snapshot.messages_taken, snapshot.reports_sent), (3, 6, 0));
    assert_eq!(victims.messages(), 0);
}
