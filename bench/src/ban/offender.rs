//! One who tries until they are banned, and the time that it takes from the offence that is one too many to the first of
//! their packets that comes to nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bench::peers::{OFFENCES, OUTSIDE};
use smtp_load::clients::{Connection, ConnectionError, Reply};

use super::probe::Probe;

/// For an answer of the server.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who has not been banned by then never is.
const BANNED_WITHIN: Duration = Duration::from_secs(10);
/// Between two packets: as near to each other as leaves the machine to who is to ban.
const PAUSE: Duration = Duration::from_micros(100);

/// Offends from `from`, and says how long it took. The time counts from when the last offence is written, so that it
/// holds whatever there is between an offence and its answer.
pub(super) fn time_to_a_ban(server: SocketAddr, from: Ipv4Addr) -> anyhow::Result<Duration> {
    let (mut connection, _) = Connection::open(server, Some(from.into()), PATIENCE)
        .with_context(|| format!("{from} does not come in"))?;
    connection.must("EHLO", "EHLO client.far.example")?;
    connection.must("MAIL", "MAIL FROM:<forged@victim.example>")?;
    let offence = format!("RCPT TO:<{OUTSIDE}>");
    for _ in 1..OFFENCES {
        ensure_refused(&connection.command(&offence)?)?;
    }
    let mut probe = Probe::new(from, server)?;
    ensure!(probe.is_answered()?, "{from} is banned before its last offence, or nothing is answered at all");
    let struck = Instant::now();
    match connection.command(&offence) {
        Ok(reply) => ensure_refused(&reply)?,
        // A ban may end the session with a reset, before its answer or behind it.
        Err(ConnectionError::Broken { .. } | ConnectionError::Closed) => {}
        Err(error) => return Err(error.into()),
    }
    loop {
        let sent = Instant::now();
        if !probe.is_answered()? && is_for_good(&mut probe)? {
            return Ok(sent - struck);
        }
        ensure!(sent - struck < BANNED_WITHIN, "{from} was not banned in {BANNED_WITHIN:?}");
        thread::sleep(PAUSE);
    }
}

/// One packet may be lost; these are not all of them.
fn is_for_good(probe: &mut Probe) -> anyhow::Result<bool> {
    Ok(!probe.is_answered()? && !probe.is_answered()?)
}

fn ensure_refused(reply: &Reply) -> anyhow::Result<()> {
    // Postfix refuses for now (454), unless it is told otherwise.
    ensure!((400..600).contains(&reply.code), "an offence was answered by {reply}");
    Ok(())
}
