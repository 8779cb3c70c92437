//! Takes message data: what the scanner finds, with the bounds of a message put to it.

use std::time::Instant;

use super::super::BareNewline;
use super::super::data::Scanned;
use super::super::order::Phase;
use super::super::reply;
use super::super::service::Service;
use super::{DataHandled, Message, Parked, Piece, Session, State};

impl Session {
    /// Takes message data, one piece at a call.
    ///
    /// A message's size is counted as it is passed on, the dots of its stuffing included, its terminator not.
    pub fn handle_data<'b>(
        &mut self,
        service: &Service,
        input: &'b [u8],
        out: &mut Vec<u8>,
        now: Instant,
    ) -> DataHandled<'b> {
        let State::Message(message) = &mut self.state else {
            return DataHandled { consumed: 0, piece: Piece::Read };
        };
        let (consumed, piece) = message.take(service, input);
        if consumed > 0 {
            self.state_deadline = now + service.deadlines.data;
        }
        let refusal = message.refusal;
        match (piece, refusal) {
            (Piece::End, None) => self.state = State::Answer(Parked::EndOfData),
            (Piece::End, Some(refused)) => {
                self.phase = Phase::Greeted;
                self.await_command(service, now);
                if refused == reply::MESSAGE_TOO_BIG {
                    self.reached.message_size = self.reached.message_size.saturating_add(1);
                }
                self.refuse(service, refused, out);
                return DataHandled { consumed, piece: Piece::EndRefused };
            }
            _ => {}
        }
        DataHandled { consumed, piece }
    }
}

impl Message {
    /// Scans one piece; or, of a message that is refused, all there is.
    fn take<'b>(&mut self, service: &Service, input: &'b [u8]) -> (usize, Piece<'b>) {
        let mut consumed = 0;
        loop {
            let (done, scanned) = self.scanner.scan(&input[consumed..]);
            consumed += done;
            let (piece, octets) = match scanned {
                Scanned::Read if consumed > 0 && self.refusal.is_some() => return (consumed, Piece::Discard),
                Scanned::Read => return (consumed, Piece::Read),
                Scanned::End => return (consumed, Piece::End),
                Scanned::Pass(octets) => (Piece::Pass(octets), octets),
                Scanned::Insert(octets) => (Piece::Insert(octets), octets),
            };
            if self.refusal.is_none() {
                self.size = self.size.saturating_add(octets.len() as u64);
                self.refusal = self.out_of_bounds(service);
            }
            if self.refusal.is_none() {
                return (consumed, piece);
            }
        }
    }

    fn out_of_bounds(&self, service: &Service) -> Option<reply::Reply> {
        if self.scanner.met_bare_newline() && service.limits.bare_newline == BareNewline::Refuse {
            Some(reply::BARE_NEWLINE_IN_DATA)
        } else if self.size > service.limits.message_size {
            Some(reply::MESSAGE_TOO_BIG)
        } else {
            None
        }
    }
}
