//! One session of a crowd: reads what there is, counts replies, does the next steps. Waits for nothing itself.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::end::{End, Ended};
use super::script::{Act, Leaves, Script};
use super::wire::Wire;
use crate::clients::reply_scanner::ReplyScanner;

/// Octets read at once: more than all the replies of an ordinary session.
const READ: usize = 4096;

#[derive(Debug)]
pub(super) struct Session {
    wire: Wire,
    script: Arc<Script>,
    scanner: ReplyScanner,
    pub(super) tag: usize,
    due: Instant,
    begun: Instant,
    answered: Option<Instant>,
    pub(super) last_progress: Instant,
    connected: bool,
    replies: u32,
    last_reply: u32,
    /// The code of the last reply at all.
    heard: u16,
    code: u16,
    granted: u32,
    next_step: usize,
    /// Octets of the next step that are said already.
    said: usize,
    /// When it goes on by itself: a pause that it makes, or the end of its stay.
    pub(super) wakes: Option<Instant>,
    /// The pause before the next step is over.
    paused: bool,
    /// It was told no, and says QUIT as soon as it may.
    gives_up: bool,
}

/// Whether a session goes on.
pub(super) enum Progress {
    Goes,
    Ends(End),
}

impl Session {
    pub(super) fn new(wire: Wire, script: Arc<Script>, tag: usize, due: Instant, now: Instant) -> Self {
        let last_reply = match script.leaves {
            Leaves::AfterReplies(last) => last,
            Leaves::AfterConnecting(_) => {
                wire.reset_on_drop();
                0
            }
        };
        Self {
            wire,
            script,
            scanner: ReplyScanner::default(),
            tag,
            due,
            begun: now,
            answered: None,
            last_progress: now,
            connected: false,
            replies: 0,
            last_reply,
            heard: 0,
            code: 0,
            granted: 0,
            next_step: 0,
            said: 0,
            wakes: None,
            paused: false,
            gives_up: false,
        }
    }

    /// The account of a session that is over.
    pub(super) fn ended(&self, end: End) -> Ended {
        Ended {
            tag: self.tag,
            end,
            due: self.due,
            begun: self.begun.saturating_duration_since(self.due),
            answered: self.answered.map(|at| at.saturating_duration_since(self.due)),
            replies: self.replies,
            code: self.code,
            granted: self.granted,
            connected: self.connected,
        }
    }

    /// Goes on as far as it goes now. `ends`: the server has closed, so that all there is must be read.
    pub(super) fn advance(&mut self, now: Instant, ends: bool, mut heard: impl FnMut(u16)) -> Progress {
        match self.go_on(now, ends, &mut heard) {
            Ok(progress) => progress,
            // A reset after the last reply: impolite, but everything was said.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && self.is_over() => {
                Progress::Ends(End::Completed)
            }
            Err(error) if !self.connected && error.kind() != ErrorKind::ConnectionReset => {
                Progress::Ends(End::CannotConnect(system_text(&error)))
            }
            Err(error) => Progress::Ends(End::Broken(system_text(&error))),
        }
    }

    fn go_on(&mut self, now: Instant, ends: bool, heard: &mut impl FnMut(u16)) -> io::Result<Progress> {
        if !self.connected && self.script.minds_writing() {
            if !self.wire.connected()? {
                return Ok(Progress::Goes);
            }
            self.has_connected(now)?;
        }
        self.wire.flush()?;
        if let Leaves::AfterConnecting(_) = self.script.leaves
            && self.wakes.is_some_and(|at| at <= now)
        {
            return Ok(Progress::Ends(End::Completed));
        }
        let mut buffer = [0u8; READ];
        loop {
            self.speak(now)?;
            let length = match self.wire.read(&mut buffer) {
                Ok(0) if self.is_over() => return Ok(Progress::Ends(End::Completed)),
                Ok(0) => return Ok(Progress::Ends(End::Closed)),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Goes),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.connected = true;
            if !self.hear(now, &buffer[..length], heard) {
                return Ok(Progress::Ends(End::NotSmtp));
            }
            self.speak(now)?;
            if length < READ && !ends && self.wire.is_clear() {
                // Nothing more is there now: the next event tells of more, and of the end.
                return Ok(Progress::Goes);
            }
        }
    }

    fn has_connected(&mut self, now: Instant) -> io::Result<()> {
        self.connected = true;
        if let Leaves::AfterConnecting(stay) = self.script.leaves {
            self.answered = Some(now);
            self.wakes = Some(now + stay);
        }
        match &self.script.tls {
            Some(config) if self.script.tls_at_once => self.wire.start_tls(config),
            _ => Ok(()),
        }
    }

    /// Whether all that was to be said and heard has been.
    fn is_over(&self) -> bool {
        self.last_reply > 0 && self.replies >= self.last_reply
    }

    /// False: what came is no SMTP.
    fn hear(&mut self, now: Instant, bytes: &[u8], told: &mut impl FnMut(u16)) -> bool {
        let (first, last) = self.script.wanted;
        let mut is_smtp = true;
        let Self { scanner, replies, heard, code, granted, answered, .. } = self;
        let gives_up = self.gives_up;
        scanner.scan(bytes, |answer| {
            *replies = replies.saturating_add(1);
            *heard = answer;
            is_smtp &= answer != 0;
            told(answer);
            if *replies <= last && !gives_up {
                *code = answer;
                *answered = Some(now);
                if *replies >= first && (200..300).contains(&answer) {
                    *granted += 1;
                }
            }
        });
        is_smtp
    }

    /// Does the steps whose time has come, as far as the connection takes them.
    fn speak(&mut self, now: Instant) -> io::Result<()> {
        if self.script.steps.len() == self.next_step {
            return Ok(());
        }
        let script = self.script.clone();
        while let Some(step) = script.steps.get(self.next_step) {
            if self.replies < step.after_replies && !self.gives_up {
                return Ok(());
            }
            if step.if_granted && !self.gives_up && !(200..400).contains(&self.heard) {
                // QUIT, whose reply is the next.
                self.gives_up = true;
                self.next_step = script.steps.len() - 1;
                self.last_reply = self.replies + 1;
                continue;
            }
            if !self.pause_is_over(now, script.pause) {
                return Ok(());
            }
            match &step.act {
                Act::StartTls => {
                    let config = script.tls.as_ref().ok_or_else(|| io::Error::other("no TLS is given"))?;
                    self.wire.start_tls(config)?;
                }
                Act::Say(words, length) => {
                    let words = &words[..*length];
                    while self.said < words.len() {
                        match self.wire.write(&words[self.said..])? {
                            0 => return Ok(()),
                            some => self.said += some,
                        }
                    }
                }
            }
            self.said = 0;
            self.paused = false;
            self.next_step += 1;
        }
        Ok(())
    }

    fn pause_is_over(&mut self, now: Instant, pause: Duration) -> bool {
        if pause.is_zero() || self.said > 0 || self.paused {
            return true;
        }
        match self.wakes {
            None => {
                self.wakes = Some(now + pause);
                false
            }
            Some(at) if at > now => false,
            Some(_) => {
                self.wakes = None;
                self.paused = true;
                true
            }
        }
    }
}

/// What the system calls it, without the number that `io::Error` adds.
fn system_text(error: &io::Error) -> String {
    match rustix::io::Errno::from_io_error(error) {
        Some(errno) => errno.to_string(),
        None => error.to_string(),
    }
}
