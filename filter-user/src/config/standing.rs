//! Where in the configuration a line stands that the policy names: the setting, and the file and line, the variable or the
//! flag.

use std::fmt;

use super::checked::Config;
use super::given::{Effective, Origin};
use super::settings as s;
use crate::policy::Line;

/// A setting, and where the value stands that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The setting.
    pub setting: &'static str,
    /// Which of its values, from 1, if it has several.
    pub number: Option<usize>,
    /// Where its value stands.
    pub origin: Origin,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.setting)?;
        if let Some(number) = self.number {
            write!(f, " number {number}")?;
        }
        write!(f, ", {}", self.origin)
    }
}

impl Config {
    /// Where a line stands. `settings` are those that this configuration was made from.
    #[must_use]
    pub fn standing(&self, settings: &[Effective], line: Line) -> Standing {
        let named = self.relaying.internal_addresses.len();
        let (name, number) = match line {
            Line::LocalDomain(number) => (s::LOCAL_DOMAIN.row.name, number),
            Line::Route(number) => (s::ROUTE.row.name, number),
            Line::Reroute => (s::REROUTE.row.name, 0),
            Line::NeverRelay(number) => (s::NEVER_RELAY.row.name, number),
            Line::RelayAuthenticated => (s::RELAY_AUTHENTICATED.row.name, 0),
            Line::SenderLogin(number) => match self.relaying.origin_in_file(number) {
                Some(origin) => return Standing { setting: s::SENDER_LOGINS.row.name, number: None, origin },
                None => (s::SENDER_LOGIN.row.name, number),
            },
            Line::RelayClientCertificate => (s::RELAY_CLIENT_CERTIFICATE.row.name, 0),
            Line::TlsClientName(number) => (s::TLS_CLIENT_NAME.row.name, number),
            // Behind those that are named come those of inside listeners.
            Line::RelayInternalAddress(number) if number >= named => (s::LISTEN.row.name, 0),
            Line::RelayInternalAddress(number) => (s::RELAY_INTERNAL_ADDRESS.row.name, number),
            Line::RelayNetwork(number) => (s::RELAY_NETWORK.row.name, number),
        };
        let setting = settings.iter().find(|setting| setting.name == name);
        let (origins, origin) = match setting {
            Some(setting) => (setting.origins.as_slice(), setting.origin.clone()),
            None => (&[][..], Origin::Default),
        };
        Standing {
            setting: name,
            number: (origins.len() > 1).then_some(number + 1),
            origin: origins.get(number).cloned().unwrap_or(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_where_its_value_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let (file, logins) = (folder.path().join("relaygate.toml"), folder.path().join("logins"));
        std::fs::write(&logins, "# who\nbob bob@example.org\n").unwrap();
        let text = format!(
            "backend = \"127.0.0.1:2526\"\nlisten = [\"10.0.0.1:25 profile=inside\"]\nnever-relay = [\n  \"10.6.6.0/24\",\n  \
             \"10.6.7.0/24\",\n]\nsender-logins = {logins:?}\nsender-login = \"alice alice@example.org\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let command = clap::Command::new("relaygate").no_binary_name(true).args(crate::config::arguments());
        let flags = ["--config", file.to_str().unwrap(), "--relay-internal-address", "10.0.0.2"];
        let matches = command.try_get_matches_from(flags).unwrap();
        let (config, settings) = Config::load_shown(&matches).unwrap();
        let in_file = |line| Origin::File(file.clone(), line);
        for (line, setting, origin) in [
            (Line::NeverRelay(1), "never-relay", in_file(5)),
            (Line::Reroute, "reroute", Origin::Default),
            (Line::SenderLogin(0), "sender-login", in_file(8)),
            (Line::SenderLogin(1), "sender-logins", Origin::File(logins.clone(), 2)),
            (Line::RelayInternalAddress(0), "relay-internal-address", Origin::Flag("relay-internal-address")),
            (Line::RelayInternalAddress(1), "listen", in_file(2)),
        ] {
            let standing = config.standing(&settings, line);
            assert_eq!((standing.setting, standing.origin), (setting, origin), "{line:?}");
        }
        let second = config.standing(&settings, Line::NeverRelay(1)).to_string();
        assert_eq!(second, format!("never-relay number 2, {}:5", file.display()));
    }
}
