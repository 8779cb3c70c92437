//! A `settings:` line of the tables as flags of relaygate.

/// What `answer 0` and `answer 1` of the tables say.
pub(super) const ANSWERS: [&str; 2] =
    ["550 5.1.2 we do not take mail for this", "551 5.1.6 we have not taken mail for this for long"];

/// A scene of the tables.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// Flags, each with its value.
    pub(super) flags: Vec<(&'static str, String)>,
    /// Domains of ours, for a directory that takes them whole.
    pub(super) domains: Vec<String>,
    /// Lines of a mailbox file, where the scene has one.
    pub(super) mailboxes: Option<Vec<String>>,
    /// Addresses that this host is to have.
    pub(super) own: Vec<String>,
    /// Rows of the routing table whose destinations have no port yet: what stands before it.
    pub(super) routes: Vec<(String, Target)>,
}

/// Where a row of the routing table leads, by the number that the tables give it.
#[derive(Debug)]
pub(super) enum Target {
    /// `inbound`, to the default backend.
    Inbound,
    /// `inbound`, to this destination.
    Backend(usize),
    /// `host`, to this destination.
    Host(usize),
    /// `reply`.
    Answer(usize),
}

impl Scene {
    /// Nothing for a scene that no configuration can say.
    pub(super) fn read(settings: &str) -> Option<Self> {
        let mut scene = Self::default();
        // The tables say what a policy has by itself; a configuration relays by default for who may.
        let mut reroute = "false".to_owned();
        for setting in settings.split(';').filter(|setting| !setting.trim().is_empty()) {
            let (name, value) = setting.split_once('=').unwrap();
            let value = value.trim();
            let words = || value.split_whitespace().map(str::to_owned);
            match name.trim() {
                "local" => scene.domains.extend(words()),
                "own" => scene.own.extend(words()),
                "reroute" => reroute = value.to_owned(),
                "clients" => scene.many("relay-network", words()),
                "internal" => scene.many("relay-internal-address", words()),
                "authenticated" => scene.flags.push(("relay-authenticated", (value == "on").to_string())),
                "certificates" if value == "off" => {
                    scene.flags.push(("relay-client-certificate", "false".to_owned()));
                }
                "certificates" => scene.many("tls-client-name", words()),
                "never" => scene.many("never-relay", words()),
                "mailboxes" => scene.mailboxes = Some(words().collect()),
                "case" => scene.flags.push(("local-part-case-sensitive", (value == "sensitive").to_string())),
                other => match other.split_once(' ').unwrap() {
                    ("client", network) => {
                        let senders: Vec<_> = words()
                            .map(|sender| format!(" sender-domain={}", sender.trim_start_matches('@')))
                            .collect();
                        scene.flags.push(("relay-network", format!("{network}{}", senders.concat())));
                    }
                    ("login", login) => {
                        let senders: Vec<_> = words().map(|sender| format!(" {sender:?}")).collect();
                        scene.flags.push(("sender-login", format!("{login}{}", senders.concat())));
                    }
                    ("route", "*") if value == "inbound" => return None,
                    ("route", sent_to) => scene.routes.push((sent_to.to_owned(), target(value))),
                    _ => panic!("no such setting: {other}"),
                },
            }
        }
        scene.flags.push(("reroute", reroute));
        let domains: Vec<_> = scene.domains.clone();
        scene.many("local-domain", domains.into_iter());
        Some(scene)
    }

    fn many(&mut self, flag: &'static str, values: impl Iterator<Item = String>) {
        self.flags.extend(values.map(|value| (flag, value)));
    }
}

fn target(text: &str) -> Target {
    match text.split_once(' ') {
        None => Target::Inbound,
        Some(("backend", number)) => Target::Backend(number.parse().unwrap()),
        Some(("host", number)) => Target::Host(number.parse().unwrap()),
        Some(("answer", number)) => Target::Answer(number.parse().unwrap()),
        Some(_) => panic!("{text} is nowhere"),
    }
}
