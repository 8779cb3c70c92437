//! The daemon's side of `relaygate capture`: what the kernel has captured, in the words of the control socket.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filter_common::{Captured, Timestamp};
use tokio::sync::mpsc::{Receiver, channel};

use crate::control::CapturedPacket;
use crate::judge::boot_now;

/// Hands on what is captured, until who asked has gone. To be called within a runtime.
pub(super) fn told(mut captured: Receiver<Captured>) -> Receiver<CapturedPacket> {
    let (sender, receiver) = channel(1);
    tokio::spawn(async move {
        loop {
            let packet = tokio::select! {
                packet = captured.recv() => packet,
                () = sender.closed() => None,
            };
            let Some(packet) = packet else { return };
            if sender.send(in_words(&packet, boot_now(), SystemTime::now())).await.is_err() {
                return;
            }
        }
    });
    receiver
}

fn in_words(packet: &Captured, boot: Timestamp, wall: SystemTime) -> CapturedPacket {
    let ago = boot.since(Timestamp(packet.at));
    let at = wall.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(ago);
    CapturedPacket {
        at: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
        length: packet.length,
        octets: STANDARD.encode(packet.frame()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use filter_common::Reason;

    use super::*;

    #[test]
    fn a_packet_is_told_with_the_time_of_day_and_what_was_kept_of_it() {
        let packet = Captured {
            at: 9_000_000_005,
            length: 1500,
            kept: 3,
            reason: Reason::Blocked as u32,
            reserved: 0,
            octets: [7; _],
        };
        let wall = UNIX_EPOCH + Duration::from_secs(1_795_564_800);
        let told = in_words(&packet, Timestamp(10_000_000_005), wall);
        assert_eq!(told.at, 1_795_564_799_000_000_000);
        assert_eq!((told.length, told.octets.as_str()), (1500, "BwcH"));
    }
}
