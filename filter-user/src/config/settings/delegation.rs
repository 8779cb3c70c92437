//! Settings: policy delegation: Postfix faces the clients, and asks what is done with a recipient.

use super::count;
use crate::config::kind::{Count, PolicySocket};
use crate::config::setting::DefaultValue::{Is, Nothing};

settings! { "Policy delegation":
    POLICY_LISTEN: PolicySocket = "policy-listen" many, Nothing, PolicySocket,
        "Where Postfix asks by check_policy_service. Whoever reaches it is trusted as Postfix is: keep it on this host. `relaygate policy` answers there and does nothing else; `relaygate run` answers beside serving clients itself.";
    PROTECT: Count = "protect" many, Is("25"), count("a TCP port", 1, 65_535),
        "A port of the mail server where XDP enforces the sanctions, for `relaygate policy`; `relaygate run` protects the ports where it listens.";
}
