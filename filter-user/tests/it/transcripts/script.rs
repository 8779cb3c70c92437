//! Reads a transcript. Plays nothing.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use filter_user::policy::SenderLogin;
use filter_user::smtp::{BareNewline, Deadlines, Limits};
use ipnet::IpNet;

use crate::decisions::sender_pattern;

/// What happens, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The client sends this.
    Send(Vec<u8>),
    /// Replies up to here are due before the client goes on: so many lines of the transcript.
    Expect(usize),
    /// Time passes.
    Wait(Duration),
    /// The TLS handshake is done.
    Handshake,
}

/// A transcript.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) settings: Settings,
    pub(super) steps: Vec<Step>,
    pub(super) replies: Vec<String>,
    pub(super) decisions: Vec<String>,
    pub(super) outcomes: Vec<String>,
    pub(super) backend: Option<Vec<String>>,
}

/// The settings line.
#[derive(Debug)]
pub(super) struct Settings {
    /// `local`: our domains, separated by spaces.
    pub(super) local: Vec<String>,
    /// `mailboxes`: the directory; without it there is none.
    pub(super) mailboxes: Option<Vec<String>>,
    /// `directory = away`: it cannot answer.
    pub(super) directory_away: bool,
    /// `client`: the peer's address.
    pub(super) client: IpAddr,
    /// `own`: addresses of ours.
    pub(super) own: Vec<IpAddr>,
    /// `relay`: networks that may relay.
    pub(super) relay: Vec<IpNet>,
    /// `never`: networks that may not.
    pub(super) never: Vec<IpNet>,
    /// `login`: whom the client has authenticated as.
    pub(super) login: Option<String>,
    /// `certificate`: whom the client's certificate names.
    pub(super) certificate: Option<String>,
    /// `sender-login <login> = <senders>`: whom a login may send as.
    pub(super) sender_logins: Vec<SenderLogin>,
    /// `early = yes`: the client talks before the banner.
    pub(super) early: bool,
    /// `backend <command> = <reply>`: what the backend says to a command that begins so, in place of yes; `end` is the
    /// end of the message, `\r\n` parts lines; `backend message = lost`: it dies in the middle of it.
    pub(super) backend: HashMap<String, String>,
    pub(super) limits: Limits,
    pub(super) deadlines: Deadlines,
    /// `8bitmime`, `smtputf8`, `dsn`, `requiretls` (which needs TLS), `starttls`, `xclient`, `auth_first`; `yes` or `no`, as
    /// a stranger is offered them, which leaves most out.
    pub(super) offered: HashSet<String>,
    /// `auth`: mechanisms, separated by spaces.
    pub(super) auth: Option<String>,
    /// `auth_in_the_clear = yes`: before TLS too.
    pub(super) auth_in_the_clear: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            local: vec!["example.org".to_owned()],
            mailboxes: None,
            directory_away: false,
            client: IpAddr::from([192, 0, 2, 7]),
            own: Vec::new(),
            relay: Vec::new(),
            never: Vec::new(),
            login: None,
            certificate: None,
            sender_logins: Vec::new(),
            early: false,
            backend: HashMap::new(),
            limits: Limits {
                command_line: 2048,
                commands: 1000,
                errors: 20,
                recipients: 100,
                message_size: 1_000_000,
                auth_line: 12_288,
                auth_attempts: 3,
                unknown_recipients: 10,
                bare_newline: BareNewline::Normalise,
            },
            deadlines: Deadlines {
                command: Duration::from_secs(300),
                data: Duration::from_secs(180),
                session: Duration::from_secs(3600),
            },
            offered: ["8bitmime", "smtputf8"].map(str::to_owned).into(),
            auth: None,
            auth_in_the_clear: false,
        }
    }
}

impl Settings {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let words = || value.split(' ').map(str::to_owned).collect();
        let yes = value == "yes";
        match name {
            "local" => self.local = words(),
            "mailboxes" => self.mailboxes = Some(words()),
            "directory" => self.directory_away = value == "away",
            "client" => self.client = address(value)?,
            "own" => self.own = value.split(' ').map(address).collect::<Result<_, _>>()?,
            "relay" => self.relay = value.split(' ').map(network).collect::<Result<_, _>>()?,
            "never" => self.never = value.split(' ').map(network).collect::<Result<_, _>>()?,
            "login" => self.login = Some(value.to_owned()),
            "certificate" => self.certificate = Some(value.to_owned()),
            "early" => self.early = yes,
            "command_line" => self.limits.command_line = number(value)?,
            "commands" => self.limits.commands = number(value)?,
            "errors" => self.limits.errors = number(value)?,
            "recipients" => self.limits.recipients = number(value)?,
            "message_size" => self.limits.message_size = number(value)?,
            "bare_newline" if value == "refuse" => self.limits.bare_newline = BareNewline::Refuse,
            "command_timeout" => self.deadlines.command = time(value)?,
            "data_timeout" => self.deadlines.data = time(value)?,
            "session_timeout" => self.deadlines.session = time(value)?,
            "auth_line" => self.limits.auth_line = number(value)?,
            "auth_attempts" => self.limits.auth_attempts = number(value)?,
            "unknown_recipients" => self.limits.unknown_recipients = number(value)?,
            "auth" => self.auth = Some(value.to_owned()),
            "auth_in_the_clear" => self.auth_in_the_clear = yes,
            "8bitmime" | "smtputf8" | "dsn" | "requiretls" | "starttls" | "xclient" | "auth_first" => {
                self.offered.remove(name);
                self.offered.extend(yes.then(|| name.to_owned()));
            }
            _ => match name.split_once(' ') {
                Some(("backend", command)) => {
                    self.backend.insert(command.to_owned(), value.replace("\\r\\n", "\r\n"));
                }
                Some(("sender-login", login)) => self.sender_logins.push(SenderLogin {
                    login: login.to_owned(),
                    senders: value.split(' ').map(sender_pattern).collect(),
                }),
                _ => return Err(format!("{name} is no setting")),
            },
        }
        Ok(())
    }
}

impl Script {
    /// Reads a transcript's text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut script = Self {
            settings: Settings::default(),
            steps: Vec::new(),
            replies: Vec::new(),
            decisions: Vec::new(),
            outcomes: Vec::new(),
            backend: None,
        };
        for (at, line) in text.lines().enumerate() {
            script.take(line).map_err(|error| format!("line {}: {error}", at + 1))?;
        }
        Ok(script)
    }

    fn take(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "settings:" => {
                for setting in rest.split(';') {
                    let (name, value) = setting.split_once('=').ok_or("a setting is name = value")?;
                    self.settings.set(name.trim(), value.trim())?;
                }
            }
            "C:" => self.steps.push(Step::Send(octets(rest)?)),
            "S:" => {
                self.replies.push(rest.to_owned());
                if let Some(Step::Expect(count)) = self.steps.last_mut() {
                    *count = self.replies.len();
                } else {
                    self.steps.push(Step::Expect(self.replies.len()));
                }
            }
            "B:" if rest == "never dialled" => self.backend = Some(Vec::new()),
            "B:" => self.backend.get_or_insert_default().push(rest.to_owned()),
            "D:" => self.decisions.push(rest.to_owned()),
            "A:" => self.outcomes.push(rest.to_owned()),
            "T:" => self.steps.push(Step::Handshake),
            "+" => self.steps.push(Step::Wait(time(rest)?)),
            _ => return Err("begins with none of C: S: B: D: A: T: + settings:".to_owned()),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{value} is no number"))
}

fn address(value: &str) -> Result<IpAddr, String> {
    value.parse().map_err(|_| format!("{value} is no address"))
}

/// A network, or one address.
fn network(value: &str) -> Result<IpNet, String> {
    let one = || value.parse::<IpAddr>().map(IpNet::from);
    value.parse().or_else(|_| one()).map_err(|_| format!("{value} is no network"))
}

fn time(value: &str) -> Result<Duration, String> {
    let wrong = || format!("{value} is no time");
    let unit = match value.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = value[..value.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(count * unit))
}

/// The octets that a `C:` line stands for.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let (text, end) = match text.strip_suffix('\\') {
        Some(open) if !open.ends_with('\\') => (open, &b""[..]),
        _ => (text, &b"\r\n"[..]),
    };
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        octets.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..].chars().next().ok_or("\\ is no escape")?;
        rest = &rest[at + 1 + escape.len_utf8()..];
        match escape {
            'r' => octets.push(b'\r'),
            'n' => octets.push(b'\n'),
            't' => octets.push(b'\t'),
            '\\' => octets.push(b'\\'),
            'x' => {
                let digits = rest.get(..2).ok_or("\\x needs two digits")?;
                octets.push(u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no octet"))?);
                rest = &rest[2..];
            }
            '*' => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                octets = octets.repeat(number(&rest[..digits])?);
                rest = &rest[digits..];
            }
            other => return Err(format!("\\{other} is no escape")),
        }
    }
    octets.extend_from_slice(rest.as_bytes());
    octets.extend_from_slice(end);
    Ok(octets)
}
