//! Many sessions that end in a refusal, from one thread: what an intruder's machine does, and the load under which a
//! server's cost per refused session is measured. Speaks for itself only: no message is ever sent.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::crowd::{Arrival, Crowd, Director, End, Ended, Next, Script, Step};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct RefusedSessions {
    /// Where the server is.
    pub target: SocketAddr,
    /// The address that the sessions come from, if not the one that the kernel chooses.
    pub source: Option<IpAddr>,
    /// Sessions in all.
    pub sessions: u64,
    /// Sessions at once, at most.
    pub connections: usize,
    /// MAIL, RCPT and QUIT in one write, in place of one command per round trip.
    pub pipelined: bool,
    /// The name said in EHLO.
    pub helo: String,
    /// The reverse-path, without its brackets.
    pub sender: String,
    /// The forward-path that is to be refused, without its brackets.
    pub recipient: String,
    /// For a session that makes no progress (a SYN that was dropped, a server that hangs).
    pub patience: Duration,
    /// For the whole run: sessions that are not done by then are given up.
    pub at_most: Duration,
}

impl RefusedSessions {
    /// A run of `sessions` against `target`, with names and addresses that exist nowhere.
    #[must_use]
    pub fn new(target: SocketAddr, sessions: u64, connections: usize) -> Self {
        Self {
            target,
            source: None,
            sessions,
            connections,
            pipelined: false,
            helo: "client.far.example".into(),
            sender: "forged@victim.example".into(),
            recipient: "someone@elsewhere.example".into(),
            patience: Duration::from_secs(10),
            at_most: Duration::from_secs(120),
        }
    }
}

/// What became of the sessions.
#[derive(Clone, Debug, Default)]
pub struct RefusedOutcome {
    /// Sessions that were begun.
    pub begun: u64,
    /// Sessions that went through to the reply to QUIT.
    pub completed: u64,
    /// How many sessions had which code as the answer to RCPT, or as the last answer where it did not come to that.
    pub by_code: BTreeMap<u16, u64>,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
    /// How long it took.
    pub elapsed: Duration,
}

impl RefusedOutcome {
    /// Whether every one of `sessions` got `code` to its RCPT and ended in order.
    #[must_use]
    pub fn is_clean(&self, sessions: u64, code: u16) -> bool {
        self.completed == sessions && self.errors.is_empty() && self.by_code.get(&code) == Some(&sessions)
    }
}

/// The reply to RCPT is the fourth: banner, EHLO, MAIL, RCPT.
const RCPT_REPLY: u32 = 4;
/// The reply to QUIT.
const LAST_REPLY: u32 = 5;

impl RefusedSessions {
    /// Does it. Blocks the calling thread; an error is one of this machine, what the server did wrong is counted.
    pub fn run(&self) -> anyhow::Result<RefusedOutcome> {
        let crowd = Crowd {
            target: self.target,
            at_once: self.connections,
            patience: self.patience,
            at_most: self.at_most,
            stop: None,
        };
        let mut run = Run { plan: self, script: Arc::new(self.script()), outcome: RefusedOutcome::default() };
        run.outcome.elapsed = crowd.run(&mut run)?;
        Ok(run.outcome)
    }

    fn script(&self) -> Script {
        let Self { helo, sender, recipient, .. } = self;
        let ehlo = Step::say(1, format!("EHLO {helo}\r\n"));
        let mail = format!("MAIL FROM:<{sender}>\r\n");
        let rcpt = format!("RCPT TO:<{recipient}>\r\n");
        let quit = "QUIT\r\n".to_owned();
        let steps = if self.pipelined {
            vec![ehlo, Step::say(2, mail + &rcpt + &quit)]
        } else {
            vec![ehlo, Step::say(2, mail), Step::say(3, rcpt), Step::say(4, quit)]
        };
        Script::new(steps, (RCPT_REPLY, RCPT_REPLY), LAST_REPLY)
    }
}

struct Run<'r> {
    plan: &'r RefusedSessions,
    script: Arc<Script>,
    outcome: RefusedOutcome,
}

impl Director for Run<'_> {
    fn next(&mut self, now: Instant) -> Next {
        if self.outcome.begun == self.plan.sessions {
            return Next::Nobody;
        }
        self.outcome.begun += 1;
        Next::Begin(Arrival { script: self.script.clone(), source: self.plan.source, due: now, tag: 0 })
    }

    fn ended(&mut self, ended: Ended) {
        if ended.replies > 0 {
            *self.outcome.by_code.entry(ended.code).or_default() += 1;
        }
        match ended.end {
            End::Completed => self.outcome.completed += 1,
            _ => *self.outcome.errors.entry(ended.to_string()).or_default() += 1,
        }
    }
}
