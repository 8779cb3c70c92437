//! Many sessions that end in a refusal, from one thread: what an intruder's machine does, and the load under which a
//! server's cost per refused session is measured. Speaks for itself only: no message is ever sent.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use slab::Slab;

use super::reply_scanner::ReplyScanner;

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

/// One thing to say, and how many replies there are to wait for until it is time to say it.
#[derive(Debug)]
struct Step {
    after_replies: u8,
    say: Box<[u8]>,
}

/// The reply to RCPT is the fourth: banner, EHLO, MAIL, RCPT.
const RCPT_REPLY: u8 = 4;
/// The reply to QUIT.
const LAST_REPLY: u8 = 5;

#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    scanner: ReplyScanner,
    replies: u8,
    next_step: u8,
    /// The code that this session is counted by.
    code: u16,
    last_progress: Instant,
}

enum Progress {
    Goes,
    Completed,
    Failed(String),
}

/// Bytes read at once: more than all the replies of a session.
const READ: usize = 4096;
/// How often sessions without progress are looked for, and how long a wait is at most.
const SWEEP: Duration = Duration::from_millis(100);

struct Run<'r> {
    plan: &'r RefusedSessions,
    steps: Vec<Step>,
    epoll: OwnedFd,
    clients: Slab<Client>,
    outcome: RefusedOutcome,
    now: Instant,
}

impl RefusedSessions {
    /// Does it. Blocks the calling thread; an error is one of this machine, what the server did wrong is counted.
    pub fn run(&self) -> anyhow::Result<RefusedOutcome> {
        ensure!(self.connections > 0, "at least one connection is needed");
        let started = Instant::now();
        let mut run = Run {
            plan: self,
            steps: self.steps(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot create an epoll instance")?,
            clients: Slab::with_capacity(self.connections),
            outcome: RefusedOutcome::default(),
            now: started,
        };
        let mut events = vec![MaybeUninit::<epoll::Event>::uninit(); self.connections.min(1024)];
        let mut next_sweep = started + SWEEP;
        loop {
            run.now = Instant::now();
            if run.now >= started + self.at_most {
                run.give_up("the time for the whole run was over", |_| true);
                break;
            }
            while run.clients.len() < self.connections && run.outcome.begun < self.sessions {
                run.begin()?;
            }
            if run.clients.is_empty() {
                break;
            }
            let wait = rustix::time::Timespec::try_from(SWEEP).context("the sweep interval does not fit")?;
            match epoll::wait(&run.epoll, events.as_mut_slice(), Some(&wait)) {
                Ok((ready, _)) => {
                    run.now = Instant::now();
                    for event in ready {
                        run.advance(event.data.u64() as usize, event.flags);
                    }
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("waiting for the server failed"),
            }
            if run.now >= next_sweep {
                next_sweep = run.now + SWEEP;
                let (now, patience) = (run.now, self.patience);
                run.give_up("no answer in time", |client| {
                    now.duration_since(client.last_progress) > patience
                });
            }
        }
        run.outcome.elapsed = started.elapsed();
        Ok(run.outcome)
    }

    fn steps(&self) -> Vec<Step> {
        let Self { helo, sender, recipient, .. } = self;
        let step = |after_replies, say: String| Step { after_replies, say: say.into_bytes().into() };
        let ehlo = step(1, format!("EHLO {helo}\r\n"));
        let mail = format!("MAIL FROM:<{sender}>\r\n");
        let rcpt = format!("RCPT TO:<{recipient}>\r\n");
        let quit = "QUIT\r\n".to_owned();
        if self.pipelined {
            vec![ehlo, step(2, mail + &rcpt + &quit)]
        } else {
            vec![ehlo, step(2, mail), step(3, rcpt), step(4, quit)]
        }
    }
}

impl Run<'_> {
    fn begin(&mut self) -> anyhow::Result<()> {
        self.outcome.begun += 1;
        let plan = self.plan;
        let family = if plan.target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(
            family,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .context("cannot open a socket")?;
        if let Some(source) = plan.source {
            // Without this, each bind would hold a port of its own for all targets, and they would soon be used up.
            nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)
                .context("cannot bind without a port")?;
            rustix::net::bind(&socket, &SocketAddr::new(source, 0))
                .with_context(|| format!("cannot bind to {source}"))?;
        }
        match rustix::net::connect(&socket, &plan.target) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => {
                self.count_error(format!("cannot connect: {error}"));
                return Ok(());
            }
        }
        let slot = self.clients.vacant_entry();
        epoll::add(
            &self.epoll,
            &socket,
            epoll::EventData::new_u64(slot.key() as u64),
            epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ET,
        )
        .context("cannot watch a socket")?;
        slot.insert(Client {
            socket,
            scanner: ReplyScanner::default(),
            replies: 0,
            next_step: 0,
            code: 0,
            last_progress: self.now,
        });
        Ok(())
    }

    /// Reads what there is for one session and says what is next.
    fn advance(&mut self, key: usize, flags: epoll::EventFlags) {
        let Some(client) = self.clients.get_mut(key) else { return };
        client.last_progress = self.now;
        // The end comes with the last bytes as one event: where it is told of, it must be read up to.
        let ends = flags.difference(epoll::EventFlags::IN | epoll::EventFlags::ET);
        match client.advance(&self.steps, !ends.is_empty()) {
            Progress::Goes => {}
            Progress::Completed => {
                let client = self.clients.remove(key);
                self.outcome.completed += 1;
                self.count_code(&client);
            }
            Progress::Failed(error) => {
                let client = self.clients.remove(key);
                self.count_code(&client);
                self.count_error(error);
            }
        }
    }

    fn give_up(&mut self, why: &str, which: impl Fn(&Client) -> bool) {
        let late: Vec<usize> = self.clients.iter().filter(|(_, c)| which(c)).map(|(key, _)| key).collect();
        for key in late {
            let client = self.clients.remove(key);
            let state = if client.replies == 0 { "before the banner" } else { "after the banner" };
            self.count_code(&client);
            self.count_error(format!("{why}, {state}"));
        }
    }

    fn count_code(&mut self, client: &Client) {
        if client.replies > 0 {
            *self.outcome.by_code.entry(client.code).or_default() += 1;
        }
    }

    fn count_error(&mut self, error: String) {
        *self.outcome.errors.entry(error).or_default() += 1;
    }
}

impl Client {
    fn advance(&mut self, steps: &[Step], ends: bool) -> Progress {
        let mut buffer = [0u8; READ];
        loop {
            let length = match rustix::net::recv(self.socket.as_fd(), &mut buffer, RecvFlags::empty()) {
                Ok((0, _)) if self.replies >= LAST_REPLY => return Progress::Completed,
                Ok((0, _)) => return Progress::Failed(format!("closed after {} replies", self.replies)),
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return Progress::Goes,
                Err(Errno::INTR) => continue,
                // A reset after the reply to QUIT: impolite, but everything was said.
                Err(Errno::CONNRESET) if self.replies >= LAST_REPLY => return Progress::Completed,
                Err(error) => {
                    return Progress::Failed(format!("{error}, after {} replies", self.replies));
                }
            };
            let (replies, code) = (&mut self.replies, &mut self.code);
            self.scanner.scan(&buffer[..length], |answer| {
                *replies = replies.saturating_add(1);
                if *replies <= RCPT_REPLY {
                    *code = answer;
                }
            });
            while let Some(step) = steps.get(usize::from(self.next_step)) {
                if self.replies < step.after_replies {
                    break;
                }
                self.next_step += 1;
                // What is said is shorter than any socket buffer: a send that takes less is a connection that is gone.
                match rustix::net::send(self.socket.as_fd(), &step.say, SendFlags::NOSIGNAL) {
                    Ok(sent) if sent == step.say.len() => {}
                    Ok(_) => return Progress::Failed("the server reads nothing".into()),
                    Err(error) => {
                        return Progress::Failed(format!("{error}, after {} replies", self.replies));
                    }
                }
            }
            if length < READ && !ends {
                // Nothing more is there now: the next event tells of more, and of the end.
                return Progress::Goes;
            }
        }
    }
}
