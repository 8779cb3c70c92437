//! Where a load goes: only to what is this machine's own, unless somebody answers for it, and only to what speaks SMTP.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use smtp_load::clients::crowd::{Arrival, Crowd, Director, End, Ended, Next, Script, Step};

use super::scenario::Tls;
use super::speech::Encryption;

/// The address of `text`, which may name a host; refused, where it is neither this machine's loopback nor reached from
/// a namespace of our own, and nobody has said that it is theirs.
pub(super) fn resolve(text: &str, is_mine: bool) -> anyhow::Result<SocketAddr> {
    let mut addresses = text
        .to_socket_addrs()
        .with_context(|| format!("cannot resolve {text}: HOST:PORT is wanted, such as 127.0.0.1:25"))?;
    let target = addresses.next().with_context(|| format!("{text} has no address"))?;
    ensure!(target.port() != 0, "{text}: port 0 is none to connect to");
    ensure!(
        is_mine || target.ip().is_loopback() || in_a_namespace_of_our_own(),
        "{target} is not this machine's loopback: a load on somebody else's server is an attack. If it is yours, say so \
         with --target-is-mine"
    );
    Ok(target)
}

/// Whether this process has another network namespace than one that it descends from. What cannot be read counts as the
/// same: pid 1's cannot in many containers.
fn in_a_namespace_of_our_own() -> bool {
    /// No process has more ancestors.
    const GENERATIONS: usize = 1000;
    let namespace = |process: &str| {
        fs::metadata(format!("/proc/{process}/ns/net")).map(|meta| (meta.dev(), meta.ino())).ok()
    };
    let ours = namespace("self");
    let mut process = "self".to_owned();
    for _ in 0..GENERATIONS {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        let Some(parent) = parent_of(&stat) else { return false };
        parent.clone_into(&mut process);
        if namespace(&process).is_some_and(|theirs| ours.is_some_and(|ours| ours != theirs)) {
            return true;
        }
    }
    false
}

/// The fourth field of `/proc/PID/stat`; the second may hold anything, blanks and brackets too. None of who has no parent.
fn parent_of(stat: &str) -> Option<&str> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1).filter(|parent| *parent != "0")
}

/// One session that hears the banner and leaves: an error where `target` speaks no SMTP. A refusal is SMTP too.
pub(super) fn probe(target: SocketAddr, encryption: &Encryption, patience: Duration) -> anyhow::Result<()> {
    let greeting = Script {
        tls: encryption.client.clone(),
        tls_at_once: encryption.tls == Tls::Implicit,
        ..Script::new(vec![Step::say(1, "QUIT\r\n")], (1, 1), 2)
    };
    let at_most = patience.saturating_mul(2);
    let crowd = Crowd { target, at_once: 1, patience, at_most, stop: None };
    let mut one = One { script: Some(Arc::new(greeting)), ended: None };
    crowd.run(&mut one)?;
    let ended = one.ended.context("the first session has no end")?;
    if ended.replies > 0 && ended.end != End::NotSmtp {
        return Ok(());
    }
    match &ended.end {
        End::CannotConnect(why) => {
            bail!(
                "nothing accepts connections on {target} ({why}): is the server started, and is this its port?"
            )
        }
        End::NoAnswer | End::CutShort => bail!(
            "{target} says nothing in {patience:?}: it hangs, or drops our packets, or waits for the client to speak \
             first, which is not SMTP (TLS from the first octet is --tls implicit)"
        ),
        End::NotSmtp => bail!("what {target} says is not SMTP: is this the right port?"),
        End::Broken(why) => bail!("{target} cannot be talked with: {why}"),
        End::Closed | End::Completed => bail!(
            "{target} closes connections without a word: it may have blocked this host, or not be an SMTP server"
        ),
    }
}

/// One session.
struct One {
    script: Option<Arc<Script>>,
    ended: Option<Ended>,
}

impl Director for One {
    fn next(&mut self, due: Instant) -> Next {
        match self.script.take() {
            Some(script) => Next::Begin(Arrival { script, source: None, due, tag: 0 }),
            None => Next::Nobody,
        }
    }

    fn ended(&mut self, ended: Ended) {
        self.ended = Some(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_behind_any_name() {
        let rows = [
            ("7 (a) S 5 7", Some("5")),
            ("7 (a) b (c) S 1 7", Some("1")),
            ("1 (init) S 0 1", None),
            ("7 (a", None),
            ("", None),
        ];
        for (stat, expected) in rows {
            assert_eq!(parent_of(stat), expected, "{stat:?}");
        }
    }
}
