//! Makes the configuration from its sources: reads every setting of the table once, and checks those that must fit
//! each other. Opens the configuration file, asks the system for its name and addresses, and nothing more.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgMatches, Command};
use filter_common::{PrefixLengths, Rate};

use super::auth::AuthSettings;
use super::backend::BackendSettings;
use super::checked::Config;
use super::clients::{Listen, TrueAddress};
use super::delegation::DelegationSettings;
use super::directories::DirectorySettings;
use super::error::{ConfigError, Contradiction};
use super::given::{Effective, Given};
use super::kernel::KernelPart;
use super::kind::{DomainName, Kind};
use super::relaying::RelaySettings;
use super::routing::Routing;
use super::setting::Setting;
use super::source::{self, FILE_FLAG};
use super::tls::{BackendTls, TlsSettings};
use super::{setting::variable_of, settings as s};
use crate::peers::Weights;

impl KernelPart {
    /// The kernel's part alone, whatever else is set or is not.
    pub fn load(matches: &ArgMatches) -> Result<Self, ConfigError> {
        Self::read(&gather(matches, std::env::vars_os())?)
    }
}

impl Config {
    /// From flags that clap has parsed, this process's environment and the file that either names.
    pub fn load(matches: &ArgMatches) -> Result<Self, ConfigError> {
        Ok(Self::load_shown(matches)?.0)
    }

    /// As [`load`](Self::load), with every setting as it stands.
    pub fn load_shown(matches: &ArgMatches) -> Result<(Self, Vec<Effective>), ConfigError> {
        let given = gather(matches, std::env::vars_os())?;
        Ok((Self::from_given(&given)?, given.effective()))
    }

    /// From flags that clap has parsed, these variables and the file that either names.
    pub fn from_sources(
        matches: &ArgMatches,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        Self::from_given(&gather(matches, variables)?)
    }

    /// From flags alone, such as `["--backend", "sink:"]`: neither environment nor file, unless `--config` names one.
    pub fn from_flags<T: Into<OsString> + Clone>(
        flags: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        let command = Command::new("relaygate").no_binary_name(true).args(source::arguments());
        Self::from_sources(&command.try_get_matches_from(flags)?, [])
    }

    /// From the text of a file alone; `path` is what errors call it.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut given = Given::default();
        source::file(&mut given, path, text)?;
        Self::from_given(&given)
    }

    fn from_given(given: &Given) -> Result<Self, ConfigError> {
        let backend = BackendSettings::read(given)?;
        let listen = given.all(&s::LISTEN)?;
        if listen.is_empty() {
            return Err(ConfigError::NoListen);
        }
        let delegation = DelegationSettings::read(given)?;
        more_than(given, &s::STRIKES_TO_BLOCK, &s::STRIKES_TO_LIMIT)?;
        at_least(given, &s::BLOCK_MAX, &s::BLOCK_FOR)?;
        at_least(given, &s::AUTHENTICATED_MAX, &s::AUTHENTICATED_FOR)?;
        let (events, period) = given.value(&s::LIMIT_RATE)?;
        let weight = |setting| number(given, setting);
        Ok(Self {
            hostname: given.one(&s::HOSTNAME)?.unwrap_or_else(system_hostname),
            own_addresses: own_addresses(&listen, !delegation.listen.is_empty()),
            tls: TlsSettings::read(given, &listen)?,
            listen,
            true_address: TrueAddress::read(given)?,
            workers: match given.one(&s::WORKERS)? {
                Some(workers) => usize::try_from(workers).unwrap_or(usize::MAX),
                None => std::thread::available_parallelism().map_or(1, usize::from),
            },
            backend,
            backend_tls: BackendTls::read(given)?,
            local_domains: given.all(&s::LOCAL_DOMAIN)?,
            delegation,
            directories: DirectorySettings::read(given)?,
            routing: Routing::new(given.all(&s::ROUTE)?),
            dns_servers: given.all(&s::DNS_SERVER)?,
            local_part_case_sensitive: given.value(&s::LOCAL_PART_CASE_SENSITIVE)?,
            relaying: RelaySettings::read(given)?,
            auth: AuthSettings::read(given)?,
            allow: given.all(&s::ALLOW)?,
            peer_prefixes: PrefixLengths {
                ipv4: number(given, &s::PEER_PREFIX_IPV4)?,
                ipv6: number(given, &s::PEER_PREFIX_IPV6)?,
            },
            max_peers: number(given, &s::MAX_PEERS)?,
            strikes_to_limit: number(given, &s::STRIKES_TO_LIMIT)?,
            strikes_to_block: number(given, &s::STRIKES_TO_BLOCK)?,
            strike_decay: given.value(&s::STRIKE_DECAY)?,
            strike_weights: Weights {
                relay_attempt: weight(&s::STRIKE_WEIGHT_RELAY_ATTEMPT)?,
                disguised_relay_attempt: weight(&s::STRIKE_WEIGHT_DISGUISED_RELAY_ATTEMPT)?,
                unknown_recipient: weight(&s::STRIKE_WEIGHT_UNKNOWN_RECIPIENT)?,
                failed_auth: weight(&s::STRIKE_WEIGHT_FAILED_AUTH)?,
                protocol_abuse: weight(&s::STRIKE_WEIGHT_PROTOCOL_ABUSE)?,
            },
            limit_rate: Rate::new(events, period, number(given, &s::LIMIT_BURST)?),
            block_for: given.value(&s::BLOCK_FOR)?,
            block_max: given.value(&s::BLOCK_MAX)?,
            kernel: KernelPart::read(given)?,
            max_sessions: number(given, &s::MAX_SESSIONS)?,
            max_sessions_per_peer: number(given, &s::MAX_SESSIONS_PER_PEER)?,
            greet_delay: given.value(&s::GREET_DELAY)?,
            command_timeout: given.value(&s::COMMAND_TIMEOUT)?,
            data_timeout: given.value(&s::DATA_TIMEOUT)?,
            write_timeout: given.value(&s::WRITE_TIMEOUT)?,
            session_timeout: given.value(&s::SESSION_TIMEOUT)?,
            drain_timeout: given.value(&s::DRAIN_TIMEOUT)?,
            max_command_line: number(given, &s::MAX_COMMAND_LINE)?,
            max_commands: number(given, &s::MAX_COMMANDS)?,
            max_errors: number(given, &s::MAX_ERRORS)?,
            max_recipients: number(given, &s::MAX_RECIPIENTS)?,
            max_unknown_recipients: number(given, &s::MAX_UNKNOWN_RECIPIENTS)?,
            max_message_size: given.value(&s::MAX_MESSAGE_SIZE)?,
            bare_newline: given.value(&s::BARE_NEWLINE)?,
            control: given.one(&s::CONTROL_SOCKET)?,
            metrics_listen: given.one(&s::METRICS_LISTEN)?,
            log_json: given.value(&s::LOG_FORMAT)?,
            log_level: given.value(&s::LOG_LEVEL)?,
            log_refusals: number(given, &s::LOG_REFUSALS)?,
        })
    }
}

/// All that the sources say.
fn gather(
    matches: &ArgMatches,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Given, ConfigError> {
    let variables: Vec<_> = variables.into_iter().collect();
    let by_flag = matches.try_get_one::<PathBuf>(FILE_FLAG).ok().flatten().cloned();
    let by_variable = variables.iter().find(|(name, _)| name.to_str() == Some(&variable_of(FILE_FLAG)));
    let mut given = Given::default();
    if let Some(path) = by_flag.or_else(|| by_variable.map(|(_, path)| PathBuf::from(path))) {
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::File { path: path.clone(), source })?;
        source::file(&mut given, &path, &text)?;
    }
    source::environment(&mut given, variables)?;
    source::flags(&mut given, matches)?;
    Ok(given)
}

/// A number in the type that the program counts it in; every bound in the table fits its type.
pub(super) fn number<T, K>(given: &Given, setting: &Setting<K>) -> Result<T, ConfigError>
where
    T: TryFrom<u64>,
    K: Kind<Value = u64>,
{
    let value = given.value(setting)?;
    T::try_from(value).map_err(|_| ConfigError::Value {
        origin: given.origin(&setting.row),
        name: setting.row.name,
        value: value.to_string(),
        expected: setting.kind.expected(),
    })
}

/// How a value is shown in a message.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for u64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Duration {
    fn shown(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

fn more_than<K>(given: &Given, first: &Setting<K>, second: &Setting<K>) -> Result<(), ConfigError>
where
    K: Kind<Value: PartialOrd + Shown>,
{
    compare(given, first, "more than", second, |first, second| first > second)
}

fn at_least<K>(given: &Given, first: &Setting<K>, second: &Setting<K>) -> Result<(), ConfigError>
where
    K: Kind<Value: PartialOrd + Shown>,
{
    compare(given, first, "at least", second, |first, second| first >= second)
}

fn compare<K: Kind<Value: Shown>>(
    given: &Given,
    first: &Setting<K>,
    relation: &'static str,
    second: &Setting<K>,
    holds: impl FnOnce(&K::Value, &K::Value) -> bool,
) -> Result<(), ConfigError> {
    let (first_value, second_value) = (given.value(first)?, given.value(second)?);
    if holds(&first_value, &second_value) {
        return Ok(());
    }
    Err(ConfigError::Contradiction(Box::new(Contradiction {
        first: first.row.name,
        first_value: first_value.shown(),
        first_origin: given.origin(&first.row),
        relation,
        second: second.row.name,
        second_value: second_value.shown(),
        second_origin: given.origin(&second.row),
    })))
}

/// The system's name; one that cannot stand in a banner is as good as none.
fn system_hostname() -> String {
    let system = rustix::system::uname();
    DomainName.parse(&system.nodename().to_string_lossy()).unwrap_or_else(|| "localhost".to_owned())
}

/// The addresses that clients may know this host by: where it listens; and where it listens everywhere, or Postfix does in
/// its place, all it has.
fn own_addresses(listen: &[Listen], everywhere: bool) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> =
        listen.iter().map(|listen| listen.address.ip()).filter(|address| !address.is_unspecified()).collect();
    if everywhere || addresses.len() < listen.len() {
        let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
        addresses.extend(interfaces.filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))
        }));
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
