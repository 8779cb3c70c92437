//! The lines of Dovecot's authentication protocol (its `auth-protocol`, version 1): made and read. Sends nothing.

use std::io::Write as _;

use zeroize::Zeroizing;

use crate::auth::facts::ExchangeFacts;

/// The longest line that Dovecot takes; one that is longer would cost all exchanges their connection.
pub(super) const MAX_LINE: usize = 16_000;

/// A line of Dovecot's that cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// Another protocol, or a later one.
    #[error("Dovecot speaks version {0:?} of the protocol, and 1 is wanted")]
    Version(String),
    /// Not what the protocol has.
    #[error("Dovecot sent a line that is none: it begins with {0:?}")]
    Malformed(String),
    /// A line without an end.
    #[error("Dovecot sent a line of more than {MAX_LINE} octets")]
    TooLong,
}

/// What Dovecot says in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The challenge, in base64.
    Continue(String),
    /// The client is this login.
    Proven(String),
    /// It is not, or Dovecot cannot say now.
    Refused {
        /// It cannot say now.
        temporary: bool,
    },
}

/// A line from Dovecot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A mechanism that it has, and that a client of ours could use.
    Mechanism(String),
    /// The handshake is over.
    Done,
    /// What it says in the exchange of this number.
    Reply(u32, Reply),
    /// What matters to nobody here.
    Other,
}

/// How a connection begins. Dovecot looks at the process number only where it passes on logins, which we do not.
pub(super) fn hello() -> Vec<u8> {
    format!("VERSION\t1\t1\nCPID\t{}\n", std::process::id()).into_bytes()
}

/// Begins an exchange. The client's transport is `secured`: else no exchange is begun at all. `resp` must come last.
pub(super) fn begin(
    id: u32,
    mechanism: &str,
    facts: &ExchangeFacts,
    initial: Option<&str>,
) -> Zeroizing<Vec<u8>> {
    let client = facts.client;
    let mut line = room_for(initial);
    // Writing to a Vec cannot fail.
    let _ = write!(line, "AUTH\t{id}\t{mechanism}\tservice=smtp\tsecured\tnologin");
    if let Some(local) = facts.local {
        let _ = write!(line, "\tlip={}\tlport={}", local.ip().to_canonical(), local.port());
    }
    let _ = write!(line, "\trip={}\trport={}", client.ip().to_canonical(), client.port());
    if let Some(initial) = initial {
        let _ = write!(line, "\tresp={initial}");
    }
    line.push(b'\n');
    line
}

/// Goes on with an exchange.
pub(super) fn go_on(id: u32, response: &str) -> Zeroizing<Vec<u8>> {
    let mut line = room_for(Some(response));
    let _ = writeln!(line, "CONT\t{id}\t{response}");
    line
}

/// Ends an exchange from our side.
pub(super) fn cancel(id: u32) -> Vec<u8> {
    format!("CANCEL\t{id}\n").into_bytes()
}

/// Room enough from the start: a buffer that grows would leave a copy behind.
fn room_for(response: Option<&str>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(512 + response.map_or(0, str::len)))
}

/// Reads a line, which has no end any more.
pub(super) fn read(line: &[u8]) -> Result<Line, LineError> {
    let malformed =
        || LineError::Malformed(String::from_utf8_lossy(&line[..line.len().min(20)]).into_owned());
    let text = std::str::from_utf8(line).map_err(|_| malformed())?;
    let mut parts = text.split('\t');
    let command = parts.next().unwrap_or_default();
    match command {
        "VERSION" => match parts.next() {
            Some("1") => Ok(Line::Other),
            other => Err(LineError::Version(other.unwrap_or_default().to_owned())),
        },
        "MECH" => {
            let name = parts.next().filter(|name| is_mechanism(name)).ok_or_else(malformed)?;
            let lets_anybody_in = parts.any(|property| property == "anonymous");
            // EXTERNAL is about a certificate that Dovecot does not get to see, and so is the binding of a -PLUS.
            let of_use = !lets_anybody_in && name != "EXTERNAL" && !name.ends_with("-PLUS");
            Ok(if of_use { Line::Mechanism(name.to_owned()) } else { Line::Other })
        }
        "DONE" => Ok(Line::Done),
        "CONT" | "OK" | "FAIL" => {
            let id = parts.next().and_then(|id| id.parse().ok()).ok_or_else(malformed)?;
            let reply = match command {
                "CONT" => {
                    let challenge = parts.next().unwrap_or_default();
                    let is_base64 = challenge
                        .bytes()
                        .all(|octet| octet.is_ascii_alphanumeric() || b"+/=".contains(&octet));
                    Reply::Continue(is_base64.then(|| challenge.to_owned()).ok_or_else(malformed)?)
                }
                "OK" => {
                    let user = parts.find_map(|part| part.strip_prefix("user=")).ok_or_else(malformed)?;
                    Reply::Proven(user.to_owned())
                }
                _ => Reply::Refused { temporary: parts.any(|part| part == "temp") },
            };
            Ok(Line::Reply(id, reply))
        }
        _ => Ok(Line::Other),
    }
}

/// RFC 4422 section 3.1.
fn is_mechanism(name: &str) -> bool {
    (1..=20).contains(&name.len())
        && name
            .bytes()
            .all(|octet| octet.is_ascii_uppercase() || octet.is_ascii_digit() || b"-_".contains(&octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_dovecot_are_read() {
        let mechanism = |name: &str| Ok(Line::Mechanism(name.to_owned()));
        let reply = |id, reply| Ok(Line::Reply(id, reply));
        let proven = |login: &str| Reply::Proven(login.to_owned());
        let malformed = |begin: &str| Err(LineError::Malformed(begin.to_owned()));
        let rows: [(&[u8], Result<Line, LineError>); 24] = [
            (b"VERSION\t1\t2", Ok(Line::Other)),
            (b"VERSION\t2\t0", Err(LineError::Version("2".to_owned()))),
            (b"VERSION", Err(LineError::Version(String::new()))),
            (b"MECH\tPLAIN\tplaintext", mechanism("PLAIN")),
            (b"MECH\tSCRAM-SHA-256\tmutual-auth", mechanism("SCRAM-SHA-256")),
            (b"MECH\tSCRAM-SHA-256-PLUS\tmutual-auth\tchannel-binding", Ok(Line::Other)),
            (b"MECH\tANONYMOUS\tanonymous", Ok(Line::Other)),
            (b"MECH\tEXTERNAL", Ok(Line::Other)),
            (b"MECH\tplain", malformed("MECH\tplain")),
            (b"MECH", malformed("MECH")),
            (b"SPID\t123", Ok(Line::Other)),
            (b"DONE", Ok(Line::Done)),
            (b"CONT\t7\tVXNlcm5hbWU6", reply(7, Reply::Continue("VXNlcm5hbWU6".to_owned()))),
            (b"CONT\t7\t", reply(7, Reply::Continue(String::new()))),
            (b"CONT\t7\tno base64!", malformed("CONT\t7\tno base64!")),
            (b"CONT\tx\t", malformed("CONT\tx\t")),
            (b"OK\t4294967295\tuser=a@b\tnologin", reply(u32::MAX, proven("a@b"))),
            (b"OK\t4294967296\tuser=a", malformed("OK\t4294967296\tuser=a")),
            (b"OK\t1", malformed("OK\t1")),
            (b"FAIL\t1\tuser=a", reply(1, Reply::Refused { temporary: false })),
            (b"FAIL\t1\tuser=a\tcode=temp_fail\ttemp", reply(1, Reply::Refused { temporary: true })),
            (b"FAIL", malformed("FAIL")),
            (b"\xff\xfe", malformed("\u{fffd}\u{fffd}")),
            (b"", Ok(Line::Other)),
        ];
        for (line, wanted) in rows {
            assert_eq!(read(line), wanted, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn an_exchange_begins_with_all_that_dovecot_logs_and_limits_by() {
        let facts = ExchangeFacts {
            client: "[::ffff:192.0.2.7]:4711".parse().unwrap(),
            local: Some("[2001:db8::1]:587".parse().unwrap()),
            bindings: Vec::new(),
        };
        assert_eq!(
            std::str::from_utf8(&begin(3, "PLAIN", &facts, Some("AGEAYg=="))).unwrap(),
            "AUTH\t3\tPLAIN\tservice=smtp\tsecured\tnologin\tlip=2001:db8::1\tlport=587\trip=192.0.2.7\trport=4711\t\
             resp=AGEAYg==\n"
        );
        let facts = ExchangeFacts { local: None, ..facts };
        let line = begin(4, "LOGIN", &facts, None);
        assert!(line.ends_with(b"\trip=192.0.2.7\trport=4711\n"));
        assert_eq!(&**go_on(4, "Yg=="), b"CONT\t4\tYg==\n");
    }

    proptest::proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            let _ = read(&line);
        }
    }
}
