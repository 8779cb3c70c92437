//! Settings: the relay decision: who is local, who may relay.

use crate::config::kind::{DomainName, File, Network, Truth};
use crate::config::setting::DefaultValue::{Is, Nothing};

settings! { "Relay decision":
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
