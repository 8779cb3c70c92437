//! Random octets, cut anywhere: what is said must not depend on how it arrived, and nothing may panic.

use proptest::prelude::*;

use super::*;

/// Words that bring random octets past the first command.
const WORDS: &[&[u8]] = &[
    b"EHLO a\r\n",
    b"MAIL FROM:<a@far.example> SIZE=10\r\n",
    b"MAIL FROM:<>\r\n",
    b"RCPT TO:<a@example.org>\r\n",
    b"RCPT TO:<a@example.org>\r\n",
    b"RCPT TO:<a@far.example>\r\n",
    b"DATA\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"QUIT\r\n",
    b"AUTH PLAIN cmlnaHQ=\r\n",
    b"AUTH PLAIN d3Jvbmc=\r\n",
    b"AUTH LOGIN\r\n",
    b"cmlnaHQ=\r\n",
    b"*\r\n",
    b"STARTTLS\r\n",
    b"XCLIENT ADDR=192.0.2.9 LOGIN=a\r\n",
    b"RCPT TO:<nobody@example.org>\r\n",
    b"\r\n",
    b"\r\n.\r\n",
    b".",
    b"\r",
    b"\n",
    b" ",
    b"<\"@>:",
    b"\x16\x03",
    b"\0",
    &[b'a'; 90],
];

fn chatter() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => proptest::sample::select(WORDS).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..9),
    ];
    let begin =
        prop_oneof![Just(&b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.org>\r\n"[..]), Just(&b""[..])];
    (begin, proptest::collection::vec(word, 0..40))
        .prop_map(|(begin, words)| [begin, &words.concat()].concat())
}

fn offences(session: &mut Session) -> Vec<Offence> {
    std::iter::from_fn(|| session.poll_offence()).collect()
}

/// What may happen to a session, in any order.
#[derive(Clone, Debug)]
enum Event {
    Heard(Vec<u8>),
    Handshake,
    MessageLost,
    Answered(u8),
    Waited(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => chatter().prop_map(Event::Heard),
        2 => Just(Event::Handshake),
        1 => Just(Event::MessageLost),
        1 => any::<u8>().prop_map(Event::Answered),
        1 => (0_u64..400).prop_map(Event::Waited),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn where_the_input_is_cut_changes_nothing(
        octets in chatter(),
        piece in 2_usize..50,
        refuse: bool,
    ) {
        let bare_newline = if refuse { BareNewline::Refuse } else { BareNewline::Normalise };
        let limits = Limits { bare_newline, message_size: 100, errors: 8, ..LIMITS };
        let mut whole = Dialogue::begin(limits);
        whole.hear(&octets);
        let committed = offences(&mut whole.session);
        for size in [1, piece] {
            let mut cut = Dialogue::begin(limits);
            octets.chunks(size).for_each(|piece| cut.hear(piece));
            prop_assert_eq!(cut.said(), whole.said());
            prop_assert_eq!(cut.closed, whole.closed);
            prop_assert_eq!(&cut.messages, &whole.messages);
            prop_assert_eq!(&offences(&mut cut.session), &committed);
        }
    }

    #[test]
    fn random_octets_begin_no_message(octets in proptest::collection::vec(any::<u8>(), 0..4000)) {
        let mut dialogue = Dialogue::begin(LIMITS);
        dialogue.hear(&octets);
        prop_assert!(dialogue.codes().iter().all(|code| *code != "354"));
    }

    #[test]
    fn every_reply_is_whole_lines_of_printable_ascii(octets in chatter()) {
        let mut dialogue = Dialogue::begin(LIMITS);
        dialogue.hear(&octets);
        for line in dialogue.said().split_terminator("\r\n") {
            prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{:?}", line);
            prop_assert!(line[..3].parse::<u16>().is_ok());
        }
    }

    #[test]
    fn nothing_that_happens_in_any_order_panics(events in proptest::collection::vec(event(), 0..12)) {
        let mut dialogue = Dialogue::begin(LIMITS);
        for event in events {
            match event {
                Event::Heard(octets) => dialogue.hear(&octets),
                Event::Handshake => dialogue.handshake(),
                Event::MessageLost => dialogue.session.handle_message_lost(BACKEND_LOST),
                Event::Answered(which) => {
                    let answers = [Answer::Accept, Answer::Refuse(AUTH_FAILED), Answer::Challenge(b"AAAA")];
                    let answer = answers[usize::from(which) % answers.len()];
                    dialogue.session.handle_answer(&dialogue.service, answer, &mut dialogue.said, dialogue.now);
                }
                Event::Waited(seconds) => {
                    dialogue.now += Duration::from_secs(seconds);
                    dialogue.session.handle_timeout(&dialogue.service, &mut dialogue.said, dialogue.now);
                }
            }
        }
        prop_assert!(dialogue.said.is_empty() || dialogue.said.ends_with(b"\r\n"));
    }
}
