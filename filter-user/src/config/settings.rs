//! The table of settings: each one once, for flag, TOML key and `RELAYGATE_*` variable, with its default, unit,
//! bounds and help. `--help`, the man page and `docs/configuration.md` are made from it. Reads nothing.

use std::time::Duration;

use super::kind::{
    Backend, Choice, Count, DomainName, Endpoint, File, Interface, LogFilter, Network, Octets, PerTime, Time,
    Truth,
};
use super::setting::DefaultValue::{FoundOut, Is, Nothing, Required};
use super::setting::{AnySetting, Row, Setting};
use crate::smtp::BareNewline;

/// Makes each setting a static of its own kind, and all of them [`TABLE`].
macro_rules! settings {
    ($($heading:literal { $($setting:ident: $kind:ty = $name:literal $($many:ident)?, $default:expr, $value:expr, $help:expr;)* })*) => {
        $($(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub static $setting: Setting<$kind> = Setting {
                row: Row { name: $name, many: settings!(@many $($many)?), default: $default, heading: $heading, help: $help },
                kind: $value,
            };
        )*)*

        /// Every setting, in the order of `--help`.
        pub static TABLE: &[&dyn AnySetting] = &[$($(&$setting),*),*];
    };
    (@many) => { false };
    (@many many) => { true };
}

const fn time(from: Duration, to: Duration) -> Time {
    Time { from, to }
}

const fn count(of: &'static str, from: u64, to: u64) -> Count {
    Count { of, from, to }
}

const MOMENT: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// As humantime counts it.
const YEAR: Duration = Duration::from_secs(31_557_600);

settings! {
    "Clients" {
        LISTEN: Endpoint = "listen" many, Is("127.0.0.1:2525"), Endpoint,
            "Where clients connect. Port 0 lets the system choose one.";
        HOSTNAME: DomainName = "hostname", FoundOut("the system's host name"), DomainName,
            "Our name, in the banner, in the reply to EHLO and towards the backend.";
        WORKERS: Count = "workers", FoundOut("one for each CPU core"), count("threads", 1, 1024),
            "Worker threads, each with a listening socket of its own.";
    }

    "Backend" {
        BACKEND: Backend = "backend", Required, Backend,
            "The mail server behind relaygate. `sink:` is a built-in one that counts and throws away, for trying out.";
        BACKEND_PROXY_PROTOCOL: Truth = "backend-proxy-protocol", Is("false"), Truth,
            "Tell the backend the client's address by a PROXY v2 header. XCLIENT is used where the backend offers it, whatever this says.";
        BACKEND_DIAL_TIMEOUT: Time = "backend-dial-timeout", Is("5s"), time(MOMENT, HOUR),
            "How long the backend may take to accept the connection and say its banner.";
        BACKEND_REPLY_TIMEOUT: Time = "backend-reply-timeout", Is("60s"), time(MOMENT, HOUR),
            "How long the backend may take for each reply before the message.";
        BACKEND_FINAL_TIMEOUT: Time = "backend-final-timeout", Is("10m"), time(MOMENT, HOUR),
            "How long the backend may take for the reply after the final dot. RFC 5321 section 4.5.3.2.6 asks for 10 minutes: a shorter one risks that a message is delivered twice.";
    }

    "Relay decision" {
        LOCAL_DOMAIN: DomainName = "local-domain" many, Nothing, DomainName,
            "A domain whose mailboxes are here. Mail to it is routed; mail to any other is relayed.";
        MAILBOXES: File = "mailboxes", Nothing, File,
            "The mailbox file: one address or local-part a line, `@domain` for all of a domain, `#` for comments. Read again at SIGHUP. Without it the backend's own answer to RCPT decides.";
        LOCAL_PART_CASE_SENSITIVE: Truth = "local-part-case-sensitive", Is("false"), Truth,
            "Whether local-parts that differ by case are different mailboxes.";
        RELAY_NETWORK: Network = "relay-network" many, Nothing, Network,
            "Restriction client networks: who connects from here may relay.";
        NEVER_RELAY: Network = "never-relay" many, Nothing, Network,
            "The never-list: who connects from here may not relay, whatever else is set. Mail to local recipients is taken from them too.";
        REROUTE: Truth = "reroute", Is("true"), Truth,
            "Whether anyone at all may relay. With false only mail to local recipients is taken.";
    }

    "Strikes and sanctions" {
        INTERFACE: Interface = "interface" many, Nothing, Interface,
            "A network interface where XDP enforces the sanctions. Without one, or where XDP cannot be had, they are enforced when a connection is accepted.";
        ALLOW: Network = "allow" many, Nothing, Network,
            "A peer that is never sanctioned: it earns no strikes, and its packets always pass.";
        PEER_PREFIX_IPV4: Count = "peer-prefix-ipv4", Is("32"), count("bits", 8, 32),
            "How many leading bits of an IPv4 address are one peer.";
        PEER_PREFIX_IPV6: Count = "peer-prefix-ipv6", Is("64"), count("bits", 16, 128),
            "How many leading bits of an IPv6 address are one peer.";
        MAX_PEERS: Count = "max-peers", Is("262144"), count("peers", 64, 16_777_216),
            "Peers that are remembered at once. When there are more, those with the least to remember are forgotten.";
        STRIKES_TO_LIMIT: Count = "strikes-to-limit", Is("3"), count("strikes", 1, 1_000_000),
            "Strikes that limit a peer.";
        STRIKES_TO_BLOCK: Count = "strikes-to-block", Is("10"), count("strikes", 1, 1_000_000),
            "Strikes that block a peer.";
        STRIKE_DECAY: Time = "strike-decay", Is("10m"), time(MOMENT, YEAR),
            "Time in which one strike leaks away.";
        STRIKE_WEIGHT_RELAY_ATTEMPT: Count = "strike-weight-relay-attempt", Is("1"), count("strikes", 0, 1000),
            "Strikes for an attempt to relay. 0 forgives them.";
        STRIKE_WEIGHT_DISGUISED_RELAY_ATTEMPT: Count = "strike-weight-disguised-relay-attempt", Is("1"), count("strikes", 0, 1000),
            "Strikes for an attempt to relay by an address inside an address. 0 forgives them.";
        STRIKE_WEIGHT_UNKNOWN_RECIPIENT: Count = "strike-weight-unknown-recipient", Is("1"), count("strikes", 0, 1000),
            "Strikes for a recipient that the directory does not know. 0 forgives them.";
        STRIKE_WEIGHT_FAILED_AUTH: Count = "strike-weight-failed-auth", Is("1"), count("strikes", 0, 1000),
            "Strikes for a failed AUTH. 0 forgives them.";
        STRIKE_WEIGHT_PROTOCOL_ABUSE: Count = "strike-weight-protocol-abuse", Is("1"), count("strikes", 0, 1000),
            "Strikes for talking before the banner, another protocol, or errors until the session ended. 0 forgives them.";
        LIMIT_RATE: PerTime = "limit-rate", Is("6/m"), PerTime { of: "connections" },
            "New connections of a limited peer.";
        LIMIT_BURST: Count = "limit-burst", Is("1"), count("connections", 1, 10_000),
            "New connections of a limited peer that may come at once.";
        BLOCK_FOR: Time = "block-for", Is("5m"), time(MOMENT, YEAR),
            "How long the first block is. Each further one is twice as long.";
        BLOCK_MAX: Time = "block-max", Is("24h"), time(MOMENT, YEAR),
            "How long a block is at most. A peer that behaves for as long is blocked as for the first time.";
    }

    "Bounds" {
        MAX_SESSIONS: Count = "max-sessions", Is("20000"), count("sessions", 1, 10_000_000),
            "Open sessions in all. Who comes when there are as many gets 421.";
        MAX_SESSIONS_PER_PEER: Count = "max-sessions-per-peer", Is("50"), count("sessions", 1, 10_000_000),
            "Open sessions of one peer. Its further ones get 421.";
        MAX_COMMAND_LINE: Octets = "max-command-line", Is("2048"), Octets { from: 512, to: 65_536 },
            "The longest command line, with its CR LF. RFC 5321 section 4.5.3.1.4 asks for 512, the extensions for more.";
        MAX_COMMANDS: Count = "max-commands", Is("10000"), count("commands", 10, 4_000_000_000),
            "Commands in one session.";
        MAX_ERRORS: Count = "max-errors", Is("20"), count("errors", 1, 1_000_000),
            "Errors in one session, after which it ends with a strike.";
        MAX_RECIPIENTS: Count = "max-recipients", Is("1000"), count("recipients", 1, 100_000),
            "Accepted recipients of one message. RFC 5321 section 4.5.3.1.8 asks for at least 100.";
        MAX_MESSAGE_SIZE: Octets = "max-message-size", Is("50M"), Octets { from: 65_536, to: 1 << 40 },
            "The largest message; shown as SIZE.";
        BARE_NEWLINE: Choice<BareNewline> = "bare-newline", Is("normalise"),
            Choice { placeholder: "WHAT", words: &["normalise", "refuse"], values: &[BareNewline::Normalise, BareNewline::Refuse] },
            "What becomes of a bare CR or LF in message data. It is made CR LF, or the message is refused; it is never passed on as it is.";
    }

    "Time-outs" {
        GREET_DELAY: Time = "greet-delay", Is("0s"), time(Duration::ZERO, Duration::from_secs(60)),
            "Wait before the banner. Who talks meanwhile is an early talker, and refused.";
        COMMAND_TIMEOUT: Time = "command-timeout", Is("5m"), time(MOMENT, HOUR),
            "How long a peer may take for each command (RFC 5321 section 4.5.3.2.7).";
        DATA_TIMEOUT: Time = "data-timeout", Is("3m"), time(MOMENT, HOUR),
            "How long a peer may take for each block of message data (RFC 5321 section 4.5.3.2.5).";
        WRITE_TIMEOUT: Time = "write-timeout", Is("30s"), time(MOMENT, HOUR),
            "How long a peer may take to accept our replies.";
        SESSION_TIMEOUT: Time = "session-timeout", Is("1h"), time(MOMENT, DAY),
            "How long a session may take in all.";
        DRAIN_TIMEOUT: Time = "drain-timeout", Is("30s"), time(Duration::ZERO, DAY),
            "How long open sessions may go on after SIGTERM.";
    }

    "Logs and metrics" {
        METRICS_LISTEN: Endpoint = "metrics-listen", Nothing, Endpoint,
            "Where metrics are served over HTTP, in the Prometheus format. Keep it away from the outside.";
        LOG_FORMAT: Choice<bool> = "log-format", Is("text"),
            Choice { placeholder: "FORMAT", words: &["text", "json"], values: &[false, true] },
            "How logs are written to standard error.";
        LOG_LEVEL: LogFilter = "log-level", Is("info"), LogFilter,
            "What is logged. A level, or a filter of levels by module as Rust's tracing has them.";
        LOG_REFUSALS: Count = "log-refusals", Is("10"), count("refusals a second", 0, 100_000),
            "Refusals that each worker logs one by one each second. The rest is counted, and summed up for each peer.";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ffi::OsString;
    use std::path::Path;

    use clap::Command;

    use super::*;
    use crate::config::setting::DefaultValue;
    use crate::config::{Config, ConfigError, arguments};

    /// Texts of every kind: for each setting, one of them is not its default and fits the other defaults.
    const SAMPLES: [&str; 16] = [
        "7",
        "24",
        "600",
        "70000",
        "25h",
        "20s",
        "7/m",
        "true",
        "false",
        "json",
        "refuse",
        "192.0.2.9:99",
        "192.0.2.0/24",
        "other.example",
        "other.example:25",
        "debug",
    ];

    fn command() -> Command {
        Command::new("relaygate").no_binary_name(true).args(arguments())
    }

    fn by_flag(name: &str, text: &str) -> Result<Config, ConfigError> {
        let mut flags = vec![format!("--{name}"), text.to_owned()];
        if name != "backend" {
            flags.extend(["--backend".to_owned(), "sink:".to_owned()]);
        }
        Config::from_flags(flags)
    }

    fn sample(name: &str) -> (&'static str, Config) {
        let default = by_flag("backend", "sink:").unwrap();
        SAMPLES
            .iter()
            .filter_map(|text| Some((*text, by_flag(name, text).ok()?)))
            .find(|(_, config)| *config != default)
            .unwrap_or_else(|| panic!("no sample text changes {name}: does anything read it?"))
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names = HashSet::new();
        let mut variables = HashSet::new();
        for row in TABLE.iter().map(|setting| setting.row()) {
            assert!(names.insert(row.name), "{} stands twice", row.name);
            assert!(variables.insert(row.variable()), "{} has a variable that another has", row.name);
            assert!(
                row.name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
        }
    }

    #[test]
    fn every_setting_has_a_help_that_is_a_sentence_and_says_what_it_expects() {
        for setting in TABLE {
            let row = setting.row();
            assert!(
                row.help.ends_with('.') && row.help.starts_with(char::is_uppercase),
                "{}: {}",
                row.name,
                row.help
            );
            assert!(!setting.expected().is_empty() && !setting.placeholder().is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn every_default_is_within_the_bounds_and_shown_in_the_help() {
        let mut command = command();
        let help = command.render_long_help().to_string();
        for setting in TABLE {
            let row = setting.row();
            if let DefaultValue::Is(text) = row.default {
                assert!(setting.takes(text), "{}: its own default {text:?} is not taken", row.name);
            }
            let from = help
                .find(&format!("--{} ", row.name))
                .unwrap_or_else(|| panic!("no --{} in the help", row.name));
            let own = &help[from..];
            let own = &own[..own.find("[env: ").unwrap() + 80.min(own.len() - own.find("[env: ").unwrap())];
            let own = own.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(own.contains(&format!("[default: {}]", row.default_shown())), "{}: {own}", row.name);
            assert!(own.contains(&format!("[env: {}]", row.variable())), "{}: {own}", row.name);
        }
    }

    #[test]
    fn flag_variable_and_file_mean_the_same() {
        for row in TABLE.iter().map(|setting| setting.row()) {
            let (text, wanted) = sample(row.name);
            let backend = if row.name == "backend" { vec![] } else { vec!["--backend", "sink:"] };
            let matches = command().try_get_matches_from(backend).unwrap();
            let variables = [(OsString::from(row.variable()), OsString::from(text))];
            assert_eq!(Config::from_sources(&matches, variables).unwrap(), wanted, "{}", row.variable());

            let mut written = vec![format!("{text:?}")];
            if text.parse::<u64>().is_ok() || text.parse::<bool>().is_ok() {
                written.push(text.to_owned());
            }
            if row.many {
                written.push(format!("[{text:?}]"));
            }
            for value in written {
                let backend = if row.name == "backend" { "" } else { "backend = \"sink:\"\n" };
                let toml = format!("{backend}{} = {value}\n", row.name);
                assert_eq!(Config::from_toml(Path::new("relaygate.toml"), &toml).unwrap(), wanted, "{toml}");
            }
        }
    }
}
