//! A crowd against the sink and against servers that are none: how its sessions end, and what is told of them.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;

use super::*;
use crate::sink::{Misbehaviour, Moment, SinkBehaviour, SinkCounts};

/// So many sessions by one script, all due at once.
struct All {
    script: Arc<Script>,
    left: u32,
    ended: Vec<Ended>,
    codes: Vec<u16>,
}

impl All {
    fn of(script: Script, sessions: u32) -> Self {
        Self { script: Arc::new(script), left: sessions, ended: Vec::new(), codes: Vec::new() }
    }

    fn go_to(mut self, target: SocketAddr) -> Self {
        let patience = Duration::from_millis(300);
        let at_most = Duration::from_secs(20);
        let crowd = Crowd { target, at_once: 20, patience, at_most, stop: None };
        crowd.run(&mut self).unwrap();
        self
    }
}

impl Director for All {
    fn next(&mut self, now: Instant) -> Next {
        if self.left == 0 {
            return Next::Nobody;
        }
        self.left -= 1;
        Next::Begin(Arrival { script: self.script.clone(), source: None, due: now, tag: 7 })
    }

    fn heard(&mut self, _tag: usize, code: u16) {
        self.codes.push(code);
    }

    fn ended(&mut self, ended: Ended) {
        assert_eq!(ended.tag, 7);
        self.ended.push(ended);
    }
}

fn serve(behaviour: SinkBehaviour) -> (SocketAddr, Arc<SinkCounts>) {
    crate::sink::tests::serve(behaviour)
}

/// A message of so many octets, to whom the sink may refuse.
fn mail(octets: usize) -> Script {
    let text: Arc<[u8]> = vec![b'x'; octets].into();
    let steps = vec![
        Step::say(1, "EHLO x\r\n").if_granted(),
        Step::say(2, "MAIL FROM:<a@b>\r\n").if_granted(),
        Step::say(3, "RCPT TO:<c@d>\r\n").if_granted(),
        Step::say(4, "DATA\r\n").if_granted(),
        Step::say_some(5, text, octets).if_granted(),
        Step::say(5, "\r\n.\r\n").if_granted(),
        Step::say(6, "QUIT\r\n"),
    ];
    Script::new(steps, (6, 6), 7)
}

#[test]
fn a_message_larger_than_any_socket_buffer_goes_out_whole() {
    let (address, counts) = serve(SinkBehaviour::default());
    let all = All::of(mail(8 << 20), 3).go_to(address);
    assert!(
        all.ended.iter().all(|ended| ended.end == End::Completed && ended.granted == 1),
        "{:?}",
        all.ended
    );
    assert_eq!((counts.messages(), counts.body_bytes()), (3, 3 * ((8 << 20) + 5)));
    assert_eq!(all.codes.iter().filter(|&&code| code == 354).count(), 3);
}

#[test]
fn who_is_refused_says_quit_and_leaves() {
    let refuses = Misbehaviour::Say("550 5.1.1 who".to_owned());
    let (address, counts) = serve(SinkBehaviour::default().misbehaving(Moment::Rcpt, refuses));
    let all = All::of(mail(10), 1).go_to(address);
    let [ended] = &all.ended[..] else { panic!("one session: {:?}", all.ended) };
    assert_eq!((&ended.end, ended.code, ended.granted, ended.replies), (&End::Completed, 550, 0, 5));
    assert_eq!((all.codes, counts.body_bytes()), (vec![220, 250, 250, 550, 221], 0));
}

#[test]
fn what_a_server_does_wrong_is_told() {
    let rows = [
        (Moment::Banner, Misbehaviour::Hang, End::NoAnswer, 0),
        (Moment::Banner, Misbehaviour::Close, End::Closed, 0),
        (Moment::Mail, Misbehaviour::Reset, End::Broken("Connection reset by peer (os error 104)".into()), 2),
        (Moment::Ehlo, Misbehaviour::Garbage, End::NotSmtp, 4),
    ];
    for (moment, how, end, replies) in rows {
        let (address, _) = serve(SinkBehaviour::default().misbehaving(moment, how.clone()));
        let all = All::of(mail(10), 1).go_to(address);
        assert_eq!((&all.ended[0].end, all.ended[0].replies), (&end, replies), "{moment:?} {how:?}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let all = All::of(mail(10), 1).go_to(nobody);
    assert!(matches!(all.ended[0].end, End::CannotConnect(_)), "{:?}", all.ended);
}

#[test]
fn an_early_talker_speaks_before_the_banner() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = heard.clone();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut line = [0; 6];
        socket.read_exact(&mut line).unwrap();
        hears.lock().unwrap().push_str(std::str::from_utf8(&line).unwrap());
        socket.write_all(b"554 5.5.0 too early\r\n").unwrap();
    });
    let all = All::of(Script::new(vec![Step::say(0, "QUIT\r\n")], (1, 1), 2), 1).go_to(target);
    server.join().unwrap();
    assert_eq!(*heard.lock().unwrap(), "QUIT\r\n");
    assert_eq!((&all.ended[0].end, all.ended[0].code), (&End::Closed, 554));
}

#[test]
fn who_only_connects_leaves_after_their_stay() {
    let (address, counts) = serve(SinkBehaviour::default());
    let script = Script { leaves: Leaves::AfterConnecting(Duration::ZERO), ..Script::new(vec![], (1, 1), 0) };
    let all = All::of(script, 100).go_to(address);
    assert!(all.ended.iter().all(|ended| ended.end == End::Completed && ended.connected), "{:?}", all.ended);
    let until = Instant::now() + Duration::from_secs(10);
    while counts.sessions() < 100 && Instant::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(counts.sessions(), 100);
}

#[test]
fn a_pause_is_made_before_each_step() {
    let (address, _) = serve(SinkBehaviour::default());
    let pause = Duration::from_millis(30);
    let steps = vec![Step::say(1, "NOOP\r\n"), Step::say(2, "QUIT\r\n")];
    let all = All::of(Script { pause, ..Script::new(steps, (2, 2), 3) }, 5).go_to(address);
    assert_eq!(all.ended.len(), 5);
    for ended in &all.ended {
        assert!(ended.end == End::Completed && ended.answered >= Some(pause), "{ended:?}");
    }
}
