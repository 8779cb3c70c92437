//! Answers to packets that were forged: whom they reach, how many, how large.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::forger::{Forger, LENGTH, RST, SYN};
use super::{HONEST, OFFENDER, get_blocked, packets, start};
use crate::as_root::site::{SERVER, Site};
use crate::daemon::eventually;

/// How many TCP packets of the edge host's arrive outside with a flag, and the longest of them, until all is quiet.
struct Answers {
    socket: Socket,
}

impl Answers {
    fn listening(site: &Site) -> Self {
        let socket = site.outside.run(|| Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap());
        socket.set_recv_buffer_size(4 << 20).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Self { socket }
    }

    fn take(&mut self, flag: u8) -> (u64, usize) {
        let (mut count, mut longest) = (0, 0);
        let mut packet = [0; 2048];
        loop {
            match self.socket.read(&mut packet) {
                // From the edge host's port, and not what was sent there.
                Ok(length) if packet[20..22] == [0, 25] && packet[33] & flag != 0 => {
                    count += 1;
                    longest = longest.max(length);
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return (count, longest);
                }
                Err(error) => panic!("reading what was answered: {error}"),
            }
        }
    }
}

/// Forged packets under one address, and how long it took to send them.
fn forge(site: &Site, source: &str, flags: u8, count: u16) -> Duration {
    let source = source.parse().unwrap();
    site.outside.run(move || {
        let forger = Forger::new(SERVER.parse().unwrap());
        let began = Instant::now();
        (0..count).for_each(|n| forger.send(source, 2000 + n, flags));
        began.elapsed()
    })
}

/// Twenty thousand forged packets are answered no more than the rate allows, by nothing longer than they are.
fn the_story(action: &str, counter: &str, flag: u8) {
    let site = Site::new();
    // Not in the driver: a veth takes back what XDP sends there only where its other end has an XDP program too.
    let _daemon = start(&site, &format!("--hook xdp-generic --block-action {action} --reply-rate 100/s"));
    get_blocked(&site, OFFENDER);
    let mut answers = Answers::listening(&site);
    // What the offender's session ended with.
    answers.take(flag);
    let sent = packets(&site, counter);
    let took = forge(&site, OFFENDER, SYN, 20_000);
    let (count, longest) = answers.take(flag);
    println!("{count} answers of up to {longest} octets to 20000 packets within {took:?}");
    // A second's worth may come at once, and the rate goes on while they are sent and read.
    let at_most = 120 + (took.as_secs_f64() * 100.0).ceil() as u64;
    assert!(count > 0 && count <= at_most, "{count} answers, at most {at_most}");
    assert!(longest <= LENGTH, "{longest} octets in answer to {LENGTH}");
    eventually("the count of what was sent", || (packets(&site, counter) - sent >= count).then_some(()));
    assert!(packets(&site, "replies_withheld") > 0);

    // A reset is answered by nothing, nor is anything under the address of a peer that is not blocked.
    std::thread::sleep(Duration::from_millis(1100));
    forge(&site, OFFENDER, RST, 100);
    assert_eq!(answers.take(flag), (0, 0), "to resets");
    forge(&site, "192.0.2.200", RST, 100);
    assert_eq!(answers.take(flag), (0, 0), "to unknown peers");
    drop(site.open(HONEST));
}

#[test]
fn resets_are_fewer_than_the_reply_rate_and_no_longer_than_what_they_answer() {
    the_story("reset", "reset_blocked", RST);
}

#[test]
fn tarpit_answers_are_fewer_than_the_reply_rate_and_no_longer_than_what_they_answer() {
    the_story("tarpit", "tarpitted_blocked", SYN);
}
