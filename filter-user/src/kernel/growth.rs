//! The process that makes generations of the table of hosts for a daemon which has given up its privileges: the only one
//! that keeps CAP_BPF. It knows one question, how large, and one answer, an empty map. It ends with the daemon.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use filter_common::table::{LARGEST, SMALLEST};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_timeout;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recv, recvmsg, send, sendmsg,
    shutdown, socketpair,
};

/// The subcommand that this process is started as.
pub const SUBCOMMAND: &str = "growth";

/// How long an answer may take. The largest generations take the kernel a second to clear.
const PATIENCE: Duration = Duration::from_secs(10);

/// The process, as the daemon has it.
#[derive(Debug)]
pub(super) struct Growth {
    socket: OwnedFd,
    child: Child,
}

impl Growth {
    /// Starts it, while this process may still start it with its privileges. `largest` bounds what it will ever make.
    pub(super) fn start(program: &Path, largest: u32, user: Option<&str>) -> io::Result<Self> {
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(PATIENCE))?;
        let child = Command::new(program)
            .args([SUBCOMMAND, &largest.to_string()])
            .args(user.into_iter().flat_map(|user| ["--user", user]))
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { socket, child })
    }

    /// An empty generation.
    pub(super) fn make(&self, generation: u32) -> io::Result<OwnedFd> {
        send(&self.socket, &generation.to_ne_bytes(), SendFlags::NOSIGNAL)?;
        let mut answer = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let into = &mut [IoSliceMut::new(&mut answer)];
        let received = recvmsg(&self.socket, into, &mut rights, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes != answer.len() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the process that makes tables has ended",
            ));
        }
        match i32::from_ne_bytes(answer) {
            0 => {
                let map = rights.drain().find_map(|message| match message {
                    RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
                    _ => None,
                });
                map.ok_or_else(|| io::Error::other("the process that makes tables has sent none"))
            }
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for Growth {
    fn drop(&mut self) {
        // It reads the end of the conversation, and goes. Where that fails it is gone already.
        let _ = shutdown(&self.socket, Shutdown::Both);
        let _ = self.child.wait();
    }
}

/// Answers on this socket until the other end is closed. `make` makes an empty generation.
pub fn serve<M: AsFd>(
    socket: impl AsFd,
    largest: u32,
    make: impl Fn(u32) -> io::Result<M>,
) -> io::Result<()> {
    loop {
        let mut question = [0; 4];
        let (length, _) = match recv(&socket, &mut question, RecvFlags::empty()) {
            Err(Errno::INTR) => continue,
            received => received?,
        };
        if length == 0 {
            return Ok(());
        }
        let generation = u32::from_ne_bytes(question);
        let is_allowed = length == question.len() && (SMALLEST..=largest.min(LARGEST)).contains(&generation);
        let made = if is_allowed { make(generation) } else { Err(Errno::INVAL.into()) };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let descriptors;
        let answer: i32 = match &made {
            Ok(map) => {
                descriptors = [map.as_fd()];
                rights.push(SendAncillaryMessage::ScmRights(&descriptors));
                0
            }
            Err(error) => error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()),
        };
        let answer = answer.to_ne_bytes();
        match sendmsg(&socket, &[IoSlice::new(&answer)], &mut rights, SendFlags::NOSIGNAL) {
            Ok(_) => {}
            Err(Errno::PIPE | Errno::CONNRESET) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    /// A process that has ended already, so that a socket can be tried with a thread at its other end.
    fn growth(socket: OwnedFd) -> Growth {
        Growth { socket, child: Command::new("true").spawn().unwrap() }
    }

    fn sockets() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    fn make(generation: u32) -> io::Result<OwnedFd> {
        if generation == 9 {
            return Err(Errno::NOMEM.into());
        }
        let memory = memfd_create("generation", MemfdFlags::CLOEXEC)?;
        ftruncate(&memory, 64 << generation)?;
        Ok(memory)
    }

    #[test]
    fn what_is_asked_for_is_made_within_bounds_and_a_failure_is_told() {
        let (ours, theirs) = sockets();
        let server = std::thread::spawn(move || serve(theirs, 10, make));
        let growth = growth(ours);
        for generation in [8, 10] {
            let made = growth.make(generation).unwrap();
            assert_eq!(rustix::fs::fstat(&made).unwrap().st_size, 64 << generation);
            assert!(made.as_raw_fd() > 2);
        }
        assert_eq!(growth.make(9).unwrap_err().raw_os_error(), Some(Errno::NOMEM.raw_os_error()));
        for generation in [SMALLEST - 1, 11, LARGEST + 1, u32::MAX] {
            assert_eq!(growth.make(generation).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        drop(growth);
        server.join().unwrap().unwrap();
    }

    #[test]
    fn a_process_that_has_ended_is_an_error() {
        let (ours, theirs) = sockets();
        drop(theirs);
        assert!(growth(ours).make(8).is_err());
    }

    #[test]
    fn a_question_of_another_length_is_refused() {
        let (ours, theirs) = sockets();
        let server = std::thread::spawn(move || serve(theirs, 10, make));
        send(&ours, &[1], SendFlags::empty()).unwrap();
        let mut answer = [0; 4];
        recv(&ours, &mut answer, RecvFlags::empty()).unwrap();
        assert_eq!(i32::from_ne_bytes(answer), Errno::INVAL.raw_os_error());
        drop(ours);
        server.join().unwrap().unwrap();
    }
}
