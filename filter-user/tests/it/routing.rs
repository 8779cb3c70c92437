//! The routing table over TCP: each recipient goes where its row says, one message to one destination, and no row may lead
//! back to relaygate.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use smtp_load::sink::{SinkBehaviour, SinkCounts};

use crate::backend_faults::sink;
use crate::daemon::{Daemon, file, free_port, relaygate};
use crate::dialogue::Dialogue;

/// A relaygate with this configuration file behind its own first lines.
fn daemon(folder: &Path, backend: SocketAddr, rows: &[String]) -> Daemon {
    let rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
    let text =
        format!("backend = \"{backend}\"\nlocal-domain = \"example.test\"\nroute = [{}]\n", rows.join(", "));
    let config = file(folder, "relaygate.toml", &text);
    Daemon::start(&format!("--config {} --relay-network 127.0.0.2", config.display()))
}

fn keeping() -> (SocketAddr, Arc<SinkCounts>) {
    sink(SinkBehaviour::keeping())
}

/// Whom each kept message was for.
fn recipients(counts: &SinkCounts) -> Vec<String> {
    let kept = counts.kept();
    kept.iter().map(|message| message.recipient_paths().collect::<Vec<_>>().join(" ")).collect()
}

fn send_message(dialogue: &mut Dialogue) {
    dialogue.expect(&[("DATA", "354")]);
    dialogue.send("Subject: routed\r\n\r\nhello\r\n.\r\n");
    let reply = dialogue.reply();
    assert!(reply.starts_with("250"), "{reply}");
}

#[test]
fn recipients_of_two_backends_in_one_message_are_sent_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let ((first, of_first), (second, of_second)) = (keeping(), keeping());
    let daemon = daemon(folder.path(), first, &[format!("example.net = inbound {second}")]);
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<one@example.test>", "250"),
        ("RCPT TO:<two@example.net>", "451 4.5.3"),
        ("RCPT TO:<three@example.test>", "250"),
        ("RCPT TO:<four@sub.example.net>", "451 4.5.3"),
    ]);
    send_message(&mut dialogue);
    // As every queue does: again, those that were put off.
    dialogue.expect(&[
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<two@example.net>", "250"),
        ("RCPT TO:<one@example.test>", "451 4.5.3"),
        ("RCPT TO:<four@sub.example.net>", "250"),
    ]);
    send_message(&mut dialogue);
    dialogue.expect(&[("MAIL FROM:<>", "250"), ("RCPT TO:<postmaster>", "250")]);
    send_message(&mut dialogue);
    assert_eq!(recipients(&of_first), ["one@example.test three@example.test", "postmaster"]);
    assert_eq!(recipients(&of_second), ["two@example.net four@sub.example.net"]);
}

#[test]
fn a_recipient_that_was_not_accepted_has_chosen_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut picky = SinkBehaviour::keeping();
    picky.recipient_replies.push(("nobody@".to_owned(), "550 5.1.1 no such user here".to_owned()));
    let ((first, of_first), (second, of_second)) = (sink(picky), keeping());
    let gone = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let rows = [format!("example.net = inbound {second}"), format!("gone.example = inbound {gone}")];
    let daemon = daemon(folder.path(), first, &rows);
    let mut dialogue = Dialogue::open(daemon.address);
    dialogue.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<nobody@example.test>", "550 5.1.1"),
        ("RCPT TO:<user@gone.example>", "451 4.4.1"),
        ("RCPT TO:<user@example.net>", "250"),
        ("RCPT TO:<user@gone.example>", "451 4.5.3"),
        ("RCPT TO:<user@example.test>", "451 4.5.3"),
    ]);
    send_message(&mut dialogue);
    assert_eq!((of_first.messages(), recipients(&of_second)), (0, vec!["user@example.net".to_owned()]));
}

#[test]
fn rows_relay_answer_and_hide_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let ((backend, of_backend), (host, of_host)) = (keeping(), keeping());
    let rows = [
        format!("far.example = host {host}"),
        "#gone.example = reply 550 5.1.10 gone.example takes no mail any more".to_owned(),
    ];
    let daemon = daemon(folder.path(), backend, &rows);
    let mut stranger = Dialogue::open(daemon.address);
    stranger.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<user@far.example>", "550 5.7.1"),
        ("RCPT TO:<user@gone.example>", "550 5.1.10 gone.example takes no mail any more"),
    ]);
    let mut client = Dialogue::from([127, 0, 0, 2].into(), daemon.address);
    client.expect(&[
        ("EHLO client.example", "250"),
        ("MAIL FROM:<a@a.example>", "250"),
        ("RCPT TO:<user@gone.example>", "550 5.1.10"),
        ("RCPT TO:<user@far.example>", "250"),
        ("RCPT TO:<user@elsewhere.example>", "451 4.5.3"),
    ]);
    send_message(&mut client);
    client.expect(&[("MAIL FROM:<a@a.example>", "250"), ("RCPT TO:<user@elsewhere.example>", "250")]);
    send_message(&mut client);
    let (relayed, ours) = (&of_host.kept()[0], &of_backend.kept()[0]);
    // A host that is not ours is not told who the client is: it hears our own name.
    assert_eq!((relayed.client_address(), relayed.helo.as_str() == "client.example"), (None, false));
    assert_eq!((ours.client_address(), ours.helo.as_str()), (Some([127, 0, 0, 2].into()), "client.example"));
}

#[test]
fn what_is_offered_is_what_every_backend_of_ours_can_do() {
    let folder = tempfile::tempdir().unwrap();
    let (backend, _) = sink(SinkBehaviour::default());
    let (less, _) = sink(SinkBehaviour::default().without("SMTPUTF8"));
    let (host, _) = sink(SinkBehaviour::default().without("8BITMIME"));
    let rows = [format!("example.net = inbound {less}"), format!("far.example = host {host}")];
    let daemon = daemon(folder.path(), backend, &rows);
    let offered = Dialogue::open(daemon.address).say("EHLO a.example");
    assert!(offered.contains("8BITMIME") && !offered.contains("SMTPUTF8"), "{offered}");
    // What a relay host cannot do is said where it matters.
    let mut client = Dialogue::from([127, 0, 0, 2].into(), daemon.address);
    client.expect(&[
        ("EHLO client.example", "250"),
        ("MAIL FROM:<a@a.example> BODY=8BITMIME", "250"),
        ("RCPT TO:<user@far.example>", "554 5.6.3"),
        ("RCPT TO:<user@example.net>", "250"),
    ]);
}

#[test]
fn a_way_back_to_relaygate_is_an_error_at_check_and_at_the_start() {
    let port = free_port();
    let mail = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let rows = [
        (format!("127.0.0.1:{port}"), format!("--backend 127.0.0.1:{port}"), true),
        (format!("127.0.0.1:{port}"), format!("--backend {mail} --backend localhost:{port}"), true),
        (format!("0.0.0.0:{port}"), format!("--backend 127.3.2.1:{port}"), true),
        (format!("127.0.0.1:{port}"), format!("--backend {mail} --route *=host\u{a0}127.0.0.1:{port}"), true),
        (
            format!("0.0.0.0:{port}"),
            format!("--backend {mail} --route a.example=inbound\u{a0}127.0.0.1:{port}"),
            true,
        ),
        (format!("127.0.0.2:{port}"), format!("--backend 127.0.0.1:{port}"), false),
        (format!("127.0.0.1:{port}"), format!("--backend {mail}"), false),
    ];
    for (listen, flags, is_loop) in rows {
        let flags: Vec<_> = flags.split(' ').map(|flag| flag.replace('\u{a0}', " ")).collect();
        for command in ["check", "run"] {
            if command == "run" && !is_loop {
                continue;
            }
            let output = relaygate().args([command, "--listen", &listen]).args(&flags).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(if is_loop { 2 } else { 0 }),
                "{command} {flags:?}: {said}"
            );
            assert_eq!(said.contains("in circles"), is_loop, "{command} {flags:?}: {said}");
        }
    }
}

#[test]
fn credentials_that_cannot_be_used_are_an_error_at_check() {
    let folder = tempfile::tempdir().unwrap();
    let credentials = file(folder.path(), "credentials", "one line");
    let row = format!("* = host mail.example tls=encrypt credentials={}", credentials.display());
    let check = || {
        let output = relaygate().args(["check", "--backend", "sink:", "--route", &row]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // As the umask of most systems makes it.
    set_mode(&credentials, 0o644);
    let (code, said) = check();
    assert!(code == Some(2) && said.contains("everybody on this host can read"), "{said}");
    set_mode(&credentials, 0o600);
    let (code, said) = check();
    assert!(code == Some(2) && said.contains("two lines"), "{said}");
    std::fs::write(&credentials, "login\nsecret\n").unwrap();
    let (code, said) = check();
    assert!(code == Some(0) && !said.contains("secret"), "{said}");
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_examples_of_the_page_are_configurations() {
    let page = include_str!("../../../docs/routing.md");
    let examples: Vec<_> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    let text = examples.concat();
    let config = filter_user::config::Config::from_toml(Path::new("routing.md"), &text).unwrap();
    assert_eq!((config.backend.hosts.len(), config.routing.routes.len()), (2, 5));
}
