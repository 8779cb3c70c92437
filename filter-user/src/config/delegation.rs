//! The configuration of policy delegation: where Postfix asks.

use super::error::ConfigError;
use super::given::Given;
use super::settings as s;
use super::stream_address::StreamAddress;

/// Policy delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationSettings {
    /// Where Postfix asks; nowhere where nothing is said. `--policy-listen`
    pub listen: Vec<StreamAddress>,
}

impl DelegationSettings {
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        Ok(Self { listen: given.all(&s::POLICY_LISTEN)? })
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        let is_outside = |at: &&StreamAddress| match at {
            StreamAddress::Unix(_) => false,
            StreamAddress::Inet { host, .. } => {
                !host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
            }
        };
        let warn = |at: &StreamAddress| {
            format!(
                "policy-listen = {at}: whoever reaches it can have any address blocked, and say of any client that it has \
                 authenticated; listen on a loopback address or a socket in the file system"
            )
        };
        self.listen.iter().filter(is_outside).map(warn).collect()
    }
}
