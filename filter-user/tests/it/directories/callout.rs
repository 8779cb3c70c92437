//! A mail server as a directory: a real Postfix that knows its recipients, and servers that answer as none should.

use smtp_load::sink::{Misbehaviour, Moment, SinkBehaviour};

use super::Site;
use crate::backend_faults::sink;
use crate::dialogue::Dialogue;
use crate::postfix::{Postfix, SmtpSink};

#[test]
fn what_postfix_would_take_is_known_and_it_may_come_and_go() {
    let backend = Postfix::proper();
    let mut asked = Postfix::knowing(&["user", "late", "another"]);
    let site = Site::start(backend.address, &format!("directory = \"callout:{}\"", asked.address));
    site.tells(&[
        ("user@example.test", "250 2.1.5"),
        ("USER@example.test", "250 2.1.5"),
        ("nobody@example.test", "550 5.1.1"),
        ("another@example.test", "250 2.1.5"),
    ]);
    // It knows no such domain: that is a rule of its, not a word about the mailbox.
    site.tells(&[("user@other.test", "451 4.3.0")]);
    assert_eq!(site.metric("relaygate_directory_questions_total{kind=\"callout\"}"), 4.0);
    assert_eq!(asked.delivered().len() + asked.queued(), 0, "no mail is ever sent");

    asked.stop();
    site.tells(&[("late@example.test", "451 4.3.0"), ("user@example.test", "250 2.1.5")]);
    asked.start_again();
    site.comes_to_tell("late@example.test", "250 2.1.5");
}

/// With its default settings Postfix undoes a percent hack, and relays for who is in its networks, as we are: it would
/// take the disguised address, and send the mail on.
#[test]
fn a_mail_server_with_the_percent_hack_vouches_for_no_disguised_address() {
    let victim = SmtpSink::start();
    let backend = Postfix::accepting_all(victim.address);
    let disguised = "victim%far.example@example.test";
    let mut straight = Dialogue::open(backend.address);
    straight.expect(&[("EHLO a.example", "250"), ("MAIL FROM:<>", "250")]);
    straight.expect(&[(&format!("RCPT TO:<{disguised}>"), "250")]);
    let site = Site::start(backend.address, &format!("directory = \"callout:{}\"", backend.address));
    site.tells(&[(disguised, "550 5.7.1"), ("far.example!victim@example.test", "550 5.7.1")]);
    assert_eq!(site.metric("relaygate_directory_questions_total{kind=\"callout\"}"), 0.0);
    site.tells(&[("user@example.test", "250 2.1.5")]);
}

#[test]
fn a_harvest_does_not_wear_the_connection_out() {
    let backend = Postfix::proper();
    let asked = Postfix::knowing(&["user"]);
    let site =
        Site::start(backend.address, &format!("directory = \"callout:{} connections=1\"", asked.address));
    // Postfix hangs up on who has erred twenty times, and slows down after ten.
    let begun = std::time::Instant::now();
    for number in 0..60 {
        site.tells(&[(&format!("nobody{number}@example.test"), "550 5.1.1")]);
    }
    site.tells(&[("user@example.test", "250")]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(site.metric("relaygate_directory_failures_total"), 0.0);
}

#[test]
fn a_mail_server_that_misbehaves_is_no_answer() {
    use Misbehaviour::{Close, Garbage, Hang, Say};
    use Moment::{Banner, Ehlo, Mail, Rcpt};
    let say = |text: &str| Say(text.to_owned());
    for (moment, misbehaviour, wanted) in [
        (Banner, Close, "451 4.3.0"),
        (Banner, Garbage, "451 4.3.0"),
        (Banner, Hang, "451 4.3.0"),
        (Banner, say("554 5.7.1 no service for you"), "451 4.3.0"),
        (Ehlo, Garbage, "451 4.3.0"),
        (Ehlo, Close, "451 4.3.0"),
        (Mail, say("550 5.7.1 no mail from <>"), "451 4.3.0"),
        (Mail, say("421 4.3.2 closing"), "451 4.3.0"),
        (Rcpt, say("450 4.2.1 greylisted"), "451 4.3.0"),
        (Rcpt, say("554 5.7.1 access denied"), "451 4.3.0"),
        (Rcpt, say("354 go ahead"), "451 4.3.0"),
        (Rcpt, Garbage, "451 4.3.0"),
        (Rcpt, Close, "451 4.3.0"),
        (Rcpt, say("550 5.1.1 unknown"), "550 5.1.1"),
        (Rcpt, say("550 no such user"), "550 5.1.1"),
    ] {
        let shown = format!("{moment:?} {misbehaviour:?}");
        let (backend, _) = sink(SinkBehaviour::default());
        let (asked, _) = sink(SinkBehaviour::default().misbehaving(moment, misbehaviour));
        let site = Site::start(backend, &format!("directory = \"callout:{asked}\""));
        let told = site.told("user@example.test");
        assert!(told.starts_with(wanted), "{shown}: {told}");
    }
}
