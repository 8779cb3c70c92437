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
/// namespaces of our own, and nobody has said that it is theirs.
pub(super) fn resolve(text: &str, is_mine: bool) -> anyhow::Result<SocketAddr> {
    let mut addresses = text
        .to_socket_addrs()
        .with_context(|| format!("cannot resolve {text}: HOST:PORT is wanted, such as 127.0.0.1:25"))?;
    let target = addresses.next().with_context(|| format!("{text} has no address"))?;
    ensure!(target.port() != 0, "{text}: port 0 is none to connect to");
    ensure!(
        is_mine || target.ip().is_loopback() || in_namespaces_of_our_own(),
        "{target} is not this machine's loopback: a load on somebody else's server is an attack. If it is yours, say so \
         with --target-is-mine"
    );
    Ok(target)
}

/// Whether this process has another network namespace than the machine. Where that cannot be told, it counts as not.
fn in_namespaces_of_our_own() -> bool {
    let inode = |path: &str| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    match (inode("/proc/self/ns/net"), inode("/proc/1/ns/net")) {
        (Some(ours), Some(the_machines)) => ours != the_machines,
        _ => false,
    }
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
