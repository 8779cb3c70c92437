//! Who may relay, as it is configured: the restrictions of the policy, and what is foolish about them. Reads the file of
//! logins and their senders, and nothing else.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::checked::is_half_the_world;
use super::clients::{Listen, Profile};
use super::error::ConfigError;
use super::given::{Given, Origin};
use super::kind::sender_login;
use super::settings as s;
use crate::policy::{ClientNetwork, InternalAddress, SenderLogin};

/// Who may relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// Whether anyone at all may. `--reroute`
    pub reroute: bool,
    /// The never-list. `--never-relay`
    pub never: Vec<IpNet>,
    /// Restriction *successfully authenticate*, by AUTH. `--relay-authenticated`
    pub authenticated: bool,
    /// Restriction *successfully authenticate*, by certificate. `--relay-client-certificate`
    pub client_certificate: bool,
    /// Restriction *internal addresses*. `--relay-internal-address`
    pub internal_addresses: Vec<InternalAddress>,
    /// Restriction *client networks*. `--relay-network`
    pub networks: Vec<ClientNetwork>,
    /// Whom each login may send as, those of the file last. `--sender-login`, `--sender-logins`
    pub sender_logins: Vec<SenderLogin>,
    /// Where in the file the last of them stand.
    sender_logins_file: Option<(PathBuf, Vec<usize>)>,
}

impl RelaySettings {
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        let mut sender_logins = given.all(&s::SENDER_LOGIN)?;
        let mut sender_logins_file = None;
        if let Some(path) = given.one(&s::SENDER_LOGINS)? {
            let (logins, lines) = read_sender_logins(&path)?;
            sender_logins.extend(logins);
            sender_logins_file = Some((path, lines));
        }
        Ok(Self {
            reroute: given.value(&s::REROUTE)?,
            never: given.all(&s::NEVER_RELAY)?,
            authenticated: given.value(&s::RELAY_AUTHENTICATED)?,
            client_certificate: given.value(&s::RELAY_CLIENT_CERTIFICATE)?,
            internal_addresses: given.all(&s::RELAY_INTERNAL_ADDRESS)?,
            networks: given.all(&s::RELAY_NETWORK)?,
            sender_logins,
            sender_logins_file,
        })
    }

    /// Where the file of logins has this one of [`sender_logins`](Self::sender_logins), if that is where it comes from.
    #[must_use]
    pub fn origin_in_file(&self, number: usize) -> Option<Origin> {
        let (path, lines) = self.sender_logins_file.as_ref()?;
        let from = self.sender_logins.len().checked_sub(lines.len())?;
        let line = lines.get(number.checked_sub(from)?)?;
        Some(Origin::File(path.clone(), *line))
    }

    /// What is allowed and foolish.
    pub(super) fn warnings(&self, listen: &[Listen]) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |warning: String| warnings.push(warning);
        for Listen { address, profile, .. } in listen {
            if *profile == Profile::Inside && !is_internal(address.ip().to_canonical()) {
                let what = if address.ip().is_unspecified() { "every address" } else { "a public address" };
                warn(format!(
                    "listen = {address} profile=inside is {what}: whoever can connect to it may relay"
                ));
            }
        }
        let listen: Vec<SocketAddr> = listen.iter().map(|listen| listen.address).collect();
        for ClientNetwork { network, senders } in &self.networks {
            if is_half_the_world(network) && senders.is_empty() {
                warn(format!("relay-network = {network}: nearly everybody may relay; this is an open relay"));
            } else if is_half_the_world(network) {
                warn(format!(
                    "relay-network = {network}: nearly everybody may relay who names one of its sender domains, and \
                     anybody can; this is an open relay"
                ));
            }
            if let Some(never) = self.never.iter().find(|never| never.contains(network)) {
                warn(format!(
                    "relay-network = {network} has no effect: never-relay = {never} holds all of it, and wins"
                ));
            }
            let same = |other: &&ClientNetwork| other.network == *network && other.senders.is_empty();
            if !senders.is_empty() && self.networks.iter().any(|other| same(&other)) {
                warn(format!(
                    "relay-network = {network}: the sender domains have no effect, because it stands without them too"
                ));
            }
        }
        for internal in &self.internal_addresses {
            if !is_internal(internal.address) {
                warn(format!(
                    "relay-internal-address = {internal} is a public address: whoever can connect to it may relay"
                ));
            }
            let is_listened_on = |listen: &SocketAddr| {
                let address = listen.ip().to_canonical();
                let same_family = address.is_ipv4() == internal.address.is_ipv4();
                (address == internal.address || (address.is_unspecified() && same_family))
                    && internal.port.is_none_or(|port| port == listen.port())
            };
            if !listen.iter().any(is_listened_on) {
                warn(format!("relay-internal-address = {internal} has no effect: nothing listens there"));
            }
        }
        let is_internal_listener = |listen: &SocketAddr| {
            self.internal_addresses.iter().any(|internal| {
                internal.address == listen.ip().to_canonical()
                    && internal.port.is_none_or(|port| port == listen.port())
            })
        };
        if listen.iter().all(is_internal_listener) {
            warn(
                "relay-internal-address names all that is listened on: whoever can connect may relay"
                    .to_owned(),
            );
        }
        if !self.sender_logins.is_empty() && !self.authenticated {
            warn("relay-authenticated = false: no login may relay, so sender-login has no effect".to_owned());
        }
        if !self.reroute {
            for (name, is_set) in [
                ("relay-network", !self.networks.is_empty()),
                ("relay-internal-address", !self.internal_addresses.is_empty()),
                ("sender-login", !self.sender_logins.is_empty()),
            ] {
                if is_set {
                    warn(format!("reroute = false: nobody may relay, so {name} has no effect"));
                }
            }
        }
        warnings
    }
}

/// A line is as a value of `sender-login`; `#` begins a comment, and stands for nothing within a line.
fn read_sender_logins(path: &Path) -> Result<(Vec<SenderLogin>, Vec<usize>), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::ListFile {
        name: s::SENDER_LOGINS.row.name,
        path: path.to_owned(),
        source,
    })?;
    let (mut logins, mut lines) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let login = sender_login(line).map_err(|fault| ConfigError::Value {
            origin: Origin::File(path.to_owned(), number),
            name: s::SENDER_LOGINS.row.name,
            value: line.to_owned(),
            expected: format!("a login and its senders; {fault}"),
        })?;
        logins.push(login);
        lines.push(number);
    }
    if logins.is_empty() {
        // Without a map every login may send as anybody, which who names a file for it does not mean.
        return Err(ConfigError::EmptyListFile { name: s::SENDER_LOGINS.row.name, path: path.to_owned() });
    }
    Ok((logins, lines))
}

/// Whether an address is one that the internet does not reach (RFC 1918, 3927, 4193, 4291, 6598).
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0b1100_0000 == 64;
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Origin};

    fn config(flags: &[&str]) -> Config {
        Config::from_flags(["--backend", "127.0.0.1:2526"].iter().chain(flags)).unwrap()
    }

    #[test]
    fn what_is_legal_and_foolish_is_warned_of() {
        for (flags, warning) in [
            (&["--relay-network", "0.0.0.0/0"][..], "this is an open relay"),
            (&["--relay-network", "::/0 sender-domain=example.org"], "anybody can; this is an open relay"),
            (
                &["--relay-network", "10.6.6.0/24", "--never-relay", "10.0.0.0/255.0.0.0"],
                "relay-network = 10.6.6.0/24 has no effect: never-relay = 10.0.0.0/8 holds all of it",
            ),
            (
                &["--relay-network", "10.0.0.0/8", "--relay-network", "10.0.0.0/8 sender-domain=example.org"],
                "the sender domains have no effect",
            ),
            (
                &["--listen", "0.0.0.0:25", "--relay-internal-address", "203.0.113.1"],
                "is a public address: whoever can connect to it may relay",
            ),
            (
                &["--listen", "127.0.0.1:25", "--relay-internal-address", "10.0.0.1"],
                "relay-internal-address = 10.0.0.1 has no effect: nothing listens there",
            ),
            (
                &["--listen", "0.0.0.0:25", "--relay-internal-address", "10.0.0.1:26"],
                "relay-internal-address = 10.0.0.1:26 has no effect",
            ),
            (
                &["--listen", "10.0.0.1:25", "--relay-internal-address", "10.0.0.1"],
                "names all that is listened on",
            ),
            (
                &["--relay-authenticated", "false", "--sender-login", "alice alice@example.org"],
                "so sender-login has no effect",
            ),
            (&["--reroute", "false", "--relay-network", "10.0.0.0/8"], "so relay-network has no effect"),
            (
                &["--reroute", "false", "--listen", "0.0.0.0:25", "--relay-internal-address", "10.0.0.1"],
                "so relay-internal-address has no effect",
            ),
        ] {
            let warnings = config(flags).warnings().join("\n");
            assert!(warnings.contains(warning), "{flags:?}: {warnings}");
        }
    }

    #[test]
    fn what_is_meant_is_not_warned_of() {
        let ordinary = config(&[
            "--listen",
            "0.0.0.0:25",
            "--relay-network",
            "10.0.0.0/8",
            "--relay-network",
            "10.1.0.0/16 sender-domain=example.org",
            "--never-relay",
            "10.6.6.0/24",
            "--relay-internal-address",
            "10.0.0.1",
            "--sender-login",
            "alice alice@example.org",
        ]);
        let warnings = ordinary.warnings().join("\n");
        assert!(!warnings.contains("relay-") && !warnings.contains("sender-"), "{warnings}");
    }

    #[test]
    fn a_file_has_logins_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sender-logins");
        let flags = ["--sender-login", "alice alice@example.org", "--sender-logins", path.to_str().unwrap()];
        std::fs::write(&path, "# who sends as whom\n\nbob bob@example.org @bob.example\n").unwrap();
        let relaying = config(&flags).relaying;
        let logins: Vec<&str> = relaying.sender_logins.iter().map(|row| row.login.as_str()).collect();
        assert_eq!(logins, ["alice", "bob"]);
        assert_eq!(relaying.origin_in_file(0), None);
        assert_eq!(relaying.origin_in_file(1), Some(Origin::File(path.clone(), 3)));
        assert_eq!(relaying.origin_in_file(2), None);

        let error = |flags: &[&str]| {
            let flags = ["--backend", "127.0.0.1:2526"].iter().chain(flags);
            Config::from_flags(flags).unwrap_err().to_string()
        };
        std::fs::write(&path, "alice alice@example.org\nbob\n").unwrap();
        let said = error(&flags);
        assert!(said.contains("sender-logins:2") && said.contains("behind the login bob"), "{said}");
        std::fs::remove_file(&path).unwrap();
        let said = error(&flags);
        assert!(said.contains("sender-logins") && said.contains("cannot be read"), "{said}");
    }
}
