//! Settings: the relay decision: who is local, who may relay.

use crate::config::kind::{DomainName, File, LocalAddress, LoginSenders, Network, RelayNetwork, Truth};
use crate::config::setting::DefaultValue::{Is, Nothing};

settings! { "Relay decision":
    LOCAL_DOMAIN: DomainName = "local-domain" many, Nothing, DomainName,
        "A domain whose mailboxes are here. Mail to it is routed; mail to any other is relayed.";
    LOCAL_PART_CASE_SENSITIVE: Truth = "local-part-case-sensitive", Is("false"), Truth,
        "Whether local-parts that differ by case are different mailboxes.";
    REROUTE: Truth = "reroute", Is("true"), Truth,
        "Whether anyone at all may relay. With false only mail to local recipients is taken.";
    NEVER_RELAY: Network = "never-relay" many, Nothing, Network,
        "The never-list: who connects from here may not relay, whatever else is set. Mail to local recipients is taken from them too.";
    RELAY_AUTHENTICATED: Truth = "relay-authenticated", Is("true"), Truth,
        "Restriction successfully authenticate: who has authenticated by AUTH may relay.";
    SENDER_LOGIN: LoginSenders = "sender-login" many, Nothing, LoginSenders,
        "A login and whom it may send as; a login relays for these senders alone. Where one login is listed, one that is not may not relay; without any, every login may for every sender.";
    SENDER_LOGINS: File = "sender-logins", Nothing, File,
        "A file of further logins and whom they may send as, one a line, `#` before comments. Read at the start.";
    RELAY_CLIENT_CERTIFICATE: Truth = "relay-client-certificate", Is("true"), Truth,
        "Restriction successfully authenticate: who has shown a TLS client certificate of a trusted authority may relay.";
    RELAY_INTERNAL_ADDRESS: LocalAddress = "relay-internal-address" many, Nothing, LocalAddress,
        "Restriction internal addresses: who connects to this address of ours may relay. With a port, to this port alone.";
    RELAY_NETWORK: RelayNetwork = "relay-network" many, Nothing, RelayNetwork,
        "Restriction client networks: who connects from here may relay. Of several networks that hold a peer the narrowest alone counts.";
}
