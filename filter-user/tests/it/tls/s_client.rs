//! `openssl s_client` as a test uses it: for one look at a handshake, or for a dialogue.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What s_client tells of a handshake after which nothing but QUIT is said, stdout and stderr.
pub(super) fn look(address: SocketAddr, arguments: &[&str]) -> String {
    // -ign_eof: QUIT is for the server, and not s_client's own command; the server hangs up.
    let mut child = command(address, arguments).args(STARTTLS).arg("-ign_eof").spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"QUIT\r\n").unwrap();
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// How the server is asked for TLS, where it does not begin with it.
const STARTTLS: [&str; 4] = ["-starttls", "smtp", "-name", "a.example"];

fn command(address: SocketAddr, arguments: &[&str]) -> Command {
    // Killed when it hangs, so that a test that fails does so soon.
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "60", "openssl", "s_client", "-connect", &address.to_string()]);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A dialogue under TLS.
pub(super) struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Client {
    /// Behind STARTTLS.
    pub(super) fn open(address: SocketAddr, arguments: &[&str]) -> Self {
        Self::start(command(address, arguments).args(STARTTLS))
    }

    /// TLS from the first octet; the banner is the first reply.
    pub(super) fn open_implicit(address: SocketAddr, arguments: &[&str]) -> Self {
        Self::start(&mut command(address, arguments))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command.arg("-quiet").stderr(Stdio::null()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Sends octets as they are.
    pub(super) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.input.write_all(octets.as_ref()).unwrap();
    }

    /// Reads one reply; empty at the end.
    pub(super) fn reply(&mut self) -> String {
        let mut text = String::new();
        loop {
            let begin = text.len();
            let read = self.output.read_line(&mut text).unwrap_or(0);
            if read == 0 || text.as_bytes().get(begin + 3) != Some(&b'-') {
                return text;
            }
        }
    }

    /// Sends a line, reads the reply.
    pub(super) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n"));
        self.reply()
    }

    /// Says lines, expecting the beginning of each reply.
    pub(super) fn expect(&mut self, script: &[(&str, &str)]) {
        for (line, expected) in script {
            let reply = self.say(line);
            assert!(reply.starts_with(expected), "{line:?} was answered {reply:?}, not {expected:?}");
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
