//! What each kind of visitor says, as scripts for the crowd. Knows no network and no time.

use std::sync::Arc;

use fastrand::Rng;
use rustls::ClientConfig;
use smtp_load::clients::crowd::{Leaves, Script, Step};
use smtp_load::clients::message_text;

use super::scenario::{Asking, Early, Flood, Honest, Tls};

/// Names and addresses that everybody uses.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    /// A domain whose mail the target takes.
    pub(super) local_domain: String,
    /// A recipient who exists there.
    pub(super) recipient: String,
}

/// How sessions are encrypted.
#[derive(Clone, Debug)]
pub(super) struct Encryption {
    pub(super) tls: Tls,
    pub(super) client: Option<Arc<ClientConfig>>,
}

/// What one kind of visitor says.
#[derive(Debug)]
pub(super) enum Speech {
    /// Always the same.
    Same(Arc<Script>),
    /// One of some, each as often as its share.
    OneOf(Vec<(u64, Arc<Script>)>),
    /// Other recipients each time.
    Guesses { harvest: Asking, local_domain: String, encryption: Encryption },
}

const SENDER: &str = "MAIL FROM:<someone@far.example>\r\n";
const FORGED: &str = "MAIL FROM:<forged@victim.example>\r\n";
const ELSEWHERE: &str = "RCPT TO:<someone@elsewhere.example>\r\n";
const QUIT: &str = "QUIT\r\n";

impl Speech {
    /// Messages that go to somebody.
    pub(super) fn honest(honest: &Honest, addresses: &Addresses, encryption: &Encryption) -> Self {
        let largest = honest.sizes.iter().map(|size| size.octets.0).max().unwrap_or(0);
        let text: Arc<[u8]> = message(&addresses.recipient, size(largest)).into();
        let script = |length: u64| {
            let (mut steps, after) = encryption.opening("honest.far.example");
            let rcpt = format!("RCPT TO:<{}>\r\n", addresses.recipient);
            steps.extend([
                Step::say(after, SENDER).if_granted(),
                Step::say(after + 1, rcpt).if_granted(),
                Step::say(after + 2, "DATA\r\n").if_granted(),
                Step::say_some(after + 3, text.clone(), size(length)).if_granted(),
                Step::say(after + 3, "\r\n.\r\n").if_granted(),
                Step::say(after + 4, QUIT),
            ]);
            let script = Script::new(steps, (after + 4, after + 4), after + 5);
            Arc::new(encryption.over(Script { pause: honest.pause.0, ..script }))
        };
        Self::OneOf(honest.sizes.iter().map(|size| (size.share.0, script(size.octets.0))).collect())
    }

    /// Attempts to relay.
    pub(super) fn relay(relay: &Asking, encryption: &Encryption) -> Self {
        let attempts = vec![ELSEWHERE.to_owned(); size(relay.recipients.0)];
        let script = encryption.asking(&attempts, relay.pipelined);
        Self::Same(Arc::new(Script { pause: relay.pause.0, ..script }))
    }

    /// Guesses at recipients.
    pub(super) fn harvest(harvest: &Asking, addresses: &Addresses, encryption: &Encryption) -> Self {
        Self::Guesses {
            harvest: harvest.clone(),
            local_domain: addresses.local_domain.clone(),
            encryption: encryption.clone(),
        }
    }

    /// All of an attempt before the banner; in the clear always, since it waits for nothing.
    pub(super) fn early(_: &Early) -> Self {
        let all = format!("EHLO early.far.example\r\n{FORGED}{ELSEWHERE}{QUIT}");
        Self::Same(Arc::new(Script::new(vec![Step::say(0, all)], (4, 4), 5)))
    }

    /// Nothing.
    pub(super) fn flood(flood: &Flood) -> Self {
        let leaves = Leaves::AfterConnecting(flood.stay.0);
        Self::Same(Arc::new(Script { leaves, ..Script::new(Vec::new(), (1, 1), 0) }))
    }

    /// What visitor `number` of this kind says.
    pub(super) fn script(&self, number: u64, random: &mut Rng) -> Arc<Script> {
        match self {
            Self::Same(script) => script.clone(),
            Self::OneOf(some) => some[pick(some.iter().map(|(share, _)| *share), random)].1.clone(),
            Self::Guesses { harvest, local_domain, encryption } => {
                let first = number * harvest.recipients.0;
                let guesses: Vec<String> = (first..first + harvest.recipients.0)
                    .map(|guess| format!("RCPT TO:<guess{guess}@{local_domain}>\r\n"))
                    .collect();
                let script = encryption.asking(&guesses, harvest.pipelined);
                Arc::new(Script { pause: harvest.pause.0, ..script })
            }
        }
    }
}

/// The place of one of some shares, each as likely as it is large; the first, where there is none.
pub(super) fn pick(shares: impl Iterator<Item = u64> + Clone, random: &mut Rng) -> usize {
    let all: u64 = shares.clone().sum();
    let mut at = random.u64(0..all.max(1));
    for (place, share) in shares.enumerate() {
        match at.checked_sub(share) {
            None => return place,
            Some(rest) => at = rest,
        }
    }
    0
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A message of that many octets, header and all, cut anywhere: the line end before the dot is said behind it.
fn message(recipient: &str, length: usize) -> Vec<u8> {
    let mut text = message_text("someone@far.example", recipient, "load", length);
    text.truncate(length);
    text
}

impl Encryption {
    /// The first steps, and how many replies have come when they are done.
    fn opening(&self, name: &str) -> (Vec<Step>, u32) {
        let ehlo = |after| Step::say(after, format!("EHLO {name}\r\n"));
        if self.tls == Tls::Starttls {
            let starttls = Step::say(2, "STARTTLS\r\n").if_granted();
            (vec![ehlo(1), starttls, Step::start_tls(3), ehlo(3)], 4)
        } else {
            (vec![ehlo(1)], 2)
        }
    }

    /// A session that asks for recipients and leaves.
    fn asking(&self, recipients: &[String], pipelined: bool) -> Script {
        let (mut steps, after) = self.opening("client.far.example");
        let count = u32::try_from(recipients.len()).unwrap_or(u32::MAX);
        if pipelined {
            steps.push(Step::say(after, FORGED.to_owned() + &recipients.concat() + QUIT));
        } else {
            steps.push(Step::say(after, FORGED));
            steps.extend((after + 1..).zip(recipients).map(|(after, rcpt)| Step::say(after, rcpt)));
            steps.push(Step::say(after + 1 + count, QUIT));
        }
        self.over(Script::new(steps, (after + 2, after + 1 + count), after + 2 + count))
    }

    fn over(&self, script: Script) -> Script {
        Script { tls: self.client.clone(), tls_at_once: self.tls == Tls::Implicit, ..script }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let mut random = Rng::with_seed(7);
        let mut found = [0; 3];
        for _ in 0..10_000 {
            found[pick([6, 0, 2].into_iter(), &mut random)] += 1;
        }
        assert!((7_300..7_700).contains(&found[0]) && found[1] == 0, "{found:?}");
        assert_eq!(pick([0].into_iter(), &mut random), 0);
    }

    #[test]
    fn a_message_has_its_size_and_no_line_that_ends_it() {
        for length in [0, 1, 100, 4_000, 100_000] {
            let text = message("user@example.test", length);
            assert_eq!(text.len(), length);
            assert!(!text.windows(3).any(|three| three == b"\n.\r"));
        }
    }
}
