//! Settings: strikes, and the sanctions that they earn.

use super::{MOMENT, YEAR, count, time};
use crate::config::kind::{Count, Network, PerTime, Time};
use crate::config::setting::DefaultValue::{Is, Nothing};

settings! { "Strikes and sanctions":
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
