//! Dropped packets of one peer, sent to who asks as they are captured, until there are as many as were asked for, the time
//! is over, or nobody listens any more. Captures nothing itself.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout_at};

use super::request::{Nothing, Reply};
use super::socket::say;

/// Packets of one capture at most.
pub const MOST_PACKETS: u64 = 100_000;
/// How long one lasts at most.
pub const LONGEST_CAPTURE: Duration = Duration::from_secs(3600);

/// What is to be captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capturing {
    /// Whose packets: an address of the peer, or the network that it is.
    pub peer: String,
    /// How many at most.
    pub count: u64,
    /// For how long.
    pub seconds: u64,
    /// One of how many that are dropped.
    pub one_of: u64,
}

impl Capturing {
    /// What of it is beyond the bounds.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let longest = LONGEST_CAPTURE.as_secs();
        if !(1..=MOST_PACKETS).contains(&self.count) {
            return Some(format!("count is from 1 to {MOST_PACKETS}"));
        }
        if !(1..=longest).contains(&self.seconds) {
            return Some(format!("seconds are from 1 to {longest}"));
        }
        (self.one_of == 0).then(|| "one_of is from 1".to_owned())
    }
}

/// A packet that was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedPacket {
    /// When, in nanoseconds of Unix time.
    pub at: u64,
    /// How many octets the frame had.
    pub length: u32,
    /// The beginning of the frame, in base64.
    pub octets: String,
}

/// How a capture has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureEnd {
    /// How many packets were sent.
    pub packets: u64,
    /// Why no more come.
    pub reason: String,
}

/// Sends what is captured. Whoever goes away, or says anything, has ended it.
pub(super) async fn relay(
    mut stream: UnixStream,
    asked: &Capturing,
    mut captured: Receiver<CapturedPacket>,
) -> io::Result<UnixStream> {
    stream = say(stream, &Reply::Capturing(Nothing {})).await?;
    let until = Instant::now() + Duration::from_secs(asked.seconds);
    let mut packets = 0;
    let reason = loop {
        if packets == asked.count {
            break "there are as many as were asked for";
        }
        let next = async {
            tokio::select! {
                packet = captured.recv() => packet,
                _ = stream.read_u8() => None,
            }
        };
        match timeout_at(until, next).await {
            Ok(Some(packet)) => {
                stream = say(stream, &Reply::Captured(Box::new(packet))).await?;
                packets += 1;
            }
            Ok(None) => break "it was ended",
            Err(_) => break "the time is over",
        }
    };
    drop(captured);
    say(stream, &Reply::CaptureOver(CaptureEnd { packets, reason: reason.to_owned() })).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Capturing {
        Capturing { peer: "192.0.2.7".to_owned(), count: 2, seconds: 60, one_of: 1 }
    }

    fn packet(at: u64) -> CapturedPacket {
        CapturedPacket { at, length: 60, octets: "AAAA".to_owned() }
    }

    #[test]
    fn what_is_beyond_the_bounds_is_named() {
        assert_eq!(asked().fault(), None);
        for (asked, wanted) in [
            (Capturing { count: 0, ..asked() }, "count"),
            (Capturing { count: MOST_PACKETS + 1, ..asked() }, "count"),
            (Capturing { seconds: 0, ..asked() }, "seconds"),
            (Capturing { seconds: 3601, ..asked() }, "seconds"),
            (Capturing { one_of: 0, ..asked() }, "one_of"),
        ] {
            assert!(asked.fault().is_some_and(|fault| fault.starts_with(wanted)), "{asked:?}");
        }
    }

    /// What the other end gets to read.
    async fn told(
        asked: Capturing,
        packets: &[CapturedPacket],
        hang_up: bool,
    ) -> (String, tokio::sync::mpsc::Sender<CapturedPacket>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (sender, captured) = tokio::sync::mpsc::channel(10);
        for packet in packets {
            sender.send(packet.clone()).await.unwrap();
        }
        if hang_up {
            theirs.shutdown_write();
        }
        let relayed = tokio::spawn(async move { relay(ours, &asked, captured).await.map(drop) });
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.unwrap();
        relayed.await.unwrap().unwrap();
        (text, sender)
    }

    trait ShutdownWrite {
        fn shutdown_write(&self);
    }

    impl ShutdownWrite for UnixStream {
        fn shutdown_write(&self) {
            rustix::net::shutdown(self, rustix::net::Shutdown::Write).unwrap();
        }
    }

    #[tokio::test]
    async fn it_ends_at_the_count_at_the_time_and_when_nobody_listens() {
        let (text, sender) = told(asked(), &[packet(1), packet(2), packet(3)], false).await;
        assert!(text.lines().count() == 4 && text.contains("as many as were asked for"), "{text}");
        assert!(sender.is_closed(), "who captures is told");
        // What is there is told also when there is no time.
        let (text, _) = told(Capturing { seconds: 0, ..asked() }, &[packet(1)], false).await;
        assert!(
            text.lines().count() == 3 && text.contains("\"packets\":1") && text.contains("the time is over"),
            "{text}"
        );
        let (text, sender) = told(asked(), &[], true).await;
        assert!(text.contains("it was ended") && sender.is_closed(), "{text}");
    }
}
