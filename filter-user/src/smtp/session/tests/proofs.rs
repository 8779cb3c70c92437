//! What must be proved and what is asked about it: bounds of an AUTH exchange to the octet, and answers that no driver
//! should give. The exchanges themselves are transcripts.

use super::*;

/// A session on which AUTH LOGIN has been challenged.
fn challenged(limits: Limits) -> Dialogue {
    let mut dialogue = Dialogue::begin(limits);
    dialogue.hear(b"EHLO a\r\nAUTH LOGIN\r\n");
    dialogue.said.clear();
    dialogue
}

#[test]
fn a_response_may_be_as_long_as_its_limit_and_no_longer() {
    for (len, said) in [(196, "535"), (200, "500 5.5.6"), (3000, "500 5.5.6")] {
        let mut dialogue = challenged(LIMITS);
        dialogue.hear(format!("{}\r\n", "A".repeat(len)).as_bytes());
        assert!(dialogue.said().starts_with(said), "{len}: {}", dialogue.said());
        assert_eq!(dialogue.session.bounds_reached().auth_line, u16::from(len > 198), "{len}");
        dialogue.said.clear();
        dialogue.hear(b"NOOP\r\n");
        assert_eq!(dialogue.codes(), ["250"], "the exchange is over");
    }
}

#[test]
fn a_response_without_an_end_is_given_up() {
    let mut dialogue = challenged(LIMITS);
    let mut heard = 0;
    while dialogue.closed.is_none() {
        dialogue.hear(&[b'A'; 100]);
        heard += 100;
    }
    assert!(heard <= 17 * LIMITS.auth_line, "{heard}");
    assert_eq!(dialogue.said(), "500 5.5.2 line has no end\r\n");
}

#[test]
fn a_challenge_that_is_not_base64_reaches_nobody() {
    for challenge in [&b"no base64"[..], b"AAAA\r\n250 ok", b"A"] {
        let service = service(LIMITS);
        let now = Instant::now();
        let mut out = Vec::new();
        let mut session = Session::new(&service, now);
        session.handle_accept(&service, &mut out, now);
        session.handle_input(&service, b"EHLO a\r\n", &mut out, now);
        session.handle_answer(&service, Answer::Accept, &mut out, now);
        session.handle_input(&service, b"AUTH PLAIN\r\n", &mut out, now);
        out.clear();
        session.handle_answer(&service, Answer::Challenge(challenge), &mut out, now);
        assert_eq!(out, b"454 4.7.0 authentication is not available, try again later\r\n");
    }
}

#[test]
fn an_empty_challenge_keeps_its_space() {
    let mut dialogue = Dialogue::begin(LIMITS);
    dialogue.hear(b"EHLO a\r\n");
    dialogue.said.clear();
    let handled =
        dialogue.session.handle_input(&dialogue.service, b"AUTH PLAIN\r\n", &mut dialogue.said, dialogue.now);
    assert!(matches!(handled.next, Next::Ask(Question::Auth(_))));
    dialogue.session.handle_answer(
        &dialogue.service,
        Answer::Challenge(b""),
        &mut dialogue.said,
        dialogue.now,
    );
    // RFC 4954 section 4 asks for it
    assert_eq!(dialogue.said(), "334 \r\n");
}

#[test]
fn a_challenge_answers_nothing_but_auth() {
    let service = service(LIMITS);
    let now = Instant::now();
    let mut out = Vec::new();
    let mut session = Session::new(&service, now);
    session.handle_accept(&service, &mut out, now);
    session.handle_input(&service, b"EHLO a\r\n", &mut out, now);
    session.handle_answer(&service, Answer::Accept, &mut out, now);
    session.handle_input(&service, b"MAIL FROM:<>\r\n", &mut out, now);
    out.clear();
    session.handle_answer(&service, Answer::Challenge(b"AAAA"), &mut out, now);
    assert!(out.starts_with(b"451 "), "{}", out.escape_ascii());
}

#[test]
fn each_attempt_where_nobody_can_authenticate_is_an_offence() {
    let mut dialogue = Dialogue::begin(LIMITS);
    dialogue.service.offered.auth = AuthOffer::Never;
    dialogue.hear(&b"AUTH PLAIN AGEAYg==\r\n".repeat(5));
    let offences = std::iter::from_fn(|| dialogue.session.poll_offence());
    assert_eq!(offences.collect::<Vec<_>>(), [Offence::AuthNotOffered; 5]);
}

#[test]
fn nothing_that_was_said_before_the_handshake_counts_behind_it() {
    let mut dialogue = Dialogue::begin(LIMITS);
    dialogue.service.offered.auth_first = true;
    dialogue.hear(b"EHLO a\r\nAUTH PLAIN cmlnaHQ=\r\nSTARTTLS\r\n");
    assert_eq!(dialogue.codes(), ["250", "235", "220"]);
    dialogue.handshake();
    dialogue.hear(b"MAIL FROM:<>\r\nEHLO a\r\nMAIL FROM:<>\r\n");
    assert_eq!(dialogue.codes()[3..], ["503", "250", "530"]);
}

#[test]
fn a_handshake_that_nobody_began_changes_nothing() {
    let mut dialogue = Dialogue::begin(LIMITS);
    dialogue.hear(b"EHLO a\r\nMAIL FROM:<>\r\n");
    dialogue.handshake();
    dialogue.hear(b"RCPT TO:<a@example.org>\r\n");
    assert_eq!(dialogue.codes(), ["250", "250", "250"]);
}
