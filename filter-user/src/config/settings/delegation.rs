//! Settings: policy delegation: Postfix faces the clients, and asks what is done with a recipient.

use crate::config::kind::PolicySocket;
use crate::config::setting::DefaultValue::Nothing;

settings! { "Policy delegation":
    POLICY_LISTEN: PolicySocket = "policy-listen" many, Nothing, PolicySocket,
        "Where Postfix asks by check_policy_service. Whoever reaches it is trusted as Postfix is: keep it on this host. `relaygate policy` answers there and does nothing else; `relaygate run` answers beside serving clients itself.";
}
